//! The controller: watches that feed the indices, and a queue that looks at each cluster when it is named.
//!
//! Each watched namespace, or all of them as one, is a *scope* with watches, indices and a queue of its own; the
//! bound on concurrent looks is shared.

use crate::announce::announce;
use crate::context::{Context, Settings};
use crate::core::labels::MANAGED_SELECTOR;
use crate::core::names::ClusterKey;
use crate::demand::{Demands, Endpoints};
use crate::edge::progress::Progress;
use crate::error::Error;
use crate::metrics::Outcome;
use crate::object_index::Kind;
use crate::packed::PackedCluster;
use crate::reconcile::reconcile;
use crate::scope_watch::{ClusterWatch, Synced, watch_clusters, watch_objects, watch_pods};
use crate::service_turns::ServiceTurns;
use crate::slim::SlimMeta;
use crate::tell::Teller;
use crate::turns::Turns;
use dasklike_operator_api::DaskLikeCluster;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, Stream, StreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::controller::{Action, Config, ReconcileRequest, applier};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

/// Clusters that have something to say, or wait for their turn to be worked on; the others wait by name alone.
const WAITING: u16 = 256;

/// Looks after clusters until `stop` comes to its end, then finishes what is under way.
pub async fn run(
    client: Client,
    settings: Settings,
    demands: Arc<Demands>,
    endpoints: Arc<Endpoints>,
    progress: Progress,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let turns = Arc::new(Turns::new(settings.concurrency, progress.clone()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (teller, telling) = Teller::new(client.clone(), settings.identity.clone(), turns.clone());
    // Of the looks at once, which all scopes share, each may use its part for Services.
    let looks = usize::from(settings.concurrency) / settings.namespaces.len().max(1);
    let scopes: Vec<Scope> = match settings.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    }
    .into_iter()
    .map(|namespace| Scope {
        namespace,
        context: Arc::new(Context {
            client: client.clone(),
            default_image: settings.default_image.clone(),
            pods: Default::default(),
            objects: Default::default(),
            memories: Default::default(),
            dirty: Default::default(),
            service_turns: ServiceTurns::new(looks),
            demands: demands.clone(),
            endpoints: endpoints.clone(),
            teller: teller.clone(),
            progress: progress.clone(),
            clock: settings.clock,
            provider: provider.clone(),
            turns: turns.clone(),
        }),
    })
    .collect();
    // Only the scopes hold tellers now: when they are done, so is the telling.
    drop(teller);
    let stop = stop.shared();
    let runs: Vec<BoxFuture<'static, ()>> = scopes
        .iter()
        .map(|scope| scope.clone().run(stop.clone()).boxed())
        .collect();
    let work = async move {
        tokio::select! {
            () = hear_demands(&demands, &scopes) => {}
            _ = join_all(runs) => {}
        }
        drop(scopes);
    };
    // Side by side: people are told while it happens, and the last of it after the work.
    tokio::join!(work, telling);
}

/// Passes on which schedulers said something new.
async fn hear_demands(demands: &Demands, scopes: &[Scope]) {
    loop {
        for key in demands.changed().await {
            for scope in scopes.iter().filter(|scope| scope.has(&key)) {
                scope.context.dirty.mark(key.clone());
            }
        }
    }
}

#[derive(Clone)]
struct Scope {
    /// None: all namespaces.
    namespace: Option<String>,
    context: Arc<Context>,
}

impl Scope {
    fn has(&self, key: &ClusterKey) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|name| *name == key.namespace)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let client = self.context.client.clone();
        match &self.namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }

    fn watch<K>(&self, kind: Kind, synced: &Arc<Synced>) -> BoxFuture<'static, ()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: 'static,
    {
        let selected = watcher::Config::default().labels(MANAGED_SELECTOR);
        let api = self.api::<SlimMeta<K>>();
        watch_objects(api, selected, kind, self.context.clone(), synced.clone()).boxed()
    }

    async fn run(self, stop: impl Future<Output = ()> + Send) {
        let selected = watcher::Config::default().labels(MANAGED_SELECTOR);
        let (reader, writer) = store::<PackedCluster>();
        let synced = Arc::new(Synced::new(5));
        let context = &self.context;
        let clusters = ClusterWatch::new(context, reader.clone(), writer);
        let watches = join_all([
            watch_clusters(self.api(), clusters).boxed(),
            watch_pods(self.api(), selected, context.clone(), synced.clone()).boxed(),
            self.watch::<Service>(Kind::Service, &synced),
            self.watch::<Secret>(Kind::Secret, &synced),
            self.watch::<NetworkPolicy>(Kind::NetworkPolicy, &synced),
            self.watch::<PodDisruptionBudget>(Kind::DisruptionBudget, &synced),
        ]);
        let looks = applier(
            |cluster, context| apart(look(cluster, context)).boxed(),
            retry,
            context.clone(),
            reader,
            Box::pin(queue(context.clone(), synced.clone()).take_until(stop)),
            // `Turns` bounds the work of all scopes together. Here those are bounded that wait for a turn: when one of
            // them ends, all are asked how they are.
            Config::default().concurrency(WAITING),
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                // Failed looks were told where they failed; what is left are clusters that went meanwhile.
                tracing::debug!(%error, "a look was not made");
            }
            context.service_turns.pass_on(&context.dirty);
        });
        info!(
            namespace = self.namespace.as_deref().unwrap_or("all"),
            "watching"
        );
        tokio::select! {
            () = looks => {}
            _ = watches => {}
        }
    }
}

