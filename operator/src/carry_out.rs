//! The step that makes pods and lets them go, many at a time.

use crate::context::Context;
use crate::core::build;
use crate::core::cluster::{Pool, ValidatedCluster};
use crate::core::plan::{Delete, Plan};
use crate::core::scheduler::SchedulerPlan;
use crate::core::status::Refusal;
use crate::error::{Error, is};
use crate::object_index::is_owned;
use crate::slim::{SlimPod, for_metadata};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Resource};
use tokio::sync::SemaphorePermit;

/// Requests of one cluster that are under way at once. The API server's own fairness is the only other limit.
const IN_FLIGHT: usize = 32;

/// What became of a plan.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// How many pods were made.
    pub(crate) created: usize,
    /// The pods that were asked to go.
    pub(crate) deleted: Vec<Delete>,
    /// What the API server did not want. It is asked again only later, so a few words stand for all.
    pub(crate) refusals: Vec<Refusal>,
    /// The first failure that may pass.
    pub(crate) failure: Option<Error>,
}

impl Done {
    /// Takes in what became of something.
    pub(crate) fn note(&mut self, error: Error) {
        match error {
            Error::Refused(refusal) => self.refusals.push(refusal),
            passing => self.failure = self.failure.take().or(Some(passing)),
        }
    }
}

/// Lets pods go, then makes pods, unless they were refused a moment ago.
pub(crate) async fn carry_out(
    cluster: &ValidatedCluster,
    context: &Context,
    plan: &Plan,
    make_pods: bool,
) -> Done {
    let mut done = Done::default();
    let api: Api<SlimPod> = Api::namespaced(context.client.clone(), &cluster.key.namespace);
    let deletes: Vec<BoxFuture<'_, Result<Delete, Error>>> = plan
        .deletes()
        .map(|delete| let_go(cluster, context, &api, delete.clone()).boxed())
        .collect();
    let mut deletes = stream::iter(deletes).buffer_unordered(IN_FLIGHT);
    while let Some(result) = deletes.next().await {
        match result {
            Ok(delete) => {
                context.progress.metrics().pod_deleted(delete.why.word());
                done.deleted.push(delete);
            }
            Err(error) => done.note(error),
        }
    }
    // Answers come in any order; a log and an event tell them in one.
    done.deleted.sort_by(|a, b| a.name.cmp(&b.name));
    if !make_pods {
        return done;
    }
    let mut wanted = wanted(cluster, plan).peekable();
    let mut under_way = FuturesUnordered::new();
    loop {
        let more = under_way.len() < IN_FLIGHT && wanted.peek().is_some();
        tokio::select! {
            biased;
            turn = context.turns.make(), if more => {
                // Built when its turn has come: those that wait are a number.
                if let Some(pod) = wanted.next() {
                    under_way.push(make(cluster, context, &pod.build(cluster), turn));
                }
            }
            Some(made) = under_way.next() => match made {
                Ok(()) => {
                    context.progress.metrics().pod_created();
                    done.created += 1;
                }
                Err(error) => {
                    let refused = matches!(error, Error::Refused(_));
                    done.note(error);
                    // The next would be refused alike. Those under way are given up; whether they were made, the
                    // watch will say.
                    if refused {
                        break;
                    }
                }
            },
            else => break,
        }
    }
    done
}

/// A pod that is to be made.
enum Wanted<'a> {
    Scheduler,
    Worker(&'a Pool, u32),
}

impl Wanted<'_> {
    fn build(&self, cluster: &ValidatedCluster) -> Pod {
        match *self {
            Wanted::Scheduler => build::scheduler_pod(cluster),
            Wanted::Worker(pool, index) => build::worker_pod(cluster, pool, index),
        }
    }
}

/// The pods to make, the scheduler first.
fn wanted<'a>(
    cluster: &'a ValidatedCluster,
    plan: &'a Plan,
) -> impl Iterator<Item = Wanted<'a>> + 'a {
    let scheduler = (plan.scheduler == SchedulerPlan::Create).then_some(Wanted::Scheduler);
    let workers = cluster
        .pools
        .iter()
        .zip(&plan.pools)
        .flat_map(|(pool, plan)| {
            plan.create
                .iter()
                .map(move |index| Wanted::Worker(pool, *index))
        });
    scheduler.into_iter().chain(workers)
}

/// Makes a pod, of which only the words of the request are kept while it is under way.
fn make<'a>(
    cluster: &'a ValidatedCluster,
    context: &'a Context,
    pod: &Pod,
    turn: Option<SemaphorePermit<'a>>,
) -> impl Future<Output = Result<(), Error>> + Send + use<'a> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let request = create(&cluster.key.namespace, pod);
    async move {
        // As `Api::create`, of whose answer only a little is read.
        let made = match request {
            Ok(request) => context.client.request::<SlimPod>(request).await,
            Err(error) => Err(error),
        };
        let made = match made {
            Err(error) if is(&error, 409) => Box::pin(adopt(cluster, context, &name, error)).await,
            other => other.map_err(|error| Error::of("create", &format!("pod {name}"), error)),
        };
        drop(turn);
        context.pods.created(&made?);
        Ok(())
    }
}

fn create(namespace: &str, pod: &Pod) -> Result<http::Request<Vec<u8>>, kube::Error> {
    let body = serde_json::to_vec(pod).map_err(kube::Error::SerdeError)?;
    kube::core::Request::new(Pod::url_path(&(), Some(namespace)))
        .create(&PostParams::default(), body)
        .map(for_metadata)
        .map_err(kube::Error::BuildRequest)
}

/// The pod whose name is in use: an earlier attempt whose answer was lost made it, or it is somebody else's.
async fn adopt(
    cluster: &ValidatedCluster,
    context: &Context,
    name: &str,
    conflict: kube::Error,
) -> Result<SlimPod, Error> {
    let object = format!("pod {name}");
    // A list of one: pods are listed anyway, so no right to read them one by one is needed.
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let api: Api<SlimPod> = Api::namespaced(context.client.clone(), &cluster.key.namespace);
    let found = api
        .list(&named)
        .await
        .map_err(|error| Error::of("read", &object, error))?;
    match found.items.into_iter().next() {
        None => Err(Error::of("create", &object, conflict)),
        Some(pod) if is_owned(&pod.metadata, &cluster.uid) => Ok(pod),
        Some(_) => Err(Error::name_taken(&object)),
    }
}

async fn let_go(
    cluster: &ValidatedCluster,
    context: &Context,
    api: &Api<SlimPod>,
    delete: Delete,
) -> Result<Delete, Error> {
    let params = DeleteParams {
        grace_period_seconds: delete
            .grace_seconds
            .map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        preconditions: Some(Preconditions {
            uid: Some(delete.uid.clone()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match api.delete(&delete.name, &params).await {
        Ok(_) => {
            context
                .pods
                .deleting(&cluster.key, &delete.name, &delete.uid);
            Ok(delete)
        }
        // A conflict (another is in its place, say) is tried again on what the watch shows by then.
        Err(error) if is(&error, 404) => {
            context.pods.gone(&cluster.key, &delete.name, &delete.uid);
            Ok(delete)
        }
        Err(error) => Err(Error::of("delete", &format!("pod {}", delete.name), error)),
    }
}
