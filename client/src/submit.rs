//! A client of a scheduler: hands in plans and puts the results together.

mod error;
mod memory;
mod patience;
mod results;

pub use error::ComputeError;
pub use memory::ResultBytes;

use crate::cluster::Background;
use crate::context::{Context, ContextName};
use dasklike_graph::plan::{Dim, Plan};
use dasklike_graph::pool::PoolName;
use dasklike_graph::protocol::{Epoch, JobId};
use dasklike_graph::stage::OutputMeta;
use dasklike_proto_admin::pb::DrainWorkerRequest;
use dasklike_proto_admin::pb::admin_client::AdminClient;
use dasklike_proto_engine::convert::{JobEvent, event_from_proto, hello, plan_to_proto};
use dasklike_proto_engine::pb::client_client::ClientClient;
use dasklike_proto_engine::transport::{
    ClientTls, ConnectError, Connector, JobEvents, LocalResults, root_cause,
};
use dasklike_proto_engine::{MAX_MESSAGE_BYTES, MAX_PLAN_BYTES, pb};
use futures::stream::StreamExt;
use patience::Patience;
use results::Results;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};

pub use dasklike_proto_engine::convert::Progress;

/// How long a cancelled job may take to say so.
const CANCEL_GRACE: Duration = Duration::from_secs(1);
/// How long a scheduler may take to answer a short question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How a plan is to be computed.
#[derive(Clone, Debug, Default)]
pub struct ComputeOptions {
    /// A named job outlives its client (see [`Client::attach`]) and, where the scheduler keeps a journal, the scheduler.
    /// While the scheduler cannot be reached, it is asked again for up to a minute.
    pub name: Option<String>,
    /// Whose workers compute it. While the pool has none, the job waits.
    pub pool: PoolName,
    /// Tile sizes by dim; the planner chooses for the others.
    pub chunks: Vec<(Dim, u64)>,
    /// The most tiles in one assignment; for measuring what an assignment costs.
    pub max_range: Option<u32>,
    /// Ends the computation from another thread.
    pub cancel: CancelToken,
}

/// Cancels computations that were given a copy of it.
#[derive(Clone, Debug)]
pub struct CancelToken(Arc<watch::Sender<bool>>);

impl Default for CancelToken {
    fn default() -> CancelToken {
        CancelToken(Arc::new(watch::channel(false).0))
    }
}

impl CancelToken {
    /// Cancels what runs with this token, and what will be given it.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    async fn cancelled(&self) {
        let mut token = self.0.subscribe();
        if token.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A computed output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputArray {
    /// Its name, dtype, dims and shape.
    pub meta: OutputMeta,
    /// Little-endian elements in C order.
    pub bytes: ResultBytes,
}

/// The cluster as its scheduler tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The scheduler's version.
    pub version: String,
    /// The dashboard's address, if there is one.
    pub dashboard_url: Option<String>,
    /// The connected workers.
    pub workers: Vec<WorkerInfo>,
}

/// A connected worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WorkerInfo {
    pub name: String,
    pub slots: u32,
    pub memory_limit: u64,
    pub draining: bool,
    pub pool: String,
}

/// A connection to a scheduler. Its methods block, and must not be called from asynchronous code.
#[derive(Clone, Debug)]
pub struct Client {
    background: Arc<Background>,
    service: ClientClient<Channel>,
    /// Where results come from instead of from the service, if the scheduler is of this process.
    results: Option<Arc<dyn LocalResults>>,
    admin: AdminClient<Channel>,
    url: String,
    /// The dashboard as seen from here, if the scheduler cannot know that.
    dashboard: Option<String>,
}

impl Client {
    /// Connects to a scheduler, and checks that the versions fit, within a few seconds. The scheduler is an address
    /// (`tcp://host:port`, `host:port`) or the name of a context.
    pub fn connect(scheduler: &str) -> Result<Client, ComputeError> {
        let name = scheduler.parse::<ContextName>().ok();
        let Some(name) = name else {
            return Client::open(&Connector::tcp(scheduler)?);
        };
        Client::connect_context(&Context::load(&name)?)
    }

    /// Connects to a context's scheduler, likewise.
    pub fn connect_context(context: &Context) -> Result<Client, ComputeError> {
        let client = Client::open(&context.connector()?)?;
        Ok(Client {
            dashboard: context.dashboard.clone(),
            ..client
        })
    }

    /// Connects to the scheduler at `tls://host:port`, likewise.
    pub fn connect_tls(url: &str, tls: ClientTls) -> Result<Client, ComputeError> {
        Client::open(&Connector::to(url, Some(tls))?)
    }

