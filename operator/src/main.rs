//! The operator's program.

use anyhow::Context;
use clap::Parser;
use dasklike_operator::args::{Args, Command, RunArgs};
use dasklike_operator::clock::Clock;
use dasklike_operator::edge::run::RunConfig;
use dasklike_operator::{Settings, edge, logs};
use std::io::Write;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run(args) => {
            logs::begin(args.log_format);
            // One thread: it waits most of the time, and one connection has all the requests. Two used 3 MB more and made
            // pods no sooner.
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start the runtime")?
                .block_on(run(args))
        }
        Command::Crd => print(&dasklike_operator::crd::yaml()?),
        Command::Version => print(&format!("{}\n", env!("CARGO_PKG_VERSION"))),
    }
}

async fn run(args: RunArgs) -> anyhow::Result<()> {
    // Two libraries of the program could each bring a provider of their own; one is chosen here.
    let provider = rustls::crypto::ring::default_provider();
    anyhow::ensure!(
        provider.install_default().is_ok(),
        "another TLS provider is installed already"
    );
    let kubernetes = kube::Config::infer()
        .await
        .context("no way to the Kubernetes API: run in a cluster, or set KUBECONFIG")?;
    let identity = match args.identity {
        Some(identity) => identity,
        None => hostname()?,
    };
    let config = RunConfig {
        settings: Settings {
            namespaces: args.namespaces,
            default_image: args.default_image,
            concurrency: args.concurrency,
            identity: Some(identity.clone()),
            clock: Clock::System,
        },
        http_port: args.http_port,
        lease_namespace: args
            .lease_namespace
            .unwrap_or_else(|| kubernetes.default_namespace.clone()),
        lease_name: args.lease_name,
        identity,
    };
    let mut terminate = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot hear SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(edge::run::run(kubernetes, config, stop).await?)
}

/// The host's name, which is the pod's in Kubernetes.
fn hostname() -> anyhow::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .context("cannot read the host's name; give --identity")?;
    Ok(name.trim().to_owned())
}

/// Data goes to stdout; a reader that closed it early is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