/// The clusters that are to be looked at, once all watches have brought their first lists: before that, what is
/// there would be taken for missing.
fn queue(
    context: Arc<Context>,
    synced: Arc<Synced>,
) -> impl Stream<Item = Result<ReconcileRequest<PackedCluster>, Infallible>> + Send {
    let first = (context, Some(synced));
    let batches = stream::unfold(first, |(context, unsynced)| async move {
        if let Some(synced) = unsynced {
            synced.wait().await;
        }
        let keys = context.dirty.take().await;
        Some((keys, (context, None)))
    });
    batches.flat_map(stream::iter).map(|key| {
        let object = ObjectRef::new(&key.name).within(&key.namespace);
        Ok(ReconcileRequest::from(object))
    })
}

/// A task of its own, so that a step of one look wakes this look alone. Who drops it ends it.
async fn apart(
    look: impl Future<Output = Result<Action, Error>> + Send + 'static,
) -> Result<Action, Error> {
    match AbortOnDropHandle::new(tokio::spawn(look)).await {
        Ok(result) => result,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        // The runtime is at its end.
        Err(_) => std::future::pending().await,
    }
}

async fn look(cluster: Arc<PackedCluster>, context: Arc<Context>) -> Result<Action, Error> {
    if cluster.follows_work {
        // Boxed, and unpacked once more, so that those who wait are small.
        Box::pin(async {
            announce(&unpack(&cluster)?, &context).await;
            Ok::<(), Error>(())
        })
        .await?;
    }
    let turn = context.turns.act().await;
    let key = ClusterKey::named(&cluster.metadata);
    let counted = context.progress.reconcile(key.to_string());
    let again = Box::pin(async { reconcile(&unpack(&cluster)?, &context).await }).await;
    counted.end(match &again {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Error,
    });
    drop(turn);
    Ok(match again? {
        None => Action::await_change(),
        Some(time) => {
            let wait = Duration::try_from(time.duration_since(context.clock.now()));
            // A little late rather than a little early, when nothing would be due yet.
            Action::requeue(wait.unwrap_or_default() + Duration::from_millis(10))
        }
    })
}

fn unpack(cluster: &PackedCluster) -> Result<DaskLikeCluster, Error> {
    let read = cluster.unpack();
    read.map_err(|error| Error::of("read", "the kept cluster", kube::Error::SerdeError(error)))
}

/// A failed look is told and tried again after 0.1, 0.2, 0.4 seconds and so on, up to a minute.
fn retry(cluster: Arc<PackedCluster>, error: &Error, context: Arc<Context>) -> Action {
    let key = ClusterKey::named(&cluster.metadata);
    context.progress.metrics().failed(error.category());
    let failures = context.memories.failed(&key);
    let wait = backoff(
        failures,
        uid_fraction(cluster.metadata.uid.as_deref().unwrap_or_default()),
    );
    warn!(cluster = %key, category = error.category(), error = %error, failures, wait_ms = wait.as_millis(), "a look failed");
    Action::requeue(wait)
}

/// `fraction` spreads many clusters that failed together.
fn backoff(failures: u32, fraction: f64) -> Duration {
    let doubled = 0.1 * f64::from(1_u32 << failures.saturating_sub(1).min(16));
    Duration::from_secs_f64(doubled.min(60.0) * (0.75 + fraction / 2.0))
}

/// A number from 0 to 1 that differs from cluster to cluster.
fn uid_fraction(uid: &str) -> f64 {
    let sum: u32 = uid.bytes().map(u32::from).sum();
    f64::from(sum % 100) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_wait_longer_up_to_a_minute() {
        let waits: Vec<u128> = [1, 2, 3, 10, 11, 40]
            .map(|failures| backoff(failures, 0.5).as_millis())
            .to_vec();
        assert_eq!(waits, [100, 200, 400, 51_200, 60_000, 60_000]);
        assert!(backoff(1, 0.0) < backoff(1, 1.0));
    }
}
