//! tower-keep.

use std::{convert::Infallible, sync::Arc};

use tower::{service_fn, util::BoxCloneService};
use tower_keep::{Session, SessionLayer, Store};
use tower_keep_redis_store::RedisStore;
use tower_layer::Layer;

use crate::app::{Contender, FIRST, Request, Response, Size, VISITS, check};

/// The store with its defaults, and as it is for sessions that another process changes all the time.
pub(crate) async fn contenders(url: &str) -> [Contender; 2] {
    let store = RedisStore::connect(url).await.unwrap();
    let without_cache = RedisStore::builder().cache(0).connect(url).await.unwrap();
    [contender(store), contender(without_cache)]
}

fn contender(store: RedisStore) -> Contender {
    let layer = SessionLayer::new(Arc::new(store) as Arc<dyn Store>);
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
    let session = session(&request).await;
    session.insert(VISITS, FIRST).unwrap();
    for (name, value) in size.texts() {
        session.insert(&*name, value).unwrap();
    }
    Ok(Response::default())
}

async fn read(request: Request) -> Result<Response, Infallible> {
    check(session(&request).await.get(VISITS).unwrap());
    Ok(Response::default())
}

async fn increment(request: Request) -> Result<Response, Infallible> {
    check(session(&request).await.update(VISITS, |visits: &mut u64| *visits += 1).ok());
    Ok(Response::default())
}

async fn create(request: Request) -> Result<Response, Infallible> {
    session(&request).await.insert(VISITS, FIRST).unwrap();
    Ok(Response::default())
}

async fn session(request: &Request) -> Session {
    Session::load(request.extensions()).await.unwrap()
}
