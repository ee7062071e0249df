//! Tells people what happened as Kubernetes Events, beside the work: a slow API server delays no pods.

use crate::core::events::Note;
use crate::turns::Turns;
use dasklike_operator_api::DaskLikeCluster;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// Events that wait. More are dropped: a story with holes is better than one that stops the work.
const WAITING: usize = 4096;

/// While clusters wait to be worked on, an event waits too, but no longer than this: whoever reads it later loses
/// nothing, and the requests are free for pods.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether they still wait.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Where events are handed in.
#[derive(Clone)]
pub(crate) struct Teller {
    queue: mpsc::Sender<Told>,
}

/// What waits to be told.
struct Told {
    regarding: Arc<ObjectReference>,
    note: Note,
    /// When it is told at the latest.
    due: Instant,
}

impl Teller {
    /// A teller, and the work of telling, which ends when no teller is left.
    pub(crate) fn new(
        client: Client,
        identity: Option<String>,
        turns: Arc<Turns>,
    ) -> (Teller, impl Future<Output = ()> + use<>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let reporter = Reporter {
            controller: crate::FIELD_MANAGER.to_owned(),
            instance: identity,
        };
        (Teller { queue }, publish(client, reporter, waiting, turns))
    }

    /// Hands in what happened to a cluster.
    pub(crate) fn tell(&self, cluster: &DaskLikeCluster, notes: Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let regarding = Arc::new(cluster.object_ref(&()));
        for note in notes {
            let told = Told {
                regarding: regarding.clone(),
                note,
                due: Instant::now() + PATIENCE,
            };
            if let Err(error) = self.queue.try_send(told) {
                warn!(%error, "an event is dropped");
            }
        }
    }
}

async fn publish(
    client: Client,
    reporter: Reporter,
    mut waiting: mpsc::Receiver<Told>,
    turns: Arc<Turns>,
) {
    while let Some(told) = waiting.recv().await {
        while turns.are_waited_for() && Instant::now() < told.due {
            sleep_until(told.due.min(Instant::now() + LOOK_AGAIN)).await;
        }
        let Told {
            regarding, note, ..
        } = told;
        let event = Event {
            type_: match note.warning {
                true => EventType::Warning,
                false => EventType::Normal,
            },
            reason: note.reason,
            note: Some(short(note.message)),
            action: note.action.to_owned(),
            secondary: None,
        };
        // A recorder counts events of one reason as one, and only the first would say from what to what.
        let recorder = Recorder::new(client.clone(), reporter.clone());
        if let Err(error) = recorder.publish(&event, &regarding).await {
            warn!(cluster = ?regarding.name, %error, "an event could not be published");
        }
    }
}

/// Kubernetes takes at most a kilobyte.
fn short(mut message: String) -> String {
    let mut end = message.len().min(1000);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}
