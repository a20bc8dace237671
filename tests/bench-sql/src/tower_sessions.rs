//! tower-sessions with tower-sessions-sqlx-store.

use std::convert::Infallible;

use tower::{service_fn, util::BoxCloneService};
use tower_layer::Layer;
use tower_sessions::{Session, SessionManagerLayer, SessionStore};

use crate::app::{Contender, FIRST, Request, Response, VISITS, check, texts};

pub(crate) fn contender(store: impl SessionStore + Clone) -> Contender {
    let layer = SessionManagerLayer::new(store);
    Contender {
        name: "tower-sessions",
        fill: BoxCloneService::new(layer.layer(service_fn(fill))),
        read: BoxCloneService::new(layer.layer(service_fn(read))),
        increment: BoxCloneService::new(layer.layer(service_fn(increment))),
        create: BoxCloneService::new(layer.layer(service_fn(create))),
    }
}

async fn fill(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    session.insert(VISITS, FIRST).await.unwrap();
    for (name, value) in texts() {
        session.insert(name, value).await.unwrap();
    }
    Ok(Response::default())
}

async fn read(request: Request) -> Result<Response, Infallible> {
    check(session(&request).get(VISITS).await.unwrap());
    Ok(Response::default())
}

async fn increment(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let visits: u64 = session.get(VISITS).await.unwrap().unwrap();
    check(Some(visits));
    session.insert(VISITS, visits + 1).await.unwrap();
    Ok(Response::default())
}

async fn create(request: Request) -> Result<Response, Infallible> {
    session(&request).insert(VISITS, FIRST).await.unwrap();
    Ok(Response::default())
}

fn session(request: &Request) -> &Session {
    request.extensions().get().unwrap()
}
