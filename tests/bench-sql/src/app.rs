//! What is measured: [`App`].

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use tower::util::BoxCloneService;

pub(crate) type Request = http::Request<Full<Bytes>>;
pub(crate) type Response = http::Response<Full<Bytes>>;
pub(crate) type App = BoxCloneService<Request, Response, Infallible>;

/// The name of the number, and its first value.
pub(crate) const VISITS: &str = "visits";
pub(crate) const FIRST: u64 = 1_000;

/// The texts beside it, so that a session has about 200 bytes.
pub(crate) fn texts() -> [(&'static str, String); 2] {
    [("user", "ada.lovelace@example.org".to_owned()), ("cart", "item-0042,".repeat(15))]
}

/// Stops a contender that is fast because it lost the session.
pub(crate) fn check(visits: Option<u64>) {
    assert!(visits >= Some(FIRST), "not the session's own number");
}

/// One contender's services.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// Begins a session of three fields.
    pub(crate) fill: App,
    pub(crate) read: App,
    pub(crate) increment: App,
    pub(crate) create: App,
}
