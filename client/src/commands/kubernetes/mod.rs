//! `dasklike connect`, `logs` and `scaling`: a cluster in Kubernetes, reached with the user's own kubeconfig.

mod cluster;
mod connect;
mod error;
mod forward;
mod logs;
mod scaling;

pub(crate) use connect::ConnectArgs;
pub(crate) use logs::LogsArgs;
pub(crate) use scaling::ShowScalingArgs;

use error::{KubeError, Request};
use kube::Client;

/// The API server that the user's kubeconfig names, and the namespace: the one asked for, or the kubeconfig's.
async fn client(namespace: Option<&str>) -> Result<(Client, String), KubeError> {
    let client = Client::try_default()
        .await
        .map_err(|e| Request::new("read", "the kubeconfig", "").failed(e))?;
    let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
    Ok((client, namespace))
}
