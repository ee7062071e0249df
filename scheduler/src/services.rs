//! The services of a scheduler, and who may call them.

use crate::admin_rpc::AdminService;
use crate::client_rpc::ClientService;
use crate::driver::Driver;
use crate::http::host::Hosts;
use crate::worker_rpc::WorkerService;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use dasklike_proto_admin::WATCH_DEMAND;
use dasklike_proto_admin::pb::admin_server::{self, AdminServer};
use dasklike_proto_engine::pb::client_server::{self, ClientServer};
use dasklike_proto_engine::pb::worker_server::{self, WorkerServer};
use dasklike_proto_engine::transport::{Peer, Role};
use dasklike_proto_engine::{MAX_MESSAGE_BYTES, MAX_PLAN_BYTES};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::Layer;

/// All of them.
pub(crate) fn services(driver: &Driver, dashboard: &Option<String>) -> Routes {
    let worker = WorkerServer::new(WorkerService {
        driver: driver.clone(),
    })
    .max_decoding_message_size(MAX_MESSAGE_BYTES)
    .max_encoding_message_size(MAX_PLAN_BYTES);
    let client = ClientServer::new(ClientService {
        driver: driver.clone(),
        dashboard: dashboard.clone(),
    })
    .max_decoding_message_size(MAX_PLAN_BYTES)
    .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let admin = AdminServer::new(AdminService {
        driver: driver.clone(),
    });
    Routes::new(worker)
        .add_service(client)
        .add_service(admin.clone())
        .into_axum_router()
        .route_service(WATCH_DEMAND, GrpcWebLayer::new().layer(admin))
        .layer(middleware::from_fn(fence))
        .into()
}

/// Who may ask what. Without TLS there is no peer, and who reaches the port may ask all of HTTP/2's.
async fn fence(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if let Some(peer) = request.extensions().get::<Peer>()
        && !may_call(peer.role, path)
    {
        return refusal(peer, path).into_http::<Body>().into_response();
    }
    if request.version() == Version::HTTP_2 {
        return next.run(request).await;
    }
    match over_http1(path, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// A worker's key lies in every worker's pod, where stores are read that nobody here made. Whoever gets hold of it can
/// compute wrongly, but can neither have others compute nor read what they do.
fn may_call(role: Option<Role>, path: &str) -> bool {
    let service = path.trim_start_matches('/').split('/').next();
    match role {
        Some(Role::Worker) => service == Some(worker_server::SERVICE_NAME),
        Some(Role::Client) => {
            service == Some(client_server::SERVICE_NAME)
                || service == Some(admin_server::SERVICE_NAME)
        }
        Some(Role::Operator) => service == Some(admin_server::SERVICE_NAME),
        None => false,
    }
}

fn refusal(peer: &Peer, path: &str) -> Status {
    let because = match peer.role {
        Some(_) => "is for something else",
        None => "says no role: its common name must begin with worker., client. or operator.",
    };
    Status::permission_denied(format!("{peer} may not call {path}: it {because}"))
}

/// Over HTTP/1 there is the demand alone, for operators. Browsers speak HTTP/1 too, and a page from elsewhere must
/// reach nothing by them on a scheduler without TLS: neither by a simple request, which cannot be of gRPC-Web's type,
/// nor under a name of its own that it has pointed at this machine.
fn over_http1(path: &str, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    if path != WATCH_DEMAND {
        let why = "this port is for dasklike's own programs, by HTTP/2; the dashboard has another";
        Err((StatusCode::HTTP_VERSION_NOT_SUPPORTED, why))
    } else if !host.is_some_and(|host| Hosts::default().allow(host)) {
        Err((StatusCode::FORBIDDEN, "ask under the scheduler's address"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_services_and_no_others() {
        let calls = [
            "/dasklike.engine.v1.Worker/Session",
            "/dasklike.engine.v1.Worker/PushBlock",
            "/dasklike.engine.v1.Client/Submit",
            "/dasklike.admin.v1.Admin/DrainWorker",
            WATCH_DEMAND,
            "/dasklike.admin.v1.AdminX/WatchDemand",
            "/",
            "",
        ];
        let may = |role| calls.map(|path| u8::from(may_call(role, path)));
        assert_eq!(may(Some(Role::Worker)), [1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(may(Some(Role::Client)), [0, 0, 1, 1, 1, 0, 0, 0]);
        assert_eq!(may(Some(Role::Operator)), [0, 0, 0, 1, 1, 0, 0, 0]);
        assert_eq!(may(None), [0; 8]);
    }
}
