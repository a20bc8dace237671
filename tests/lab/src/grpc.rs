//! The lab over gRPC.

use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tower_keep::{Session, SessionLayer};

use crate::value::{Json, from_text};

#[expect(unreachable_pub, unused_qualifications, reason = "the code is generated")]
mod v1 {
    tonic::include_proto!("lab.v1");
}

use v1::{
    GetReply, GetRequest, IncrReply, IncrRequest, LoginReply, LoginRequest, LogoutReply,
    LogoutRequest, PutReply, PutRequest,
    lab_server::{Lab, LabServer},
};

/// Serves until `stop`, and then finishes what is in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    layer: SessionLayer,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .layer(layer)
        .add_service(LabServer::new(Service))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop)
        .await
}

struct Service;

#[tonic::async_trait]
impl Lab for Service {
    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        let session = Session::load(request.extensions()).await?;
        let PutRequest { key, value_json } = request.into_inner();
        session.insert(key, from_text(&value_json))?;
        Ok(Response::new(PutReply {}))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        let session = Session::load(request.extensions()).await?;
        let value: Option<Json> = session.get(request.into_inner().key)?;
        let value_json = value.as_deref().map_or("null", RawValue::get).to_owned();
        Ok(Response::new(GetReply { value_json }))
    }

    async fn incr(&self, request: Request<IncrRequest>) -> Result<Response<IncrReply>, Status> {
        let session = Session::load(request.extensions()).await?;
        let key = request.into_inner().key;
        let value = session.update(key, |n: &mut i64| *n = n.saturating_add(1))?;
        Ok(Response::new(IncrReply { value }))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginReply>, Status> {
        let session = Session::load(request.extensions()).await?;
        session.set_user(request.into_inner().user)?;
        Ok(Response::new(LoginReply {}))
    }

    async fn logout(
        &self,
        request: Request<LogoutRequest>,
    ) -> Result<Response<LogoutReply>, Status> {
        Session::load(request.extensions()).await?.destroy();
        Ok(Response::new(LogoutReply {}))
    }
}
