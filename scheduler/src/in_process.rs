//! Results for workers and clients of this process: as the services do it, without messages' bytes in between.

use crate::client_rpc::ClientService;
use crate::driver::Driver;
use dasklike_graph::protocol::{Block, Epoch, JobId, WorkerId};
use dasklike_proto_engine::pb::{self, client_server::Client};
use dasklike_proto_engine::transport::{JobEvents, LocalResults};
use tonic::{Request, Response, Status};

#[derive(Debug)]
pub(crate) struct InProcessResults {
    pub(crate) driver: Driver,
    pub(crate) clients: ClientService,
}

#[tonic::async_trait]
impl LocalResults for InProcessResults {
    async fn push(
        &self,
        epoch: Epoch,
        worker: WorkerId,
        job: JobId,
        block: Block,
    ) -> Result<(), Status> {
        self.driver.push(epoch, worker, job, block).await
    }

    async fn submit(&self, request: pb::SubmitRequest) -> Result<JobEvents, Status> {
        let answer = self.clients.submit(Request::new(request)).await;
        answer.map(Response::into_inner)
    }

    async fn attach(&self, request: pb::AttachRequest) -> Result<JobEvents, Status> {
        let answer = self.clients.attach(Request::new(request)).await;
        answer.map(Response::into_inner)
    }
}
