//! A server and a client over TCP: [`serve`] and [`Http`].

use std::net::SocketAddr;

use axum::{Router, body::Body, response::Response};
use http::Request;
use hyper_util::{
    client::legacy::Client, client::legacy::connect::HttpConnector, rt::TokioExecutor,
};
use tokio::net::TcpListener;

/// Serves a router on a free port, for as long as the runtime lives.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// An HTTP client with connections of its own.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpConnector, Body>,
    address: SocketAddr,
}

impl Http {
    /// A client that speaks HTTP/1.1.
    #[must_use]
    pub fn one(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, address }
    }

    /// A client that speaks HTTP/2, all requests on one connection.
    #[must_use]
    pub fn two(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { client, address }
    }

    /// Sends a GET with a cookie line.
    pub async fn get(&self, path: &str, cookie: Option<&str>) -> Response {
        let mut request = Request::get(format!("http://{}{path}", self.address));
        if let Some(cookie) = cookie {
            let mut cookie = http::HeaderValue::try_from(cookie).unwrap();
            cookie.set_sensitive(true);
            request = request.header("cookie", cookie);
        }
        let response = self.client.request(request.body(Body::empty()).unwrap());
        response.await.unwrap().map(Body::new)
    }
}
