//! Object stores: clients with bounded patience, and reads whose failures are told apart.

use crate::error::{ReadErrorKind, StoreError};
use crate::store::Place;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, RetryConfig};
use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// How often a body that ends too early is asked for again, where the server's own tag does not allow to resume.
const BODY_ATTEMPTS: usize = 3;

const S3_OPTIONS: [&str; 3] = ["anonymous", "endpoint", "region"];

/// Which bytes of an object to read.
#[derive(Clone, Debug)]
pub(crate) enum Span {
    /// All, if they are at most `bound`.
    Whole { bound: u64 },
    /// A range.
    Range(Range<u64>),
    /// The last so many.
    Last(u64),
}

/// Refuses options that the store of a scheme does not have.
pub(crate) fn check_options(
    scheme: Option<&str>,
    options: &BTreeMap<String, String>,
) -> Result<(), StoreError> {
    for (name, value) in options {
        let wrong = |what: &str| {
            Err(StoreError::Option {
                name: name.clone(),
                value: value.clone(),
                what: what.to_owned(),
            })
        };
        match (scheme, name.as_str()) {
            (Some("s3"), "anonymous") if !matches!(value.as_str(), "true" | "false") => {
                return wrong("expected true or false");
            }
            (Some("s3"), "endpoint")
                if !value.starts_with("http://") && !value.starts_with("https://") =>
            {
                return wrong("expected an http:// or https:// url");
            }
            (Some("s3"), name) if S3_OPTIONS.contains(&name) => {}
            _ => {
                return wrong(
                    "no such option: s3:// has endpoint, region and anonymous, other stores have none",
                );
            }
        }
    }
    Ok(())
}

/// A store behind plain HTTP; its keys follow the URL.
pub(crate) fn http(location: &str) -> Result<Place, StoreError> {
    let wrong = |e: object_store::Error| StoreError::Url {
        location: location.to_owned(),
        what: e.to_string(),
    };
    let url = reqwest::Url::parse(location).map_err(|e| StoreError::Url {
        location: location.to_owned(),
        what: e.to_string(),
    })?;
    let connector = Connector::new(location, url.scheme() == "http")?;
    let store = HttpBuilder::new()
        .with_url(location.trim_end_matches('/'))
        .with_retry(retry())
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_http_connector(connector)
        .build()
        .map_err(wrong)?;
    Ok(Place::Remote {
        store: Arc::new(store),
        prefix: Path::default(),
    })
}

/// A store in a bucket.
pub(crate) fn s3(location: &str, options: &BTreeMap<String, String>) -> Result<Place, StoreError> {
    let wrong = |what: String| StoreError::Url {
        location: location.to_owned(),
        what,
    };
    let (bucket, prefix) = location["s3://".len()..]
        .split_once('/')
        .unwrap_or((&location["s3://".len()..], ""));
    if bucket.is_empty() {
        return Err(wrong("expected s3://bucket/path".to_owned()));
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry());
    if let Some(endpoint) = options.get("endpoint") {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = options.get("region") {
        builder = builder.with_region(region);
    }
    if let Some(anonymous) = options.get("anonymous") {
        builder = builder.with_skip_signature(anonymous == "true");
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let plain = endpoint.is_some_and(|e| e.starts_with("http://"));
    let connector = Connector::new(location, plain)?;
    let store = builder
        .with_client_options(ClientOptions::new().with_allow_http(plain))
        .with_http_connector(connector)
        .build()
        .map_err(|e| wrong(e.to_string()))?;
    let prefix = Path::parse(prefix.trim_matches('/')).map_err(|e| wrong(e.to_string()))?;
    Ok(Place::Remote {
        store: Arc::new(store),
        prefix,
    })
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(60),
    }
}

/// Hands the client that we set up to a store.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl Connector {
    fn new(location: &str, plain: bool) -> Result<Connector, StoreError> {
        let failed = |what: String| StoreError::Client {
            location: location.to_owned(),
            what,
        };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            if !plain {
                return Err(failed("no tls provider is installed: call rustls::crypto::ring::default_provider().install_default() in main".to_owned()));
            }
            // The client wants a TLS configuration even if it never uses it. This one trusts nobody.
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|e| failed(e.to_string()))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(config);
        }
        builder
            .build()
            .map(Connector)
            .map_err(|e| failed(e.to_string()))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Reads bytes of an object, `None` if there is no such object.
