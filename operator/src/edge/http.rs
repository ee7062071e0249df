//! `/metrics`, `/healthz` and `/readyz`, in plain HTTP for the kubelet and for Prometheus.

use crate::core::health::Problem;
use crate::edge::progress::Progress;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// Why the operator cannot be asked over HTTP.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing can listen there.
    #[error(
        "cannot listen on port {port} for /metrics and the probes: {source}: give another --http-port"
    )]
    Listen {
        /// Where.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The server ended.
    #[error("the server of /metrics and the probes ended: {0}")]
    Serve(io::Error),
}

/// Listens on all addresses; port 0 is any free one.
pub async fn listen(port: u16) -> Result<TcpListener, HttpError> {
    let all: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    let mut last = None;
    // A kernel without IPv6 refuses the first, which elsewhere serves both families.
    for address in all {
        match TcpListener::bind(SocketAddr::new(address, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(HttpError::Listen {
        port,
        source: last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()),
    })
}

/// Answers until dropped.
pub async fn serve(listener: TcpListener, progress: Progress) -> Result<(), HttpError> {
    axum::serve(listener, router(progress))
        .await
        .map_err(HttpError::Serve)
}

fn router(progress: Progress) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(progress)
}

async fn metrics(State(progress): State<Progress>) -> Response {
    const TEXT: [(header::HeaderName, &str); 1] =
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    match progress.metrics().text() {
        Ok(text) => (TEXT, text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn healthz(State(progress): State<Progress>) -> (StatusCode, String) {
    verdict(&progress.sick())
}

async fn readyz(State(progress): State<Progress>) -> (StatusCode, String) {
    verdict(&progress.unready())
}

fn verdict(problems: &[Problem]) -> (StatusCode, String) {
    match problems {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        _ => {
            let lines = problems.iter().map(|p| format!("{p}\n"));
            (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::health::Limits;
    use crate::metrics::{Metrics, Outcome};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()))
            .await
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_probes_follow_the_progress_in_words() {
        let limits = Limits {
            reconcile: Duration::ZERO,
            ..Limits::default()
        };
        let progress = Progress::new(Metrics::new().unwrap(), limits);
        let listener = listen(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, progress.clone()));

        assert!(ask(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let unready = ask(address, "/readyz").await;
        assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
        assert!(unready.contains("Lease"), "{unready}");
        progress.lease_seen();
        assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));

        let reconcile = progress.reconcile("lab/demo".into());
        let sick = ask(address, "/healthz").await;
        assert!(sick.starts_with("HTTP/1.1 503"), "{sick}");
        assert!(sick.contains("lab/demo"), "{sick}");
        reconcile.end(Outcome::Success);
        assert!(ask(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let metrics = ask(address, "/metrics").await;
        let line = "dasklike_operator_reconciles_total{result=\"success\"} 1";
        assert!(metrics.contains(line), "{metrics}");

        progress.stopping();
        assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        server.abort();
    }
}
