//! tower-keep with its memory store.

use std::{convert::Infallible, time::Duration};

use tower::service_fn;
use tower_keep::{Key, MemoryStore, Session, SessionLayer, Store, Swept};
use tower_layer::Layer;

use crate::{
    contender::{Contender, Endpoint, Lives, Request, Response, Sweeping},
    data::{self, Shape},
};

const VISITS: Key<u64> = Key::new(data::VISITS);

/// As many sessions as one step of a sweep removes; what a sweeper asks for.
const SWEPT_AT_ONCE: usize = 1_000;

/// tower-keep as it comes.
pub(crate) struct TowerKeep {
    store: MemoryStore,
}

impl TowerKeep {
    fn layer(&self) -> SessionLayer {
        SessionLayer::new(self.store.clone())
    }
}

impl Contender for TowerKeep {
    const NAME: &'static str = "tower-keep";

    async fn open() -> Self {
        Self { store: MemoryStore::new() }
    }

    fn untouched(&self) -> impl Endpoint {
        self.layer().layer(service_fn(untouched))
    }

    fn read(&self) -> impl Endpoint {
        self.layer().layer(service_fn(read))
    }

    fn increment(&self) -> impl Endpoint {
        self.layer().layer(service_fn(increment))
    }

    fn create(&self) -> impl Endpoint {
        self.layer().layer(service_fn(create))
    }

    fn fill(&self, shape: Shape, lives: Lives) -> impl Endpoint {
        let layer = match lives {
            Lives::On => self.layer(),
            Lives::Over => SessionLayer::builder(self.store.clone())
                .idle_timeout(Duration::from_millis(1))
                .build()
                .expect("a layer"),
        };
        layer.layer(service_fn(move |request| fill(request, shape)))
    }
}

impl Sweeping for TowerKeep {
    async fn sweep(&self) -> usize {
        let mut removed = 0;
        let sweeper = self.store.sweep().expect("a store that sweeps");
        while let Swept::Removed { sessions, more } =
            sweeper.sweep(SWEPT_AT_ONCE).await.expect("a sweep")
        {
            removed += sessions as usize;
            if !more {
                break;
            }
        }
        removed
    }
}

async fn untouched(_: Request) -> Result<Response, Infallible> {
    Ok(Response::default())
}

async fn read(request: Request) -> Result<Response, Infallible> {
    let session = session(&request).await;
    data::check_visits(session.get(VISITS).expect("get"));
    Ok(Response::default())
}

async fn increment(request: Request) -> Result<Response, Infallible> {
    let session = session(&request).await;
    let visits = session.update(VISITS, |visits| *visits += 1);
    data::check_visits(visits.ok());
    Ok(Response::default())
}

async fn create(request: Request) -> Result<Response, Infallible> {
    let session = session(&request).await;
    session.insert(VISITS, data::FIRST_VISITS).expect("insert");
    Ok(Response::default())
}

async fn fill(request: Request, shape: Shape) -> Result<Response, Infallible> {
    let session = session(&request).await;
    session.insert(VISITS, data::FIRST_VISITS).expect("insert");
    for (name, value) in data::texts(shape) {
        session.insert(name, value).expect("insert");
    }
    Ok(Response::default())
}

async fn session(request: &Request) -> Session {
    Session::load(request.extensions()).await.expect("load")
}
