//! A gRPC service of one call, and its client. Messages are text, so that no generated code is
//! needed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut};
use futures_util::future::BoxFuture;
use http::Request;
use tokio::net::TcpListener;
use tonic::{
    Response, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{NamedService, UnaryService},
    transport::{Channel, Server, server::TcpIncoming},
};
use tower_keep::{Session, SessionLayer};

/// Messages that are text.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining()).to_vec();
        String::from_utf8(bytes).map(Some).map_err(|_| Status::internal("not text"))
    }
}

/// The service `test.Counter`.
#[derive(Clone, Copy)]
struct Counter;

impl NamedService for Counter {
    const NAME: &'static str = "test.Counter";
}

impl UnaryService<String> for Counter {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        let session = Session::load(request.extensions());
        Box::pin(async move { Ok(Response::new(super::count(&session.await?)?)) })
    }
}

impl tower::Service<Request<Body>> for Counter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(Self, request).await) })
    }
}

/// Serves the service under a layer, for as long as the runtime lives.
pub(crate) async fn serve(layer: SessionLayer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().layer(layer).add_service(Counter);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// A client of the service.
#[derive(Clone)]
pub(crate) struct Client(Grpc<Channel>);

/// Connects a client.
pub(crate) async fn client(address: SocketAddr) -> Client {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    Client(Grpc::new(endpoint.connect().await.unwrap()))
}

impl Client {
    /// Counts in the session of a token.
    pub(crate) async fn count(&mut self, token: Option<&str>) -> Result<Response<String>, Status> {
        let mut request = tonic::Request::new(String::new());
        if let Some(token) = token {
            let mut token: tonic::metadata::MetadataValue<_> = token.parse().unwrap();
            token.set_sensitive(true);
            request.metadata_mut().insert("session-token", token);
        }
        self.0.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/test.Counter/Count");
        self.0.unary(request, path, Text).await
    }
}
