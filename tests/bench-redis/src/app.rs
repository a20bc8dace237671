//! What is measured: [`Contender`].

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

/// How large a session is.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    /// Three fields, about 200 bytes.
    Small,
    /// A hundred fields, 16 KB.
    Large,
}

impl Size {
    /// The texts beside the number.
    pub(crate) fn texts(self) -> Vec<(String, String)> {
        match self {
            Self::Small => vec![
                ("user".to_owned(), "ada.lovelace@example.org".to_owned()),
                ("cart".to_owned(), "item-0042,".repeat(15)),
            ],
            Self::Large => (1..100)
                .map(|field| (format!("field {field:02}"), "item-0042,".repeat(15)))
                .collect(),
        }
    }
}

/// Stops a contender that is fast because it lost the session.
pub(crate) fn check(visits: Option<u64>) {
    assert!(visits >= Some(FIRST), "not the session's own number");
}

/// One contender's services.
pub(crate) struct Contender {
    /// Begin a session, a small one and a large one.
    pub(crate) fill: [App; 2],
    pub(crate) read: App,
    pub(crate) increment: App,
    pub(crate) create: App,
}
