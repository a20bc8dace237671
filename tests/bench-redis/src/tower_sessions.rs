//! tower-sessions with tower-sessions-redis-store.

use std::convert::Infallible;

use tower::{service_fn, util::BoxCloneService};
use tower_layer::Layer;
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};

use crate::app::{Contender, FIRST, Request, Response, Size, VISITS, check};

/// Six connections are its fastest, by a little.
const CONNECTIONS: usize = 6;

pub(crate) async fn contender(url: &str) -> Contender {
    let config = Config::from_url(url).unwrap();
    let pool = Pool::new(config, None, None, None, CONNECTIONS).unwrap();
    pool.init().await.unwrap();
    let layer = SessionManagerLayer::new(RedisStore::new(pool));
    let fill = [Size::Small, Size::Large].map(|size| {
        BoxCloneService::new(layer.layer(service_fn(move |request| fill(request, size))))
    });
    Contender {
        fill,
        read: BoxCloneService::new(layer.layer(service_fn(read))),
        increment: BoxCloneService::new(layer.layer(service_fn(increment))),
        create: BoxCloneService::new(layer.layer(service_fn(create))),
    }
}

async fn fill(request: Request, size: Size) -> Result<Response, Infallible> {
    let session = session(&request);
    session.insert(VISITS, FIRST).await.unwrap();
    for (name, value) in size.texts() {
        session.insert(&name, value).await.unwrap();
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
