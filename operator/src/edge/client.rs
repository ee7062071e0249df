//! The client of the API server, over HTTP/2: all requests and watches share one connection. kube's own speaks HTTP/1
//! only, where each request in flight is a connection with a handshake and buffers of its own.

use crate::edge::api_metrics::ApiMetricsLayer;
use crate::edge::progress::Progress;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use std::time::Duration;
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

/// A connection that is silent for so long is asked whether it lives,
const ASK_AFTER: Duration = Duration::from_secs(10);
/// and has so long to answer. Together less than the Lease allows the leader.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration is none.
    #[error(transparent)]
    Config(#[from] kube::Error),
    /// The name that the server's certificate should have is no name.
    #[error("tls-server-name {name:?} is no name: {source}")]
    ServerName {
        /// The name.
        name: String,
        /// Why.
        source: InvalidDnsNameError,
    },
}

/// A client whose requests are counted.
pub(crate) fn client(config: Config, progress: Progress) -> Result<Client, ClientError> {
    let metrics = ApiMetricsLayer(progress);
    // What goes through a proxy is rare and small: kube knows how.
    if config.proxy_url.is_some() {
        return Ok(ClientBuilder::try_from(config)?
            .with_layer(&metrics)
            .build());
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_nodelay(true);
    let mut tls = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let fixed =
            ServerName::try_from(name.clone()).map_err(|source| ClientError::ServerName {
                name: name.clone(),
                source,
            })?;
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(fixed));
    }
    let https = tls.enable_http1().enable_http2().wrap_connector(connector);
    let http: hyper_util::client::legacy::Client<_, Body> = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(ASK_AFTER)
        .http2_keep_alive_timeout(ANSWER_WITHIN)
        .http2_keep_alive_while_idle(true)
        .build(https);
    let service = ServiceBuilder::new()
        .layer(metrics)
        .layer(config.base_uri_layer())
        .option_layer(
            config
                .default_retry
                .then(|| RetryLayer::new(RetryPolicy::server_retry())),
        )
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}
