//! The operator as a whole: waits until it leads, then watches, listens and works until it is asked to stop or must.

use crate::Settings;
use crate::controller;
use crate::core::election::{Timing, Why};
use crate::core::health::Limits;
use crate::demand::{Demands, Endpoints};
use crate::edge::client::{ClientError, client};
use crate::edge::demand_client::{self, Patience};
use crate::edge::http::{self, HttpError};
use crate::edge::lease::{Candidate, LeaseConfig};
use crate::edge::progress::Progress;
use crate::metrics::Metrics;
use kube::Client;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the work under way may take to come to its end when the operator stops. Less than the 30 s that a pod
/// has by default, so that time is left to hand the Lease over.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// Where the operator listens and what it calls itself.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// How to look after clusters.
    pub settings: Settings,
    /// The port of `/metrics` and the probes.
    pub http_port: u16,
    /// The Lease's namespace.
    pub lease_namespace: String,
    /// The Lease's name.
    pub lease_name: String,
    /// This replica's name.
    pub identity: String,
}

/// Why the operator ended without being asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Two counters have one name.
    #[error("cannot count: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The configuration of the client is none.
    #[error("cannot reach the Kubernetes API: {0}")]
    Client(#[from] Box<ClientError>),
    /// No probe would be answered.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Another leads, or may soon.
    #[error(
        "stopped acting because leadership was lost: {0}; Kubernetes starts this operator again, as a candidate"
    )]
    LostLeadership(Why),
    /// The controller came to an end by itself.
    #[error("the controller ended although nothing asked it to")]
    ControllerEnded,
}

/// Runs until `stop`, which lets it end in peace, or until it must end.
///
/// # Errors
/// What made it end otherwise.
pub async fn run(
    kubernetes: kube::Config,
    config: RunConfig,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let progress = Progress::new(Metrics::new()?, Limits::default());
    let client = client(kubernetes, progress.clone()).map_err(Box::new)?;
    let listener = http::listen(config.http_port).await?;
    let mut server = pin!(http::serve(listener, progress.clone()));
    let work = work(client, config, progress, stop);
    tokio::select! {
        ended = &mut server => Ok(ended?),
        ended = work => ended,
    }
}

async fn work(
    client: Client,
    config: RunConfig,
    progress: Progress,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let lease = LeaseConfig {
        namespace: config.lease_namespace,
        name: config.lease_name,
        identity: config.identity,
        timing: Timing::default(),
    };
    let candidate = Candidate::start(client.clone(), lease, progress.clone());
    let mut stop = pin!(stop);
    tokio::select! {
        () = candidate.leading() => {}
        () = &mut stop => {
            progress.stopping();
            candidate.release().await;
            return Ok(());
        }
    }
    // Whatever acts is inside of this select, so that it is dropped in the moment in which leadership is lost.
    let ended = tokio::select! {
        biased;
        why = candidate.lost() => Err(RunError::LostLeadership(why)),
        ended = lead(client, config.settings, &progress, stop) => ended,
    };
    candidate.release().await;
    ended
}

async fn lead(
    client: Client,
    settings: Settings,
    progress: &Progress,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let (demands, endpoints) = (Arc::new(Demands::default()), Arc::new(Endpoints::default()));
    let listening = demand_client::run(
        endpoints.clone(),
        demands.clone(),
        progress.clone(),
        Patience::default(),
    );
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let until_stopped = async {
        // The sender is dropped when the operator is to stop, which is the message.
        let _ = stopped.await;
    };
    let mut controlling = pin!(controller::run(
        client,
        settings,
        demands,
        endpoints,
        progress.clone(),
        until_stopped
    ));
    tokio::select! {
        () = listening => Ok(()),
        () = &mut controlling => Err(RunError::ControllerEnded),
        () = stop => {
            progress.stopping();
            drop(stopping);
            if timeout(STOP_GRACE, controlling).await.is_err() {
                tracing::warn!(grace_s = STOP_GRACE.as_secs(), "the work under way did not end in time");
            }
            Ok(())
        }
    }
}
