//! What a program does once when it starts.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Sends logs to stderr: warnings, or what the environment variable `DASKLIKE_LOG` asks for (`info`,
/// `dasklike_scheduler=debug`). Does nothing if the program has set up its own.
pub fn logging() {
    let filter = EnvFilter::try_from_env("DASKLIKE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // On a terminal colours are as they are anywhere, by `NO_COLOR`.
    let subscriber = match std::io::stderr().is_terminal() {
        true => subscriber,
        false => subscriber.with_ansi(false),
    };
    // Another subscriber is the program's own choice.
    let _ = subscriber.try_init();
}

/// Installs ring as the provider of TLS. Does nothing if the program has chosen one.
pub fn tls() {
    // A provider that is there already is the program's own choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Calls `end` on a thread of its own at the first Ctrl-C or SIGTERM; it is expected to end the process. Where
/// signals cannot be had, the system ends the process itself.
pub fn on_interrupt(end: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        else {
            return;
        };
        let interrupted = runtime.block_on(async {
            let (Ok(mut int), Ok(mut term)) = (
                signal(SignalKind::interrupt()),
                signal(SignalKind::terminate()),
            ) else {
                return false;
            };
            tokio::select! {
                _ = int.recv() => true,
                _ = term.recv() => true,
            }
        });
        if interrupted {
            end();
        }
    });
}
