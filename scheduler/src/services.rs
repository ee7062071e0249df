//! The services of a scheduler, and which of them are answered over HTTP/1.

use crate::admin_rpc::AdminService;
use crate::client_rpc::ClientService;
use crate::driver::Driver;
use crate::http::host::Hosts;
use crate::worker_rpc::WorkerService;
use axum::extract::Request;
use axum::http::{StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use dasklike_proto_admin::WATCH_DEMAND;
use dasklike_proto_admin::pb::admin_server::AdminServer;
use dasklike_proto_engine::pb::client_server::ClientServer;
use dasklike_proto_engine::pb::worker_server::WorkerServer;
use dasklike_proto_engine::{MAX_MESSAGE_BYTES, MAX_PLAN_BYTES};
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

/// Over HTTP/1 there is the demand alone, for operators. Browsers speak HTTP/1 too, and a page from elsewhere must
/// reach nothing by them on a scheduler without TLS: neither by a simple request, which cannot be of gRPC-Web's type,
/// nor under a name of its own that it has pointed at this machine.
async fn fence(request: Request, next: Next) -> Response {
    if request.version() == Version::HTTP_2 {
        return next.run(request).await;
    }
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|h| h.to_str().ok()).unwrap_or_default();
    if request.uri().path() != WATCH_DEMAND {
        let why = "this is a scheduler's port for dasklike's own programs, by HTTP/2; the dashboard has another";
        (StatusCode::HTTP_VERSION_NOT_SUPPORTED, why).into_response()
    } else if !Hosts::default().allow(host) {
        let why = "ask under the scheduler's address";
        (StatusCode::FORBIDDEN, why).into_response()
    } else {
        next.run(request).await
    }
}
