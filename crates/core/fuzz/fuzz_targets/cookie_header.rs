//! Any bytes in a request's headers give an anonymous session, and never a panic.
#![no_main]

use http::{HeaderValue, Request, Response};
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};
use tower_keep::{Error, MemoryStore, Session, SessionCookie, SessionLayer, Transport};

fuzz_target!(|lines: Vec<&[u8]>| {
    let layer = SessionLayer::builder(MemoryStore::new())
        .transports([Transport::cookie(SessionCookie::default()), Transport::bearer()])
        .build()
        .unwrap();
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        let session = Session::load(request.extensions()).await?;
        assert!(session.is_new());
        Ok::<_, Error>(Response::new(()))
    }));
    let mut request = Request::new(());
    for line in lines {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            request.headers_mut().append("cookie", line.clone());
            request.headers_mut().append("authorization", line);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let response = runtime.block_on(service.oneshot(request)).unwrap();
    assert!(!response.headers().contains_key("set-cookie"));
});
