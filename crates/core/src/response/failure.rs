//! The response in place of one whose session could not be committed.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use crate::Error;

/// Whether these are the headers of a message of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"))
}

/// The response in place of one whose session could not be committed.
///
/// It has no body, since bodies are of the service's own type. To a gRPC client it is a status
/// without messages ('trailers-only'), which travels as 200.
pub(crate) fn failure<Body: Default>(error: &Error, is_grpc: bool) -> Response<Body> {
    let mut response = Response::new(Body::default());
    if is_grpc {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static(error.grpc_status()),
        );
        if let Ok(message) = HeaderValue::try_from(error.to_string()) {
            headers.insert(HeaderName::from_static("grpc-message"), message);
        }
    } else {
        *response.status_mut() = error.status();
        if error.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn outage_is_503_and_grpc_status_14() {
        let error = Error::new(ErrorKind::Unavailable);
        let response: Response<String> = failure(&error, false);
        assert_eq!(response.status(), 503);
        let response: Response<String> = failure(&error, true);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["content-type"], "application/grpc");
    }
}
