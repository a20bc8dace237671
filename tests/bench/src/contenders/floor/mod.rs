//! The floor: the least that a tower layer for sessions can do.
//!
//! It is what the others are judged against, so it leaves out what can be left out and does the rest
//! as tightly as safe code allows: a handle in the request's extensions, a response future without a
//! box, one cookie looked for when the handler asks, 128 bits decoded, one look-up in a concurrent
//! map, the record shared by `Arc`, one number read or the record replaced, `Set-Cookie` for a new
//! session alone.
//!
//! It hashes no token, reads no clock, locks nothing for a request that only reads, and has no
//! transports, conflicts, errors or limits: whoever needs those is slower by what they cost.
//!
//! The map is `scc::HashMap`: measured next to `papaya`, its reads cost as much and its replacements
//! a third. Ids come from `rand`'s generator in user space, since the operating system's costs a
//! call into the kernel, on which more time can go than on all the rest of a request.

mod cookie;
mod flat;
mod keep;
mod layer;
mod record;
mod session;

use std::convert::Infallible;

use tower::service_fn;
use tower_layer::Layer;

use self::{keep::Keep, layer::FloorLayer, session::Session};
use crate::{
    contender::{Contender, Endpoint, Lives, Request, Response, Sweeping},
    data::{self, Shape},
};

/// The least that a tower layer can do.
pub(crate) struct Floor {
    keep: Keep,
}

impl Floor {
    fn around<S>(&self, inner: S, lives: Lives) -> layer::FloorService<S> {
        let expires_at = match lives {
            Lives::On => u64::MAX,
            Lives::Over => 0,
        };
        FloorLayer::new(self.keep.clone(), expires_at).layer(inner)
    }
}

impl Contender for Floor {
    const NAME: &'static str = "floor";

    async fn open() -> Self {
        Self { keep: Keep::default() }
    }

    fn untouched(&self) -> impl Endpoint {
        self.around(service_fn(untouched), Lives::On)
    }

    fn read(&self) -> impl Endpoint {
        self.around(service_fn(read), Lives::On)
    }

    fn increment(&self) -> impl Endpoint {
        self.around(service_fn(increment), Lives::On)
    }

    fn create(&self) -> impl Endpoint {
        self.around(service_fn(create), Lives::On)
    }

    fn fill(&self, shape: Shape, lives: Lives) -> impl Endpoint {
        let handler = move |request| fill(request, shape);
        self.around(service_fn(handler), lives)
    }
}

impl Sweeping for Floor {
    async fn sweep(&self) -> usize {
        self.keep.sweep(1)
    }
}

async fn untouched(_: Request) -> Result<Response, Infallible> {
    Ok(Response::default())
}

async fn read(request: Request) -> Result<Response, Infallible> {
    let session = Session::load(request.extensions());
    data::check_visits(session.number(data::VISITS));
    Ok(Response::default())
}

async fn increment(request: Request) -> Result<Response, Infallible> {
    let mut session = Session::load(request.extensions());
    let visits = session.number(data::VISITS);
    data::check_visits(visits);
    session.set_number(data::VISITS, visits.unwrap_or_default() + 1);
    Ok(Response::default())
}

async fn create(request: Request) -> Result<Response, Infallible> {
    let mut session = Session::load(request.extensions());
    session.set_number(data::VISITS, data::FIRST_VISITS);
    Ok(Response::default())
}

async fn fill(request: Request, shape: Shape) -> Result<Response, Infallible> {
    let mut session = Session::load(request.extensions());
    session.set_number(data::VISITS, data::FIRST_VISITS);
    for (name, value) in data::texts(shape) {
        session.set(name, format!("\"{value}\"").as_bytes());
    }
    Ok(Response::default())
}
