//! Counts the visits of each browser, without a framework.
//!
//! Run: `cargo run -p example-hyper`
//! Try: `curl --cookie-jar jar --cookie jar http://127.0.0.1:3000/`, twice, or a browser.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower::ServiceBuilder;
use tower_keep::{Error, Key, MemoryStore, Session, SessionCookie, SessionLayer};

const VISITS: Key<u64> = Key::new("visits");

async fn home(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
    let session = Session::load(request.extensions()).await?;
    let visits = session.update(VISITS, |visits| *visits += 1)?;
    Ok(Response::new(format!("visits: {visits}\n").into()))
}

/// Without a framework nobody turns errors into responses; an outage of the store is a 503.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(home(request).await.unwrap_or_else(|error| {
        let mut response = Response::new(format!("{error}\n").into());
        *response.status_mut() = error.status();
        response
    }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Browsers and curl send `Secure` cookies over TLS only. Behind TLS the default cookie is right:
    // `SessionLayer::new(MemoryStore::new())`.
    let cookie = SessionCookie::named("id").insecure_over_plain_http();
    let layer = SessionLayer::builder(MemoryStore::new()).cookie(cookie).build()?;
    let service = ServiceBuilder::new().layer(layer).service_fn(answer);
    let service = TowerToHyperService::new(service);

    let address = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            // An error is of this connection only, such as a client that went away.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
