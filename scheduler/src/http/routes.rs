//! The paths and what answers them.

use crate::http::assets::{ASSETS, Asset};
use crate::http::events::{self, Full};
use crate::http::host::Hosts;
use crate::http::metrics;
use crate::http::snapshot::{Job, PlanGraph, Snapshot};
use crate::http::stream::Stream;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::watch;

/// What every request sees.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) stream: Arc<Stream>,
    pub(super) hosts: Hosts,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }
}

/// Headers of every answer. The page loads nothing from elsewhere, runs no inline script, and is framed only by
/// pages of its own origin (notebooks proxy dashboards under their own address).
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // The binary is the version of its files: a page of yesterday's binary must not run against today's.
    (header::CACHE_CONTROL, "no-cache"),
];

/// All paths. Methods other than GET and HEAD are refused: what changes state is gRPC.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for asset in ASSETS {
        router = router.route(&format!("/{}", asset.path), get(|| async { file(asset) }));
    }
    router
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/snapshot", get(snapshot))
        .route("/api/v1/events", get(stream_events))
        .route("/api/v1/jobs/{id}", get(job))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "no such page; the dashboard is at /\n",
            )
        })
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Refuses names that are not ours, and adds [`HEADERS`].
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .unwrap_or_default();
    let mut response = if shared.hosts.allow(host) {
        next.run(request).await
    } else {
        let text = format!(
            "this server does not answer for the host name {host:?}; use localhost or an address, or start the \
             scheduler with this name among its host names\n"
        );
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn file(asset: &'static Asset) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, asset.media_type)], asset.body)
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    match metrics::text(&shared.snapshot()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(e) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot write the metrics: {e}\n"),
        )
            .into_response(),
    }
}

/// Alive: the driver still holds its end of the channel.
async fn healthz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    match shared.snapshots.has_changed() {
        Ok(_) => (StatusCode::OK, "ok\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the scheduler has stopped\n",
        ),
    }
}

/// Ready: it takes work. The driver runs, and by then the listener for workers and clients is open.
async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.snapshot().at_us == 0 {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the scheduler is starting\n",
        );
    }
    healthz(State(shared)).await
}

async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    let snapshot = shared.snapshot();
    let (full, _) = Full::new(&snapshot, &shared.stream);
    Json(full).into_response()
}

async fn stream_events(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    events::respond(
        shared.snapshots.clone(),
        shared.stream.clone(),
        shared.stopped.clone(),
    )
}

/// A job with its plan.
#[derive(Serialize)]
struct JobDetail<'a> {
    #[serde(flatten)]
    job: &'a Job,
    plan: Option<&'a PlanGraph>,
}

async fn job(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match shared.snapshot().jobs.iter().find(|job| job.id == id) {
        Some(job) => Json(JobDetail {
            job,
            plan: job.plan.as_deref(),
        })
        .into_response(),
        None => {
            let error =
                format!("no job {id}; /api/v1/snapshot lists those that the scheduler remembers");
            (
                StatusCode::NOT_FOUND,
                Json(serde_json::json!({ "error": error })),
            )
                .into_response()
        }
    }
}
