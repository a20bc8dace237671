//! axum_session without a database, in its default mode: every visitor gets a session.

use std::convert::Infallible;

use axum_session::{SessionConfig, SessionLayer, SessionNullPool, SessionStore};
use tower::service_fn;
use tower_layer::Layer;

use crate::{
    contender::{Contender, Endpoint, Lives, Request, Response},
    data::{self, Shape},
};

type Session = axum_session::Session<SessionNullPool>;

/// axum_session as it comes.
pub(crate) struct AxumSession {
    store: SessionStore<SessionNullPool>,
}

impl AxumSession {
    fn layer(&self) -> SessionLayer<SessionNullPool> {
        SessionLayer::new(self.store.clone())
    }
}

impl Contender for AxumSession {
    const NAME: &'static str = "axum_session";

    async fn open() -> Self {
        let store = SessionStore::new(None, SessionConfig::default()).await;
        Self { store: store.expect("a store in memory") }
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

    fn fill(&self, shape: Shape, _: Lives) -> impl Endpoint {
        let handler = move |request| fill(request, shape);
        self.layer().layer(service_fn(handler))
    }
}

async fn untouched(_: Request) -> Result<Response, Infallible> {
    Ok(Response::default())
}

async fn read(request: Request) -> Result<Response, Infallible> {
    data::check_visits(session(&request).get(data::VISITS));
    Ok(Response::default())
}

async fn increment(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let visits = session.get::<u64>(data::VISITS);
    data::check_visits(visits);
    session.set(data::VISITS, visits.unwrap_or_default() + 1);
    Ok(Response::default())
}

async fn create(request: Request) -> Result<Response, Infallible> {
    session(&request).set(data::VISITS, data::FIRST_VISITS);
    Ok(Response::default())
}

async fn fill(request: Request, shape: Shape) -> Result<Response, Infallible> {
    let session = session(&request);
    session.set(data::VISITS, data::FIRST_VISITS);
    for (name, value) in data::texts(shape) {
        session.set(name, value);
    }
    Ok(Response::default())
}

fn session(request: &Request) -> &Session {
    request.extensions().get().expect("the layer's session")
}
