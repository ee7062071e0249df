//! The server as the service under a `kube::Client`.

use super::fault::{Fate, Life, WatchFate};
use super::refusal::Refusal;
use super::route::{Route, query, verb};
use super::watch::only_metadata;
use super::write::Answer;
use super::{FakeApi, Seen, delete, list, watch, write};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long an answer takes that never comes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a Service takes to get an address, one after the other, whoever asks.
const ADDRESS: Duration = Duration::from_millis(50);

type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// One client's way to the server.
#[derive(Clone)]
pub struct Service {
    api: FakeApi,
    life: Option<Life>,
}

impl Service {
    /// `life` is none for a client that no fault meets and nobody counts.
    pub fn new(api: FakeApi, life: Option<Life>) -> Service {
        Service { api, life }
    }
}

impl tower::Service<Request<Body>> for Service {
    type Response = Response<AnswerBody>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { service.answer(request).await })
    }
}

/// A request, understood.
struct Asked {
    verb: &'static str,
    route: Route,
    query: BTreeMap<String, String>,
    content: String,
    accept: String,
    body: Value,
}

impl Service {
    async fn answer(self, request: Request<Body>) -> io::Result<Response<AnswerBody>> {
        let asked = match Asked::read(request).await {
            Ok(asked) => asked,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let Some(life) = self.life.clone() else {
            return Ok(self.serve(&asked, None));
        };
        let latency = self.api.shared.faults.lock().unwrap().latency();
        tokio::time::sleep(latency).await;
        if life.is_over() {
            return std::future::pending().await;
        }
        let answer = self.meet_fate(&asked, &life).await;
        self.api.shared.seen.lock().unwrap().push(Seen {
            verb: asked.verb,
            resource: asked.route.label(),
            name: asked.route.name.clone(),
            code: answer.as_ref().ok().map(|a| a.status().as_u16()),
        });
        if life.is_over() {
            return std::future::pending().await;
        }
        answer
    }

    async fn meet_fate(&self, asked: &Asked, life: &Life) -> io::Result<Response<AnswerBody>> {
        let pages_on = asked.query.contains_key("continue");
        let fate = self
            .api
            .shared
            .faults
            .lock()
            .unwrap()
            .fate(asked.verb, pages_on);
        match fate {
            Fate::Serve => {
                self.give_address(asked).await;
                Ok(self.serve(asked, Some(life)))
            }
            Fate::Refuse(refusal) => Ok(refused(&refusal)),
            Fate::Compact(refusal) => {
                self.api.compact();
                Ok(refused(&refusal))
            }
            Fate::Timeout { applied } => {
                if applied {
                    self.serve(asked, Some(life));
                }
                tokio::time::sleep(TIMEOUT).await;
                Ok(refused(&Refusal::timeout()))
            }
            Fate::Reset => {
                self.serve(asked, Some(life));
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }

    /// A Service that is there has one.
    async fn give_address(&self, asked: &Asked) {
        let there = || {
            let found = self.api.with_store(|store| list::get(store, &asked.route));
            found.is_ok()
        };
        if asked.route.label() == "services" && matches!(asked.verb, "create" | "apply") && !there()
        {
            let _turn = self.api.shared.addresses.lock().await;
            tokio::time::sleep(ADDRESS).await;
        }
    }

    fn serve(&self, asked: &Asked, life: Option<&Life>) -> Response<AnswerBody> {
        let metadata_only = asked.accept.contains("as=PartialObjectMetadata");
        if asked.verb == "watch" {
            return self.watch(asked, metadata_only);
        }
        let writes = !matches!(asked.verb, "list" | "get");
        let answer = self.api.with_store(|store| -> Answer {
            match asked.verb {
                "get" => list::get(store, &asked.route),
                "list" => list::list(store, &asked.route, &asked.query),
                "create" => write::create(store, &asked.route, asked.body.clone()),
                "update" => write::update(store, &asked.route, asked.body.clone()),
                "apply" => {
                    write::server_side_apply(store, &asked.route, &asked.query, asked.body.clone())
                }
                "patch" => write::patch(store, &asked.route, &asked.content, &asked.body),
                _ => delete::delete(store, &asked.route, &asked.body),
            }
        });
        if let Some(life) = life.filter(|_| writes && answer.is_ok()) {
            life.wrote();
        }
        match answer {
            Ok((code, body)) if metadata_only => whole(code, &without_spec(body)),
            Ok((code, body)) => whole(code, &body),
            Err(refusal) => refused(&refusal),
        }
    }

    fn watch(&self, asked: &Asked, metadata_only: bool) -> Response<AnswerBody> {
        let fate = match self.life {
            Some(_) => self.api.shared.faults.lock().unwrap().watch_fate(),
            None => WatchFate::calm(&mut fastrand::Rng::with_seed(0)),
        };
        let (route, query) = (asked.route.clone(), asked.query.clone());
        match watch::watch(&self.api, route, query, metadata_only, fate) {
            Err(refusal) => refused(&refusal),
            Ok(lines) => {
                let frames = lines.map(|line| line.map(http_body::Frame::data));
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
        }
    }
}

impl Asked {
    async fn read(request: Request<Body>) -> Result<Asked, Refusal> {
        let (head, body) = request.into_parts();
        let route = Route::parse(head.uri.path())?;
        let query = query(&head.uri);
        let text = |name| {
            let value = head.headers.get(name);
            value
                .map_or("", |v: &http::HeaderValue| v.to_str().unwrap())
                .to_owned()
        };
        let bytes = body
            .collect_bytes()
            .await
            .expect("a request's body is in memory");
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).map_err(|e| Refusal::bad(&e.to_string()))?,
        };
        Ok(Asked {
            verb: verb(&head.method, &route, &query, &head.headers),
            content: text(header::CONTENT_TYPE),
            accept: text(header::ACCEPT),
            route,
            query,
            body,
        })
    }
}

fn without_spec(body: Value) -> Value {
    match body["items"].as_array() {
        None => only_metadata(&body),
        Some(items) => {
            let items: Vec<Value> = items.iter().map(only_metadata).collect();
            serde_json::json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": body["metadata"], "items": items,
            })
        }
    }
}

fn whole(code: u16, body: &Value) -> Response<AnswerBody> {
    let body = Full::new(Bytes::from(body.to_string()));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let answer = Response::builder().status(code).body(body);
    answer.expect("the code is one of HTTP")
}

fn refused(refusal: &Refusal) -> Response<AnswerBody> {
    let mut answer = whole(refusal.code, &refusal.status());
    if let Some(seconds) = refusal.retry_after() {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}
