//! `dasklike connect`: a cluster's scheduler and dashboard on ports of this machine, and a context to use them by.

use super::cluster::Cluster;
use super::error::KubeError;
use super::{client, forward};
use crate::commands::talk::say;
use anyhow::{Context as _, Result};
use dasklike::context::{Context, ContextName, ContextTls};
use dasklike_proto_engine::transport::DEFAULT_PORT;
use dasklike_scheduler::http::DEFAULT_PORT as DASHBOARD_PORT;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often is looked whether a cluster that is not ready has become so.
const POLL: Duration = Duration::from_millis(500);
/// How often is looked whether the certificates were renewed.
const RENEW: Duration = Duration::from_secs(300);

/// Reach a cluster in Kubernetes from this machine until Ctrl-C: its dashboard, and a context for --scheduler
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectArgs {
    /// The cluster's name, also that of the context
    name: ContextName,
    /// Its namespace [default: your kubeconfig's]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

impl ConnectArgs {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
        runtime.block_on(async {
            let mut interrupted = signal(SignalKind::interrupt())?;
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                ended = connect(&self) => ended,
                _ = interrupted.recv() => Ok(()),
                _ = terminated.recv() => Ok(()),
            }
        })
    }
}

/// Runs until it is dropped, or something is wrong for good.
async fn connect(args: &ConnectArgs) -> Result<()> {
    let name = args.name.to_string();
    let (client, namespace) = client(args.namespace.as_deref()).await?;
    let cluster = Cluster::find(client, namespace, &name).await?;
    let (pod, tls) = until_ready(&cluster).await?;
    forward::check(&cluster, &pod, DEFAULT_PORT).await?;
    let engine = forward::listen(DEFAULT_PORT).await?;
    let dashboard = forward::listen(DASHBOARD_PORT).await?;
    let scheme = if cluster.tls { "tls" } else { "tcp" };
    let context = Context {
        address: format!("{scheme}://{}", engine.local_addr()?),
        tls,
        dashboard: Some(format!(
            "http://localhost:{}",
            dashboard.local_addr()?.port()
        )),
    };
    let mut written = Written::new(&args.name, context)?;
    say!("{}", what_now(&name, &written.context));
    tokio::select! {
        () = forward::forward(engine, cluster.clone(), DEFAULT_PORT) => {}
        () = forward::forward(dashboard, cluster.clone(), DASHBOARD_PORT) => {}
        () = renew(&cluster, &mut written) => {}
    }
    Ok(())
}

/// Waits until the cluster can be used, and says what it waits for, once each.
async fn until_ready(cluster: &Cluster) -> Result<(String, Option<ContextTls>), KubeError> {
    let mut told = String::new();
    loop {
        let missing = match (cluster.scheduler().await?, cluster.tls) {
            (Ok(pod), false) => return Ok((pod, None)),
            (Ok(pod), true) => match cluster.credentials().await? {
                Some(tls) => return Ok((pod, Some(tls))),
                None => "its certificates are not made yet".to_owned(),
            },
            (Err(missing), _) => missing,
        };
        if missing != told {
            say!("waiting for cluster {}: {missing}", cluster.name);
            told = missing;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Keeps the context's certificates as the cluster's are.
async fn renew(cluster: &Cluster, written: &mut Written) {
    let mut at = tokio::time::interval(RENEW);
    // The first tick comes at once.
    at.tick().await;
    loop {
        at.tick().await;
        if !cluster.tls {
            continue;
        }
        // A request that fails is made again next time.
        if let Ok(Some(tls)) = cluster.credentials().await
            && written.context.tls.as_ref() != Some(&tls)
            && let Err(error) = written.renew(tls)
        {
            say!("the renewed certificates cannot be kept: {error:#}");
        }
    }
}

/// A context that is removed in the end.
struct Written {
    name: ContextName,
    context: Context,
}

impl Written {
    fn new(name: &ContextName, context: Context) -> Result<Written> {
        context.save(name)?;
        Ok(Written {
            name: name.clone(),
            context,
        })
    }

    fn renew(&mut self, tls: ContextTls) -> Result<()> {
        self.context.tls = Some(tls);
        self.context.save(&self.name)?;
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Another `connect` may have written its own meanwhile, or someone removed it.
        let ours = Context::load(&self.name).is_ok_and(|context| context == self.context);
        if ours && let Err(error) = Context::remove(&self.name) {
            say!("{error}");
        }
    }
}

fn what_now(name: &str, context: &Context) -> String {
    let dashboard = context.dashboard.as_deref().unwrap_or_default();
    format!(
        "dashboard: {dashboard}\n\
         scheduler: {} (context {name:?})\n\
         next: ndvi_timeseries --scheduler {name} --input CUBE, or dasklike::Client::connect({name:?})\n\
         Ctrl-C ends the connection.",
        context.address
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_to_run() {
        let context = Context {
            address: "tls://127.0.0.1:8786".into(),
            tls: None,
            dashboard: Some("http://localhost:8787".into()),
        };
        let text = what_now("demo", &context);
        for part in ["http://localhost:8787", "--scheduler demo", "Ctrl-C"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
