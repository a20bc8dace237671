//! One layer value over axum, hyper and tonic, with real clients over TCP.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test panics where it fails"
)]

mod rpc;

use std::{convert::Infallible, net::SocketAddr};

use axum::{Router, body::Body, response::Response, routing::get};
use http::{HeaderName, Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_keep::{
    Error, Key, MemoryStore, Session, SessionCookie, SessionLayer, StoreErrorKind, Transport,
};
use tower_keep_tests::{
    Call, Fault, Faulty,
    tcp::{Http, serve},
    visit::{listed, text},
};

const VISITS: Key<u64> = Key::new("visits");

fn count(session: &Session) -> Result<String, Error> {
    Ok(session.update(VISITS, |visits| *visits += 1)?.to_string())
}

fn layer(store: &Faulty<MemoryStore>) -> SessionLayer {
    SessionLayer::builder(store.clone())
        .transports([
            Transport::cookie(SessionCookie::named("id").insecure_over_plain_http()),
            Transport::header(HeaderName::from_static("session-token")),
        ])
        .build()
        .unwrap()
}

async fn axum(layer: SessionLayer) -> SocketAddr {
    let handler = get(async |session: Session| count(&session));
    serve(Router::new().route("/", handler).layer(layer)).await
}

async fn hyper(layer: SessionLayer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = layer.layer(service_fn(async |request: Request<hyper::body::Incoming>| {
        let answer = Session::load(request.extensions()).await;
        let (status, text) = match answer.and_then(|session| count(&session)) {
            Ok(text) => (200, text),
            Err(error) => (error.status().as_u16(), String::new()),
        };
        let response = Response::builder().status(status);
        Ok::<_, Infallible>(response.body(Body::from(text)).unwrap())
    }));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(connection), service).await
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_session_is_counted_through_axum_hyper_and_tonic() {
    let store = Faulty::new(MemoryStore::new());
    let layer = layer(&store);
    let axum = axum(layer.clone()).await;
    let hyper = hyper(layer.clone()).await;
    let mut rpc = rpc::client(rpc::serve(layer.clone()).await).await;

    let first = Http::one(axum).get("/", None).await;
    let cookie = listed(&first, "set-cookie");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(text(first).await, "1");
    for (client, expected) in [
        (Http::one(hyper), "2"),
        (Http::two(hyper), "3"),
        (Http::two(axum), "4"),
        (Http::one(axum), "5"),
    ] {
        let response = client.get("/", Some(&cookie)).await;
        assert_eq!(listed(&response, "vary"), "cookie, session-token");
        assert_eq!(listed(&response, "set-cookie"), "");
        assert_eq!(text(response).await, expected);
    }
    let token = cookie.strip_prefix("id=").unwrap();
    let answer = rpc.count(Some(token)).await.unwrap();
    assert_eq!(answer.get_ref(), "6");
    assert!(!answer.metadata().contains_key("session-token"));

    // A session that begins in gRPC goes on in HTTP, and its token comes back as metadata.
    let answer = rpc.count(Some(&"A".repeat(32))).await.unwrap();
    assert_eq!(answer.get_ref(), "1");
    let token = answer.metadata().get("session-token").unwrap().to_str().unwrap();
    let response = Http::one(axum).get("/", Some(&format!("id={token}"))).await;
    assert_eq!(text(response).await, "2");

    // All of them at once, through all of them.
    let calls = (0..300).map(|n| {
        let (mut rpc, cookie) = (rpc.clone(), cookie.clone());
        tokio::spawn(async move {
            match n % 3 {
                0 => drop(Http::one(axum).get("/", Some(&cookie)).await),
                1 => drop(Http::two(hyper).get("/", Some(&cookie)).await),
                _ => drop(rpc.count(cookie.strip_prefix("id=")).await.unwrap()),
            }
        })
    });
    for call in futures_util::future::join_all(calls).await {
        call.unwrap();
    }
    let last = Http::one(axum).get("/", Some(&cookie)).await;
    assert_eq!(text(last).await, "307");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outage_reaches_each_client_in_its_own_form() {
    let store = Faulty::new(MemoryStore::new());
    let layer = layer(&store);
    let axum = axum(layer.clone()).await;
    let hyper = hyper(layer.clone()).await;
    let mut rpc = rpc::client(rpc::serve(layer.clone()).await).await;
    let (session, token) = layer.sessions().create().await.unwrap();
    drop(session);
    let cookie = format!("id={}", token.expose());
    for call in [Call::Load, Call::Apply] {
        store.always(call, Fault::Fails(StoreErrorKind::Unavailable));
        for address in [axum, hyper] {
            let response = Http::one(address).get("/", Some(&cookie)).await;
            assert_eq!(response.status(), 503, "{call:?}");
            assert_eq!(listed(&response, "set-cookie"), "");
        }
        let status = rpc.count(Some(token.expose())).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable, "{call:?}: {status:?}");
        store.heal();
    }
    assert_eq!(rpc.count(Some(token.expose())).await.unwrap().get_ref(), "1");
}
