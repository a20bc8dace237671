//! From the handler to the response: [`ResponseFuture`].

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::{
    Error,
    commit::{Begun, Commit, commit_response},
    response,
    session::{Exchange, Head, SharedExchange},
};

pin_project! {
    /// The response of a service that has sessions.
    ///
    /// It waits for the handler, commits what the handler changed, and only then gives the head.
    pub struct ResponseFuture<F, Body> {
        #[pin]
        handler: F,
        exchange: SharedExchange,
        // In a box, since a future is moved with all that it may have to wait for.
        committing: Option<Box<(Commit, Option<Response<Body>>)>>,
    }
}

impl<F, Body> ResponseFuture<F, Body> {
    pub(crate) fn new(handler: F, exchange: SharedExchange) -> Self {
        Self { handler, exchange, committing: None }
    }
}

impl<F, Body, E> Future for ResponseFuture<F, Body>
where
    F: Future<Output = Result<Response<Body>, E>>,
    Body: Default,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.committing.is_none() {
            // An error of the handler goes on as it is, and commits nothing.
            let mut response = ready!(this.handler.poll(context))?;
            if !this.exchange.was_accessed() {
                return Poll::Ready(Ok(response));
            }
            discard(this.exchange, &response);
            let mut head = Head::default();
            match commit_response(this.exchange, &mut head) {
                Begun::Ended(outcome) => {
                    let outcome = outcome.as_ref().map(|()| &head);
                    finish(&mut response, this.exchange, outcome);
                    return Poll::Ready(Ok(response));
                }
                Begun::Running(commit) => {
                    *this.committing = Some(Box::new((commit, Some(response))));
                }
            }
        }
        let Some((commit, response)) = this.committing.as_deref_mut() else {
            return Poll::Pending;
        };
        let outcome = ready!(Pin::new(commit).poll(context));
        // Polled again after its end, it stays pending.
        let Some(mut response) = response.take() else {
            return Poll::Pending;
        };
        finish(&mut response, this.exchange, outcome.as_ref());
        Poll::Ready(Ok(response))
    }
}

/// Forgets what the handler wrote, where the layer was told to by the status.
fn discard<Body>(exchange: &Exchange, response: &Response<Body>) {
    if let Some(discard) = &exchange.manager().settings().discard
        && discard(response.status())
    {
        exchange.state().discard();
    }
}

/// Gives the response its session's headers, or replaces it where the commit failed.
fn finish<Body: Default>(
    response: &mut Response<Body>,
    exchange: &Exchange,
    outcome: Result<&Head, &Error>,
) {
    let manager = exchange.manager();
    let head = match outcome {
        Ok(head) => Some(head),
        Err(error) => {
            *response = response::failure(error, exchange.is_grpc());
            None
        }
    };
    if let Some(Head { message: Some(message), transport }) = head {
        if let Some(transport) = manager.settings().transports.get(*transport) {
            transport.send(message, response.headers_mut());
        }
        if response::forbid_storing(response.headers_mut()) {
            manager.events().public_response();
        }
    }
    response::vary(response.headers_mut(), &manager.settings().vary);
}

impl<F, Body> fmt::Debug for ResponseFuture<F, Body> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
