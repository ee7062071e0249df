//! What a program does once when it starts.

use tracing_subscriber::EnvFilter;

/// Sends logs to stderr: warnings, or what the environment variable `DASKLIKE_LOG` asks for (`info`,
/// `dasklike_scheduler=debug`). Does nothing if the program has set up its own.
pub fn logging() {
    let filter = EnvFilter::try_from_env("DASKLIKE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Another subscriber is the program's own choice.
    let _ = subscriber.try_init();
}

/// Installs ring as the provider of TLS. Does nothing if the program has chosen one.
pub fn tls() {
    // A provider that is there already is the program's own choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// How many ports are tried for the dashboard when none was asked for.
pub const DASHBOARD_TRIES: u16 = 50;

/// Waits for Ctrl-C or SIGTERM. If signals cannot be had, waits for ever: the system then ends the process.
pub async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}

/// Three quarters of the memory that this process may use: the machine's, or its control group's.
pub fn default_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:").map(str::to_owned))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
    });
    // "max" where there is no limit, which is no number.
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|t| t.trim().parse().ok());
    let all = [machine, group].into_iter().flatten().min().unwrap_or(4 << 30);
    all / 4 * 3
}
