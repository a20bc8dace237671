//! The client's side: requests, and the cookies that responses hand out.

use std::future::poll_fn;

use http::{HeaderValue, header};

use crate::contender::{Endpoint, Request, Response};

/// Sends a request with these cookies, as a server does: when the service is ready.
///
/// The request goes into the service as soon as it is made, since each move of its 240 bytes costs
/// about as much as a contender's layer may.
#[inline]
pub(crate) async fn send<S: Endpoint>(service: &mut S, cookies: Option<&HeaderValue>) -> Response {
    let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
    let mut request = Request::default();
    if let Some(cookies) = cookies {
        request.headers_mut().insert(header::COOKIE, cookies.clone());
    }
    let Ok(response) = service.call(request).await;
    response
}

/// Makes a session, and answers the cookies that a client sends from then on.
pub(crate) async fn visit<S: Endpoint>(fill: &mut S) -> String {
    let response = send(fill, None).await;
    let pairs: Vec<&str> = response
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .collect();
    assert!(!pairs.is_empty(), "a new session must set a cookie");
    pairs.join("; ")
}
