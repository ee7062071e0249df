//! Watches: what changes, as it changes.

use super::FakeApi;
use super::fault::WatchFate;
use super::list::selected;
use super::refusal::Refusal;
use super::route::Route;
use super::store::{Change, Store};
use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep_until};

/// How often a quiet watch is told the newest version.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

struct Watch {
    api: FakeApi,
    route: Route,
    query: BTreeMap<String, String>,
    metadata_only: bool,
    cursor: u64,
    ready: VecDeque<Value>,
    newest: channel::Receiver<u64>,
    cut: channel::Receiver<u64>,
    ends: Instant,
    bookmark: Instant,
    fate: WatchFate,
    over: bool,
}

/// The lines of a watch's answer, or why there is none.
pub fn watch(
    api: &FakeApi,
    route: Route,
    query: BTreeMap<String, String>,
    metadata_only: bool,
    fate: WatchFate,
) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, Refusal> {
    let seconds = query
        .get("timeoutSeconds")
        .map_or(1800, |t| t.parse().unwrap());
    let mut watch = Watch {
        newest: api.shared.revision.subscribe(),
        cut: api.shared.cut.subscribe(),
        cursor: 0,
        ready: VecDeque::new(),
        ends: Instant::now() + Duration::from_secs(seconds),
        bookmark: Instant::now() + BOOKMARK_EVERY,
        api: api.clone(),
        route,
        query,
        metadata_only,
        fate,
        over: false,
    };
    watch.begin();
    Ok(futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line, watch))
    }))
}

impl Watch {
    fn begin(&mut self) {
        let api = self.api.clone();
        let store = api.store();
        let from = self.query.get("resourceVersion").map_or("", String::as_str);
        let initial = self
            .query
            .get("sendInitialEvents")
            .is_some_and(|s| s == "true");
        match from {
            "" | "0" => {
                self.list_all(&store);
                self.cursor = store.revision();
            }
            _ if initial => {
                self.list_all(&store);
                self.cursor = store.revision();
            }
            from => match from
                .parse::<u64>()
                .ok()
                .filter(|from| store.since(*from).is_some())
            {
                Some(from) => self.cursor = from,
                None => {
                    let event = json!({ "type": "ERROR", "object": Refusal::expired().status() });
                    self.ready.push_back(event);
                    self.over = true;
                }
            },
        }
        if initial {
            let mut bookmark = self.bookmark_event();
            bookmark["object"]["metadata"]["annotations"] =
                json!({"k8s.io/initial-events-end": "true"});
            self.ready.push_back(bookmark);
        }
    }

    fn list_all(&mut self, store: &Store) {
        for object in store.all(&self.route.resource) {
            if selected(object, &self.route, &self.query) {
                self.ready
                    .push_back(json!({ "type": "ADDED", "object": object }));
            }
        }
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                if let Some(ending) = self.fate.cut_after_event() {
                    return self.end(ending);
                }
                return Some(Ok(self.line(event)));
            }
            if self.over {
                return None;
            }
            if !self.catch_up() {
                self.over = true;
                let event = json!({ "type": "ERROR", "object": Refusal::expired().status() });
                self.ready.push_back(event);
                continue;
            }
            if !self.ready.is_empty() {
                // What others see of a change, they see a moment after it.
                tokio::time::sleep(self.fate.delay()).await;
                continue;
            }
            tokio::select! {
                _ = self.newest.changed() => {}
                _ = self.cut.changed() => return None,
                () = sleep_until(self.ends) => return None,
                () = sleep_until(self.bookmark) => {
                    self.bookmark = Instant::now() + BOOKMARK_EVERY;
                    if self.query.get("allowWatchBookmarks").is_some_and(|b| b == "true") {
                        self.ready.push_back(self.bookmark_event());
                    }
                }
            }
        }
    }

    fn end(&mut self, clean: bool) -> Option<io::Result<Bytes>> {
        self.over = true;
        self.ready.clear();
        match clean {
            true => None,
            false => Some(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    /// Takes what changed since; false if that is forgotten.
    fn catch_up(&mut self) -> bool {
        let api = self.api.clone();
        let store = api.store();
        let Some(changes) = store.since(self.cursor) else {
            return false;
        };
        for change in changes {
            self.cursor = change.revision;
            if change.resource == self.route.resource {
                let event = self.event(change);
                self.ready.extend(event);
            }
        }
        self.cursor = store.revision();
        true
    }

    /// What a change means for this watch: an object that stops to match is gone.
    fn event(&self, change: &Change) -> Option<Value> {
        let ours = |object: &Option<Value>| {
            let object = object.as_ref();
            object
                .filter(|o| selected(o, &self.route, &self.query))
                .cloned()
        };
        let (kind, mut object) = match (ours(&change.before), ours(&change.after)) {
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", before),
            (None, None) => return None,
        };
        object["metadata"]["resourceVersion"] = json!(change.revision.to_string());
        Some(json!({ "type": kind, "object": object }))
    }

    fn bookmark_event(&self) -> Value {
        let kind = self
            .api
            .store()
            .all(&self.route.resource)
            .first()
            .map(|o| o["kind"].clone());
        json!({"type": "BOOKMARK", "object": {
            "apiVersion": self.route.api_version, "kind": kind.unwrap_or(json!("Object")),
            "metadata": {"resourceVersion": self.cursor.to_string()},
        }})
    }

    fn line(&self, mut event: Value) -> Bytes {
        if self.metadata_only && event["type"] != "ERROR" {
            event["object"] = only_metadata(&event["object"]);
        }
        Bytes::from(format!("{event}\n"))
    }
}

/// An object as a reader of metadata sees it.
pub fn only_metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
    })
}
