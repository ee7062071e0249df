//! An HTTP server for the files of a folder that answers every request late, as an object store
//! does, and any number of requests at once.

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use bytes::Bytes;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A server that runs until it is dropped.
pub(crate) struct SlowServer {
    /// `http://127.0.0.1:PORT`, the folder's root.
    pub(crate) url: String,
    // Dropping the runtime stops the server.
    _runtime: tokio::runtime::Runtime,
}

struct Files {
    latency: Duration,
    by_path: HashMap<String, Bytes>,
}

impl SlowServer {
    /// Serves what is in `folder` now; all of it is kept in memory, so that a disk plays no part.
    pub(crate) fn start(folder: &Path, latency: Duration) -> Result<SlowServer> {
        let mut by_path = HashMap::new();
        load(folder, "", &mut by_path)?;
        let files = Arc::new(Files { latency, by_path });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the server's thread")?;
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .context("cannot listen on 127.0.0.1")?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // Without it small answers wait for acknowledgements; a failure costs speed only.
            let _ = stream.set_nodelay(true);
        });
        let service = Router::new().fallback(answer).with_state(files);
        runtime.spawn(async move { axum::serve(listener, service).await });
        Ok(SlowServer {
            url,
            _runtime: runtime,
        })
    }
}

fn load(folder: &Path, prefix: &str, into: &mut HashMap<String, Bytes>) -> Result<()> {
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.metadata()?.is_dir() {
            load(&entry.path(), &path, into)?;
        } else {
            let bytes = std::fs::read(entry.path())
                .with_context(|| format!("cannot read {}", entry.path().display()))?;
            into.insert(path, bytes.into());
        }
    }
    Ok(())
}

async fn answer(State(files): State<Arc<Files>>, request: Request) -> Response {
    tokio::time::sleep(files.latency).await;
    let Some(file) = files.by_path.get(request.uri().path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepts = (header::ACCEPT_RANGES, "bytes".to_owned());
    match requested_range(request.headers(), file.len()) {
        None => ([accepts], file.clone()).into_response(),
        Some((start, end)) if start < end => {
            let range = format!("bytes {start}-{}/{}", end - 1, file.len());
            (
                StatusCode::PARTIAL_CONTENT,
                [accepts, (header::CONTENT_RANGE, range)],
                file.slice(start..end),
            )
                .into_response()
        }
        Some(_) => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
    }
}

/// The bytes that a `Range` header asks for, as start and end; none where there is no such header
/// or it is of a kind that may be ignored.
fn requested_range(headers: &HeaderMap, len: usize) -> Option<(usize, usize)> {
    let (first, last) = headers
        .get(header::RANGE)?
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => Some((first, len.min(last + 1))),
        (Ok(first), Err(_)) if last.is_empty() => Some((first, len)),
        (Err(_), Ok(suffix)) if first.is_empty() => Some((len.saturating_sub(suffix), len)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let range = |text: &str| {
            requested_range(
                &HeaderMap::from_iter([(header::RANGE, text.parse().unwrap())]),
                100,
            )
        };
        assert_eq!(range("bytes=0-9"), Some((0, 10)));
        assert_eq!(range("bytes=90-200"), Some((90, 100)));
        assert_eq!(range("bytes=90-"), Some((90, 100)));
        assert_eq!(range("bytes=-10"), Some((90, 100)));
        assert_eq!(range("bytes=1-2,5-6"), None);
        assert_eq!(requested_range(&HeaderMap::new(), 100), None);
    }
}
