//! tower-sessions with its memory store.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use tower::service_fn;
use tower_layer::Layer;
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore,
    session::{Id, Record},
    session_store,
};
use tower_sessions_memory_store::MemoryStore;

use crate::{
    contender::{Contender, Endpoint, Lives, Request, Response, Sweeping},
    data::{self, Shape},
};

/// tower-sessions as it comes.
pub(crate) type TowerSessions = Contending<MemoryStore>;

/// tower-sessions over a store that can sweep, which its memory store cannot.
pub(crate) type TowerSessionsSwept = Contending<SweptStore>;

/// tower-sessions over one of the two stores.
pub(crate) struct Contending<S> {
    store: S,
}

impl<S: SessionStore + Clone + Default> Contending<S> {
    fn layer(&self) -> SessionManagerLayer<S> {
        SessionManagerLayer::new(self.store.clone())
    }
}

impl<S: SessionStore + Clone + Default> Contender for Contending<S> {
    const NAME: &'static str = "tower-sessions";

    async fn open() -> Self {
        Self { store: S::default() }
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
            Lives::Over => self.layer().with_expiry(Expiry::OnInactivity(Duration::ZERO)),
        };
        layer.layer(service_fn(move |request| fill(request, shape)))
    }
}

async fn untouched(_: Request) -> Result<Response, Infallible> {
    Ok(Response::default())
}

async fn read(request: Request) -> Result<Response, Infallible> {
    data::check_visits(visits(session(&request)).await);
    Ok(Response::default())
}

async fn increment(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let visits = visits(session).await;
    data::check_visits(visits);
    let visits = visits.unwrap_or_default() + 1;
    session.insert(data::VISITS, visits).await.expect("insert");
    Ok(Response::default())
}

async fn create(request: Request) -> Result<Response, Infallible> {
    let visits = data::FIRST_VISITS;
    let session = session(&request);
    session.insert(data::VISITS, visits).await.expect("insert");
    Ok(Response::default())
}

async fn fill(request: Request, shape: Shape) -> Result<Response, Infallible> {
    let visits = data::FIRST_VISITS;
    let session = session(&request);
    session.insert(data::VISITS, visits).await.expect("insert");
    for (name, value) in data::texts(shape) {
        session.insert(name, value).await.expect("insert");
    }
    Ok(Response::default())
}

fn session(request: &Request) -> &Session {
    request.extensions().get().expect("the layer's session")
}

async fn visits(session: &Session) -> Option<u64> {
    session.get(data::VISITS).await.expect("get")
}

/// What tower-sessions' memory store is, a map in one mutex, with the sweep that it lacks.
#[derive(Clone, Debug, Default)]
pub(crate) struct SweptStore(Arc<Mutex<HashMap<Id, Record>>>);

#[async_trait]
impl SessionStore for SweptStore {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.0.lock().await.insert(record.id, record.clone());
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let now = OffsetDateTime::now_utc();
        let records = self.0.lock().await;
        let record = records.get(id).filter(|record| record.expiry_date > now);
        Ok(record.cloned())
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.0.lock().await.remove(id);
        Ok(())
    }
}

impl Sweeping for TowerSessionsSwept {
    async fn sweep(&self) -> usize {
        let now = OffsetDateTime::now_utc();
        let mut records = self.store.0.lock().await;
        let before = records.len();
        records.retain(|_, record| record.expiry_date > now);
        before - records.len()
    }
}
