//! No session layer: what the request itself, its cookie and its response cost.

use std::convert::Infallible;

use http::{HeaderValue, header};
use tower::service_fn;

use crate::{
    contender::{Contender, Endpoint, Lives, Request, Response},
    data::Shape,
};

/// No session layer.
pub(crate) struct Bare;

impl Contender for Bare {
    const NAME: &'static str = "bare";

    async fn open() -> Self {
        Self
    }

    fn untouched(&self) -> impl Endpoint {
        service_fn(answer)
    }

    fn read(&self) -> impl Endpoint {
        service_fn(answer)
    }

    fn increment(&self) -> impl Endpoint {
        service_fn(answer)
    }

    fn create(&self) -> impl Endpoint {
        service_fn(answer)
    }

    fn fill(&self, _: Shape, _: Lives) -> impl Endpoint {
        service_fn(set_cookie)
    }
}

async fn answer(_: Request) -> Result<Response, Infallible> {
    Ok(Response::default())
}

/// Hands out a cookie for the requests to carry, as long as the floor's.
async fn set_cookie(_: Request) -> Result<Response, Infallible> {
    let mut response = Response::default();
    response.headers_mut().insert(
        header::SET_COOKIE,
        HeaderValue::from_static("__Host-id=AAAAAAAAAAAAAAAAAAAAAA; Path=/"),
    );
    Ok(response)
}
