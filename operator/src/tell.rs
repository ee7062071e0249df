//! Tells people what happened as Kubernetes Events, beside the work: a slow API server delays no pods.

use crate::core::events::Note;
use dasklike_operator_api::DaskLikeCluster;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::warn;

/// Events that wait. More are dropped: a story with holes is better than one that stops the work.
const WAITING: usize = 4096;

/// Where events are handed in.
#[derive(Clone)]
pub(crate) struct Teller {
    queue: mpsc::Sender<(Arc<ObjectReference>, Note)>,
}

impl Teller {
    /// A teller, and the work of telling, which ends when no teller is left.
    pub(crate) fn new(
        client: Client,
        identity: Option<String>,
    ) -> (Teller, impl Future<Output = ()> + use<>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let reporter = Reporter {
            controller: crate::FIELD_MANAGER.to_owned(),
            instance: identity,
        };
        let recorder = Recorder::new(client, reporter);
        (Teller { queue }, publish(recorder, waiting))
    }

    /// Hands in what happened to a cluster.
    pub(crate) fn tell(&self, cluster: &DaskLikeCluster, notes: Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let regarding = Arc::new(cluster.object_ref(&()));
        for note in notes {
            if let Err(error) = self.queue.try_send((regarding.clone(), note)) {
                warn!(%error, "an event is dropped");
            }
        }
    }
}

async fn publish(recorder: Recorder, mut waiting: mpsc::Receiver<(Arc<ObjectReference>, Note)>) {
    while let Some((regarding, note)) = waiting.recv().await {
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
