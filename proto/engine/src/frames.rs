//! Batches of messages as frames of a bounded size.

use crate::convert::{to_scheduler_to_proto, to_worker_to_proto};
use crate::{FRAME_BYTES, pb};
use dasklike_graph::protocol::{Epoch, ToScheduler, ToWorker};
use prost::Message;

/// A batch for the scheduler.
pub fn worker_frames(epoch: Epoch, messages: &[ToScheduler]) -> Vec<pb::WorkerFrame> {
    let frame = |messages| pb::WorkerFrame {
        register: None,
        epoch: epoch.0,
        messages,
    };
    split(messages.iter().map(to_scheduler_to_proto))
        .into_iter()
        .map(frame)
        .collect()
}

/// A batch for a worker.
pub fn scheduler_frames(epoch: Epoch, messages: &[ToWorker]) -> Vec<pb::SchedulerFrame> {
    let frame = |messages| pb::SchedulerFrame {
        epoch: epoch.0,
        messages,
    };
    split(messages.iter().map(to_worker_to_proto))
        .into_iter()
        .map(frame)
        .collect()
}

fn split<M: Message>(messages: impl Iterator<Item = M>) -> Vec<Vec<M>> {
    let mut frames = vec![Vec::new()];
    let mut bytes = 0;
    for message in messages {
        let size = message.encoded_len();
        if bytes + size > FRAME_BYTES && bytes > 0 {
            frames.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        // There is always a last frame: the list starts with one and only grows.
        if let Some(frame) = frames.last_mut() {
            frame.push(message);
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use dasklike_graph::protocol::JobId;
    use dasklike_graph::stage::InlineId;

    #[test]
    fn frames_are_bounded_and_keep_the_order() {
        let message = |i| ToWorker::Inline {
            job: JobId(i),
            inline: InlineId(0),
            bytes: vec![0; 300_000].into(),
        };
        let messages: Vec<_> = (0..10).map(message).collect();
        let frames = scheduler_frames(Epoch(3), &messages);
        assert!(
            frames
                .iter()
                .all(|f| f.encoded_len() <= FRAME_BYTES + 64 && f.epoch == 3)
        );
        let back: Vec<_> = frames
            .into_iter()
            .flat_map(|f| f.messages)
            .map(crate::convert::to_worker_from_proto)
            .collect();
        assert_eq!(back, messages.into_iter().map(Ok).collect::<Vec<_>>());
    }
}
