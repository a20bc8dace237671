//! What is measured: [`Contender`], one way to have sessions.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Empty;
use tower_service::Service;

use crate::data::Shape;

/// A request of a scenario. All contenders get the same body, which costs nothing.
pub(crate) type Request = http::Request<Empty<Bytes>>;

/// A response of a scenario.
pub(crate) type Response = http::Response<Empty<Bytes>>;

/// A handler in a contender's layer.
pub(crate) trait Endpoint:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Endpoint for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Whether filled-in sessions are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lives {
    /// They live for longer than the measurement.
    On,
    /// They have expired as soon as they are stored, or a moment later.
    Over,
}

/// One way to have sessions, with a store of its own.
///
/// Each scenario has its own handler, written as the contender's documentation writes it, so that
/// a future that grows for one scenario costs nothing in another.
pub(crate) trait Contender: Sized + Send + Sync + 'static {
    /// What the table calls it.
    const NAME: &'static str;

    /// Opens it, with no sessions. Runs on a tokio runtime, as all that follows.
    fn open() -> impl Future<Output = Self> + Send;

    /// A handler that does not touch its session.
    fn untouched(&self) -> impl Endpoint;

    /// A handler that reads [`VISITS`](crate::data::VISITS).
    fn read(&self) -> impl Endpoint;

    /// A handler that increments [`VISITS`](crate::data::VISITS).
    fn increment(&self) -> impl Endpoint;

    /// A handler that makes a session with one field.
    fn create(&self) -> impl Endpoint;

    /// A handler that makes a session with all fields of a shape.
    fn fill(&self, shape: Shape, lives: Lives) -> impl Endpoint;
}

/// A contender that can remove expired sessions.
pub(crate) trait Sweeping: Contender {
    /// Removes all expired sessions, and answers how many they were.
    fn sweep(&self) -> impl Future<Output = usize> + Send;
}
