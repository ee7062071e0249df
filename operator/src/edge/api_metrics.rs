//! Counts the requests to the API server, as a layer around the client's service.

use crate::edge::progress::Progress;
use futures::future::BoxFuture;
use http::{Method, Request, Response, header};
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Layer, Service};

/// Makes [`ApiMetrics`].
#[derive(Clone, Debug)]
pub struct ApiMetricsLayer(pub Progress);

impl<S> Layer<S> for ApiMetricsLayer {
    type Service = ApiMetrics<S>;

    fn layer(&self, inner: S) -> ApiMetrics<S> {
        ApiMetrics {
            inner,
            progress: self.0.clone(),
        }
    }
}

/// The service that counts.
#[derive(Clone, Debug)]
pub struct ApiMetrics<S> {
    inner: S,
    progress: Progress,
}

impl<S, A, B> Service<Request<A>> for ApiMetrics<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let kind = Kind::of(&request);
        let progress = self.progress.clone();
        let began = Instant::now();
        if kind.verb == "watch" {
            progress.watch_asked(kind.place());
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().ok().map(|a| a.status().as_u16());
            let metrics = progress.metrics();
            metrics.api_request(kind.verb, &kind.resource, code, began.elapsed());
            if kind.verb == "watch" {
                progress.watch_answered(kind.place(), code == Some(200));
            }
            answer
        })
    }
}

/// What a request is, in Kubernetes' words. Names of objects and namespaces are no labels: there are too many.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    verb: &'static str,
    /// The plural, with the subresource after a `/`.
    resource: String,
    namespace: Option<String>,
}

impl Kind {
    fn of<A>(request: &Request<A>) -> Kind {
        let mut parts = request.uri().path().split('/').filter(|p| !p.is_empty());
        let known = match parts.next() {
            Some("api") => parts.next().is_some(),
            Some("apis") => parts.next().is_some() && parts.next().is_some(),
            _ => false,
        };
        let parts: Vec<&str> = parts.collect();
        let (namespace, parts) = match parts[..] {
            ["namespaces", namespace, _, ..] => (Some(namespace.to_owned()), &parts[2..]),
            _ => (None, &parts[..]),
        };
        let (resource, named) = match parts {
            [resource] if known => ((*resource).to_owned(), false),
            [resource, _] if known => ((*resource).to_owned(), true),
            [resource, _, sub] if known => (format!("{resource}/{sub}"), true),
            _ => ("other".to_owned(), false),
        };
        Kind {
            verb: verb(request, named),
            resource,
            namespace,
        }
    }

    /// What a watch watches.
    fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} in {namespace}", self.resource),
            None => self.resource.clone(),
        }
    }
}

fn verb<A>(request: &Request<A>, named: bool) -> &'static str {
    let is = |wanted: &str| {
        let query = request.uri().query().unwrap_or_default();
        query.split('&').any(|pair| pair == wanted)
    };
    let content = request.headers().get(header::CONTENT_TYPE);
    let apply = content.is_some_and(|c| c.as_bytes().starts_with(b"application/apply-patch"));
    match *request.method() {
        Method::GET if is("watch=true") || is("watch=1") => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH if apply => "apply",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::health::{Limits, Problem};
    use crate::metrics::Metrics;
    use std::convert::Infallible;
    use tower::ServiceExt;

    #[test]
    fn requests_are_named_as_kubernetes_names_them() {
        let cases = [
            ("GET", "/api/v1/pods?labelSelector=a", "list pods"),
            ("GET", "/api/v1/pods?watch=true&x=y", "watch pods"),
            ("GET", "/api/v1/namespaces/n/pods/p", "get pods"),
            ("GET", "/api/v1/namespaces/n", "get namespaces"),
            ("GET", "/api/v1/namespaces", "list namespaces"),
            ("POST", "/api/v1/namespaces/n/pods?", "create pods"),
            (
                "POST",
                "/api/v1/namespaces/n/pods/p/eviction",
                "create pods/eviction",
            ),
            ("DELETE", "/api/v1/namespaces/n/pods/p", "delete pods"),
            (
                "DELETE",
                "/api/v1/namespaces/n/pods",
                "deletecollection pods",
            ),
            (
                "PUT",
                "/apis/coordination.k8s.io/v1/namespaces/n/leases/l",
                "update leases",
            ),
            (
                "PATCH",
                "/apis/dasklike.dev/v1alpha1/namespaces/n/dasklikeclusters/c/status?",
                "patch dasklikeclusters/status",
            ),
            (
                "GET",
                "/apis/dasklike.dev/v1alpha1/dasklikeclusters",
                "list dasklikeclusters",
            ),
            ("GET", "/version", "list other"),
        ];
        for (method, uri, expected) in cases {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            let kind = Kind::of(&request);
            assert_eq!(
                format!("{} {}", kind.verb, kind.resource),
                expected,
                "{uri}"
            );
        }
        let apply = Request::patch("/api/v1/namespaces/n/services/s")
            .header(header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(())
            .unwrap();
        assert_eq!(Kind::of(&apply).verb, "apply");
    }

    #[tokio::test]
    async fn each_request_is_counted_and_a_watch_is_told_to_the_health() {
        let progress = Progress::new(Metrics::new().unwrap(), Limits::default());
        progress.lease_seen();
        let inner = tower::service_fn(|request: Request<()>| async move {
            let code = match request.uri().query() {
                Some("watch=true") => 403,
                _ => 201,
            };
            Ok::<_, Infallible>(Response::builder().status(code).body(()).unwrap())
        });
        let service = ApiMetricsLayer(progress.clone()).layer(inner);
        let create = Request::post("/api/v1/namespaces/n/pods").body(()).unwrap();
        service.clone().oneshot(create).await.unwrap();
        assert!(progress.unready().is_empty());
        let watch = Request::get("/api/v1/namespaces/n/pods?watch=true")
            .body(())
            .unwrap();
        service.clone().oneshot(watch).await.unwrap();
        let resource = "pods in n".to_owned();
        assert_eq!(progress.unready(), [Problem::RefusedWatch { resource }]);
        let text = progress.metrics().text().unwrap();
        for line in [
            "dasklike_operator_api_requests_total{code=\"201\",resource=\"pods\",verb=\"create\"} 1",
            "dasklike_operator_api_requests_total{code=\"403\",resource=\"pods\",verb=\"watch\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