    fn open(connector: &Connector) -> Result<Client, ComputeError> {
        let background = Background::start(1).map_err(|e| ConnectError::Unreachable {
            url: connector.url().to_owned(),
            why: e.to_string(),
        })?;
        Client::connect_by(Arc::new(background), connector)
    }

    pub(crate) fn connect_by(
        background: Arc<Background>,
        connector: &Connector,
    ) -> Result<Client, ComputeError> {
        let channel = background.run(connector.connect())?;
        let service = ClientClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_PLAN_BYTES);
        let client = Client {
            background,
            service,
            results: connector.results(),
            admin: AdminClient::new(channel),
            url: connector.url().to_owned(),
            dashboard: None,
        };
        // What is lost before it has said anything was never a scheduler for us.
        let greeted = client.cluster().map_err(|error| match error {
            ComputeError::Lost { url, why } => {
                let why = hint(&url, why);
                ConnectError::Refused { url, why }.into()
            }
            other => other,
        });
        greeted.map(|_| client)
    }

    /// Computes a plan's outputs, in their order. `on_progress` is called now and then on this thread.
    pub fn compute(
        &self,
        plan: &Plan,
        options: &ComputeOptions,
        on_progress: impl FnMut(Progress),
    ) -> Result<Vec<OutputArray>, ComputeError> {
        let request = pb::SubmitRequest {
            hello: Some(hello()),
            plan: Some(plan_to_proto(plan)),
            name: options.name.clone().unwrap_or_default(),
            chunks: options
                .chunks
                .iter()
                .map(|(d, n)| pb::DimChunk {
                    dim: d.to_string(),
                    size: *n,
                })
                .collect(),
            max_range: options.max_range.unwrap_or(0),
            pool: options.pool.to_string(),
        };
        let submit = |request| self.submit(request);
        self.background.run(async {
            match options.name {
                Some(_) => {
                    let again = || submit(request.clone());
                    self.insist(again, &options.cancel, on_progress).await
                }
                None => {
                    self.follow(submit(request), &options.cancel, on_progress)
                        .await
                }
            }
        })
    }

    /// Waits for the results of a named job, which may have been submitted by another client.
    pub fn attach(
        &self,
        name: &str,
        cancel: &CancelToken,
        on_progress: impl FnMut(Progress),
    ) -> Result<Vec<OutputArray>, ComputeError> {
        let request = pb::AttachRequest {
            hello: Some(hello()),
            name: name.to_owned(),
        };
        let attach = || self.attach_to(request.clone());
        self.background
            .run(self.insist(attach, cancel, on_progress))
    }

    /// The scheduler's version, dashboard and workers.
    pub fn cluster(&self) -> Result<ClusterInfo, ComputeError> {
        let mut service = self.service.clone();
        let mut request = tonic::Request::new(pb::GetClusterRequest {
            hello: Some(hello()),
        });
        request.set_timeout(ANSWER_TIMEOUT);
        let info = self
            .background
            .run(service.get_cluster(request))
            .map_err(|s| self.failed(s))?
            .into_inner();
        let worker = |w: pb::WorkerInfo| WorkerInfo {
            name: w.name,
            slots: w.slots,
            memory_limit: w.memory_limit,
            draining: w.draining,
            pool: w.pool,
        };
        Ok(ClusterInfo {
            version: info.version,
            dashboard_url: self
                .dashboard
                .clone()
                .or(Some(info.dashboard_url).filter(|u| !u.is_empty())),
            workers: info.workers.into_iter().map(worker).collect(),
        })
    }

    /// Has a worker finish what it runs and leave. After the deadline, if there is one, what it still runs is
    /// computed by others.
    pub fn drain_worker(&self, name: &str, deadline: Option<Duration>) -> Result<(), ComputeError> {
        let mut admin = self.admin.clone();
        let mut request = tonic::Request::new(DrainWorkerRequest {
            worker: name.to_owned(),
            deadline_seconds: deadline.unwrap_or_default().as_secs_f64(),
        });
        request.set_timeout(ANSWER_TIMEOUT);
        self.background
            .run(admin.drain_worker(request))
            .map_err(|s| self.failed(s))?;
        Ok(())
    }

    async fn submit(&self, request: pb::SubmitRequest) -> Result<JobEvents, Status> {
        match &self.results {
            Some(results) => results.submit(request).await,
            None => self.service.clone().submit(request).await.map(events),
        }
    }

    async fn attach_to(&self, request: pb::AttachRequest) -> Result<JobEvents, Status> {
        match &self.results {
            Some(results) => results.attach(request).await,
            None => self.service.clone().attach(request).await.map(events),
        }
    }

    /// Follows a named job; when the connection breaks, asks again: the job goes on, or was kept.
    async fn insist<R>(
        &self,
        request: impl Fn() -> R,
        cancel: &CancelToken,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Vec<OutputArray>, ComputeError>
    where
        R: Future<Output = Result<JobEvents, Status>>,
    {
        let mut patience = Patience::default();
        loop {
            // What is heard of the job shows that the scheduler is there again.
            let mut heard = false;
            let told = |progress| {
                heard = true;
                on_progress(progress);
            };
            let outcome = self.follow(request(), cancel, told).await;
            if heard {
                patience = Patience::default();
            }
            match outcome {
                Err(ComputeError::Lost { url, why }) => {
                    if !patience.has_begun() {
                        tracing::warn!(
                            "the scheduler at {url} was lost ({why}): the job has a name and is asked for again, for \
                             up to a minute"
                        );
                    }
                    let Some(wait) = patience.next(std::time::Instant::now()) else {
                        return Err(ComputeError::Lost { url, why });
                    };
                    tokio::select! {
                        () = cancel.cancelled() => return Err(ComputeError::Cancelled),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                other => return other,
            }
        }
    }

    /// Reads a job's events to the end. Dropping the stream ends an anonymous job.
    async fn follow(
        &self,
        request: impl Future<Output = Result<JobEvents, Status>>,
        cancel: &CancelToken,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Vec<OutputArray>, ComputeError> {
        let mut events = tokio::select! {
            () = cancel.cancelled() => return Err(ComputeError::Cancelled),
            answer = request => answer.map_err(|s| self.failed(s))?,
        };
        let mut job = None;
        let mut results = Results::default();
        loop {
            let event = tokio::select! {
                () = cancel.cancelled() => {
                    self.cancel(job).await;
                    return Err(ComputeError::Cancelled);
                }
                event = events.next() => event.transpose().map_err(|s| self.failed(s))?,
            };
            let Some(event) = event else {
                return Err(self.lost("it closed the stream before the job had ended"));
            };
            match event_from_proto(event)? {
                JobEvent::Accepted {
                    job: JobId(id),
                    epoch: Epoch(epoch),
                    outputs,
                    ..
                } => {
                    job = Some(pb::CancelRequest { job: id, epoch });
                    results = Results::new(outputs)?;
                }
                JobEvent::Progress(progress) => on_progress(progress),
                JobEvent::Piece(piece) => results.take(piece)?,
                JobEvent::Finished => return Ok(results.arrays),
                JobEvent::Failed { category, message } => {
                    return Err(ComputeError::Failed { category, message });
                }
                JobEvent::Cancelled => return Err(ComputeError::Cancelled),
            }
        }
    }

    async fn cancel(&self, job: Option<pb::CancelRequest>) {
        let Some(request) = job else { return };
        let mut service = self.service.clone();
        // Where this fails the job ends with its stream.
        let _ = tokio::time::timeout(CANCEL_GRACE, service.cancel(request)).await;
    }

    fn failed(&self, status: Status) -> ComputeError {
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::OutOfRange => ComputeError::Refused(status.message().to_owned()),
            Code::Unimplemented => ComputeError::Refused(format!(
                "what answers at {} is no scheduler of this program's version: {}",
                self.url,
                status.message()
            )),
            Code::Internal
                if status.metadata().is_empty() && std::error::Error::source(&status).is_none() =>
            {
                ComputeError::Protocol(status.message().to_owned())
            }
            // The transport's own words are "transport error", whatever happened.
            _ => match std::error::Error::source(&status) {
                Some(source) => self.lost(&root_cause(source)),
                None => self.lost(status.message()),
            },
        }
    }

    fn lost(&self, why: &str) -> ComputeError {
        ComputeError::Lost {
            url: self.url.clone(),
            why: why.to_owned(),
        }
    }
}

/// Of an answer that comes as messages.
fn events(answer: Response<Streaming<pb::JobEvent>>) -> JobEvents {
    Box::pin(answer.into_inner())
}

/// A plain client that meets TLS is told so, if the other side's word arrives before its end is noticed.
fn hint(url: &str, why: String) -> String {
    if url.starts_with("tls://") || why.contains("TLS") {
        return why;
    }
    format!(
        "{why}; if the scheduler there speaks TLS, write tls:// instead of tcp:// and give --tls-dir, or use a context"
    )
}
