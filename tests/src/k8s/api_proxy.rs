//! A way to the API server that a test can cut: for an operator whose API server is out of reach.

use super::cluster::{api_server, host_address};
use super::namespace::Namespace;
use super::operator::run;
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A name that every API server's certificate carries.
const NAME: &str = "kubernetes.default.svc";

/// The way, which ends when this is dropped.
pub struct ApiProxy {
    address: SocketAddr,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ApiProxy {
    /// Listens where pods can reach it.
    pub async fn start(namespace: &Namespace) -> ApiProxy {
        let host = host_address(&namespace.client).await;
        let listener = TcpListener::bind((host, 0))
            .await
            .unwrap_or_else(|e| panic!("cannot listen on {host}: {e}"));
        let address = listener.local_addr().unwrap();
        let (open, opened) = watch::channel(true);
        let server = api_server().await;
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(socket, server.clone(), opened.clone()));
            }
        });
        ApiProxy {
            address,
            open,
            task,
        }
    }

    /// Sends the operator this way, and waits until it has gone.
    pub fn lead(&self, namespace: &Namespace) {
        let deployment = format!("deployment/{}", namespace.name);
        let patch = json!({"spec": {"template": {"spec": {
            "hostAliases": [{"ip": self.address.ip().to_string(), "hostnames": [NAME]}],
            "containers": [{"name": "operator", "env": [
                {"name": "KUBERNETES_SERVICE_HOST", "value": NAME},
                {"name": "KUBERNETES_SERVICE_PORT", "value": self.address.port().to_string()},
            ]}],
        }}}});
        run(
            namespace,
            &["patch", &deployment, "--patch", &patch.to_string()],
        );
        run(
            namespace,
            &["rollout", "status", &deployment, "--timeout=120s"],
        );
    }

    /// Ends what is under way, and lets nothing new through.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets all through again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes on until one side or the way ends. A connection that comes while the way is cut gets no answer, as from
/// a machine that is gone.
async fn pass(mut socket: TcpStream, server: String, mut open: watch::Receiver<bool>) {
    let is_open = *open.borrow_and_update();
    if !is_open {
        let _ = open.changed().await;
        return;
    }
    let Ok(mut server) = TcpStream::connect(&server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut socket, &mut server) => {}
        _ = open.changed() => {}
    }
}
