//! The machine's own files over HTTP, for pods to read.

use super::cluster::host_address;
use axum::Router;
use kube::Client;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_http::services::ServeDir;

/// A server that ends when it is dropped.
pub struct FileServer {
    /// Where the folder is, for pods and for this machine alike.
    pub url: String,
    task: JoinHandle<()>,
}

impl FileServer {
    /// Serves the files in `folder`, ranges of them too.
    pub async fn start(client: &Client, folder: &Path) -> FileServer {
        let address = host_address(client).await;
        let listener = TcpListener::bind((address, 0))
            .await
            .unwrap_or_else(|e| panic!("cannot listen on {address}: {e}"));
        let url = format!("http://{}", listener.local_addr().unwrap());
        let files = Router::new().fallback_service(ServeDir::new(folder));
        let task = tokio::spawn(async move {
            // It ends only by being dropped.
            let _ = axum::serve(listener, files).await;
        });
        FileServer { url, task }
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
