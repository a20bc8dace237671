//! The floor's tower layer, its service and its response future.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    keep::Keep,
    session::{Handle, Shared, cookies},
};

/// Gives an inner service sessions.
pub(super) struct FloorLayer {
    keep: Keep,
    expires_at: u64,
}

impl FloorLayer {
    /// Sessions in `keep` that end at `expires_at`.
    pub(super) fn new(keep: Keep, expires_at: u64) -> Self {
        Self { keep, expires_at }
    }
}

impl<S> Layer<S> for FloorLayer {
    type Service = FloorService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FloorService { inner, keep: self.keep.clone(), expires_at: self.expires_at }
    }
}

/// An inner service with sessions.
#[derive(Clone)]
pub(super) struct FloorService<S> {
    inner: S,
    keep: Keep,
    expires_at: u64,
}

impl<S, B, R> Service<Request<B>> for FloorService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = Arc::new(Shared {
            keep: self.keep.clone(),
            expires_at: self.expires_at,
            cookies: cookies(request.headers()),
            written: OnceLock::new(),
        });
        request.extensions_mut().insert(Handle(Arc::clone(&shared)));
        ResponseFuture { inner: self.inner.call(request), shared }
    }
}

pin_project! {
    /// Commits when the response is there.
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        shared: Arc<Shared>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(context))?;
        this.shared.commit(response.headers_mut());
        Poll::Ready(Ok(response))
    }
}