pub(crate) async fn get(
    store: &Arc<dyn ObjectStore>,
    prefix: &Path,
    key: &str,
    span: Span,
) -> Result<Option<Bytes>, ReadErrorKind> {
    let full = if prefix.as_ref().is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}/{key}")
    };
    let path = Path::parse(full).map_err(|e| ReadErrorKind::Request(e.to_string()))?;
    for attempt in 1.. {
        match attempt_get(store, &path, &span).await {
            Err(Failed { again: true, .. }) if attempt < BODY_ATTEMPTS => {
                tracing::info!("the body of {path} ended too early, trying again");
            }
            result => return result.map_err(|f| f.kind),
        }
    }
    Ok(None)
}

/// A failure, and whether asking again may help where the store's own retries could not.
struct Failed {
    kind: ReadErrorKind,
    again: bool,
}

impl From<ReadErrorKind> for Failed {
    fn from(kind: ReadErrorKind) -> Self {
        Failed { kind, again: false }
    }
}

async fn attempt_get(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    span: &Span,
) -> Result<Option<Bytes>, Failed> {
    let range = match span {
        Span::Whole { .. } => None,
        Span::Range(range) => Some(GetRange::Bounded(range.clone())),
        Span::Last(bytes) => Some(GetRange::Suffix(*bytes)),
    };
    let result = match store
        .get_opts(
            path,
            GetOptions {
                range,
                ..GetOptions::default()
            },
        )
        .await
    {
        Ok(result) => result,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(kind_of(&e).into()),
    };
    let need = result.range.end - result.range.start;
    match span {
        Span::Whole { bound } if need > *bound => {
            return Err(ReadErrorKind::TooLarge {
                bytes: need,
                bound: *bound,
            }
            .into());
        }
        Span::Range(asked) if need != asked.end - asked.start => {
            return Err(ReadErrorKind::Truncated {
                have: result.meta.size,
                need: asked.end,
            }
            .into());
        }
        _ => {}
    }
    // A body with a tag was resumed already as often as it may be.
    let again = result.meta.e_tag.is_none();
    let mut stream = result.into_stream();
    let mut bytes = BytesMut::with_capacity(need as usize);
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) if bytes.is_empty() && piece.len() as u64 == need => return Ok(Some(piece)),
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(e) => match kind_of(&e) {
                ReadErrorKind::Io(_) => break,
                kind => return Err(kind.into()),
            },
        }
    }
    let have = bytes.len() as u64;
    if have == need {
        Ok(Some(bytes.freeze()))
    } else {
        Err(Failed {
            kind: ReadErrorKind::Truncated { have, need },
            again,
        })
    }
}

fn kind_of(e: &object_store::Error) -> ReadErrorKind {
    let words = e.to_string();
    // Where the environment has no credentials, the machine is asked for its own, at this address.
    if words.contains("169.254.169.254") {
        let what =
            "the environment has no credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)";
        return ReadErrorKind::Forbidden(what.to_owned());
    }
    match e {
        object_store::Error::NotFound { .. } => return ReadErrorKind::NotFound(words),
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => {
            return ReadErrorKind::Forbidden(words);
        }
        _ => {}
    }
    let mut source: Option<&(dyn Error + 'static)> = Some(e);
    while let Some(e) = source {
        if e.downcast_ref::<HttpError>()
            .is_some_and(|e| e.kind() == HttpErrorKind::Timeout)
        {
            return ReadErrorKind::Timeout(words);
        }
        source = e.source();
    }
    ReadErrorKind::Io(words)
}
