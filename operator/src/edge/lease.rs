//! Leader election over a `coordination.k8s.io/v1` Lease: carries out what [`crate::core::election`] decides.

use crate::core::election::{Draft, Effect, Election, Event, Record, Timing, Why};
use crate::edge::progress::Progress;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Error};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Which Lease, and who wants it.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// This candidate's name, which no other candidate that lives at the same time may have.
    pub identity: String,
    /// How long things take.
    pub timing: Timing,
}

/// Where a candidate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Another leads, or it is not known yet who does.
    Waiting,
    /// This candidate leads.
    Leading,
    /// This candidate led and must not act any more.
    Lost(Why),
}

/// A candidate at work. Dropping it leaves the Lease to expire.
#[derive(Debug)]
pub struct Candidate {
    standing: watch::Receiver<Standing>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Candidate {
    /// Starts to seek leadership.
    pub fn start(client: Client, config: LeaseConfig, progress: Progress) -> Candidate {
        let (standing_sender, standing) = watch::channel(Standing::Waiting);
        let (stop, stopped) = oneshot::channel();
        let holder = Holder {
            api: Api::namespaced(client, &config.namespace),
            last: None,
            standing: standing_sender,
            progress,
            started: Instant::now(),
            wake: Instant::now(),
            config,
        };
        let task = tokio::spawn(holder.run(stopped));
        Candidate {
            standing,
            stop: Some(stop),
            task,
        }
    }

    /// Waits until this candidate leads. Never returns if it is lost before; [`Candidate::lost`] then does.
    pub async fn leading(&self) {
        let mut standing = self.standing.clone();
        if standing
            .wait_for(|s| *s == Standing::Leading)
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    /// Waits until this candidate must not act any more. Everything that acts has to be dropped then, at once.
    pub async fn lost(&self) -> Why {
        let mut standing = self.standing.clone();
        let lost = standing.wait_for(|s| matches!(s, Standing::Lost(_))).await;
        match lost.as_deref() {
            Ok(Standing::Lost(why)) => why.clone(),
            // Without the task that renews, nothing else can be known.
            _ => Why::NotRenewed,
        }
    }

    /// Hands the Lease over, so that another need not wait for its end. To be called when nothing acts any more.
    pub async fn release(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the candidate has ended already.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Holder {
    config: LeaseConfig,
    api: Api<Lease>,
    /// The Lease as last seen: a new version keeps what others wrote into it.
    last: Option<Lease>,
    standing: watch::Sender<Standing>,
    progress: Progress,
    started: Instant,
    wake: Instant,
}

/// A request under way, and the event that it ends in.
type Request = BoxFuture<'static, (Event, Option<Lease>)>;

impl Holder {
    async fn run(mut self, stopped: oneshot::Receiver<()>) {
        let mut election = Election::new(self.config.identity.clone(), self.config.timing);
        let mut stopped = stopped.fuse();
        let mut request: Request = std::future::pending().boxed();
        let mut event = Event::Woke;
        loop {
            for effect in election.handle(self.started.elapsed(), event) {
                match effect {
                    Effect::Read => request = self.read(),
                    Effect::Write(draft) => request = self.write(draft),
                    Effect::WakeAt(at) => self.wake = self.started + at,
                    Effect::Lead => self.lead(),
                    Effect::StopLeading(why) => self.lose(why),
                    Effect::Finished => return,
                }
            }
            event = tokio::select! {
                (event, lease) = &mut request => {
                    request = std::future::pending().boxed();
                    self.last = lease.or(self.last.take());
                    self.note(&event);
                    event
                }
                () = sleep_until(self.wake) => Event::Woke,
                // A dropped handle aborts this task, so an error here cannot be seen.
                _ = &mut stopped => Event::Stop,
            };
        }
    }

    fn lead(&self) {
        tracing::info!(
            lease = %self.config.name,
            identity = %self.config.identity,
            after_ms = self.started.elapsed().as_millis() as u64,
            "leads"
        );
        self.progress.metrics().leads(true);
        self.standing.send_replace(Standing::Leading);
    }

    fn lose(&self, why: Why) {
        match &why {
            Why::Asked => tracing::info!(lease = %self.config.name, "hands the lease over"),
            Why::NotRenewed => tracing::error!(
                lease = %self.config.name,
                deadline_s = self.config.timing.renew_deadline.as_secs(),
                "the lease could not be renewed in time: stops acting"
            ),
            Why::Lost { holder } => tracing::error!(
                lease = %self.config.name,
                holder = holder.as_deref().unwrap_or("nobody"),
                "the lease was lost: stops acting"
            ),
        }
        self.progress.metrics().leads(false);
        self.standing.send_replace(Standing::Lost(why));
    }

    fn note(&self, event: &Event) {
        if matches!(event, Event::Read(_) | Event::Written(_)) {
            self.progress.lease_seen();
        }
    }

    fn read(&self) -> Request {
        let (api, name) = (self.api.clone(), self.config.name.clone());
        async move {
            match api.get_opt(&name).await {
                Ok(Some(lease)) => (Event::Read(Some(record(&lease))), Some(lease)),
                Ok(None) => (Event::Read(None), None),
                Err(error) => (failed("read", &name, &error), None),
            }
        }
        .boxed()
    }

    fn write(&self, draft: Draft) -> Request {
        let (api, name) = (self.api.clone(), self.config.name.clone());
        let lease = lease(&name, self.last.clone(), &draft, Timestamp::now());
        async move {
            let params = PostParams::default();
            let written = match draft.replaces {
                None => api.create(&params, &lease).await,
                Some(_) => api.replace(&name, &params, &lease).await,
            };
            match written {
                Ok(lease) => (Event::Written(record(&lease)), Some(lease)),
                // A Lease that is gone was changed by another as well.
                Err(Error::Api(status)) if matches!(status.code, 404 | 409) => {
                    // A missing namespace is a 404 too, and would otherwise be asked for without a pause.
                    match draft.replaces {
                        None if status.code == 404 => {
                            (failed("create", &name, &Error::Api(status)), None)
                        }
                        _ => (Event::Overtaken, None),
                    }
                }
                Err(error) => (failed("write", &name, &error), None),
            }
        }
        .boxed()
    }
}

fn failed(verb: &str, lease: &str, error: &Error) -> Event {
    tracing::warn!(%lease, %error, "cannot {verb} the lease");
    Event::Failed
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|s| s.lease_duration_seconds).unwrap_or(0);
    Record {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec
            .and_then(|s| s.holder_identity.clone())
            .filter(|holder| !holder.is_empty()),
        lease: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        transitions: spec.and_then(|s| s.lease_transitions).unwrap_or(0),
    }
}

/// The object to send: `last` with the draft's words.
fn lease(name: &str, last: Option<Lease>, draft: &Draft, now: Timestamp) -> Lease {
    let last = last
        .filter(|_| draft.replaces.is_some())
        .unwrap_or_default();
    let spec = last.spec.unwrap_or_default();
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: draft.replaces.clone(),
            ..last.metadata
        },
        spec: Some(LeaseSpec {
            // An empty name, as client-go writes it, and not none: both mean that nobody holds it.
            holder_identity: Some(draft.holder.clone().unwrap_or_default()),
            lease_duration_seconds: Some(i32::try_from(draft.lease.as_secs()).unwrap_or(i32::MAX)),
            lease_transitions: Some(draft.transitions),
            acquire_time: match draft.acquires {
                true => Some(MicroTime(now)),
                false => spec.acquire_time,
            },
            renew_time: Some(MicroTime(now)),
            ..spec
        }),
    }
}
