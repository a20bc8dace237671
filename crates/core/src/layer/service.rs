//! From the request to the handler: [`SessionService`].

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Manager, ResponseFuture};
use crate::session::{Exchange, SharedExchange};

/// A service whose requests have sessions. [`SessionLayer`](super::SessionLayer) makes it.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    manager: Arc<Manager>,
}

/// What the layer leaves in the extensions of a request.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) SharedExchange);

impl<S> SessionService<S> {
    pub(crate) fn new(inner: S, manager: Arc<Manager>) -> Self {
        Self { inner, manager }
    }
}

impl<S, Body, ResponseBody> Service<Request<Body>> for SessionService<S>
where
    S: Service<Request<Body>, Response = Response<ResponseBody>>,
    ResponseBody: Default,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let exchange = Exchange::of_request(&self.manager, request.headers(), request.extensions());
        request.extensions_mut().insert(Handle(SharedExchange::clone(&exchange)));
        ResponseFuture::new(self.inner.call(request), exchange)
    }
}
