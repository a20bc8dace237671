//! Counts the visits of each gRPC client, whose token travels in metadata.
//!
//! Run: `cargo run -p example-grpc`
//! Try: `cargo run -p example-grpc --bin client`

mod counter {
    tonic::include_proto!("counter.v1");
}

use counter::{
    VisitReply, VisitRequest,
    counter_server::{Counter, CounterServer},
};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tower_keep::{Key, MemoryStore, Session, SessionLayer, Transport};

const VISITS: Key<u64> = Key::new("visits");

struct Service;

#[tonic::async_trait]
impl Counter for Service {
    async fn visit(&self, request: Request<VisitRequest>) -> Result<Response<VisitReply>, Status> {
        let session = Session::load(request.extensions()).await?;
        let visits = session.update(VISITS, |visits| *visits += 1)?;
        Ok(Response::new(VisitReply { visits }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Metadata of gRPC are headers of HTTP.
    let layer = SessionLayer::builder(MemoryStore::new())
        .transports([Transport::header("session-token".parse()?)])
        .build()?;

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Server::builder()
        .layer(layer)
        .add_service(CounterServer::new(Service))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}
