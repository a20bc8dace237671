//! Failures as gRPC clients take them.

use http::StatusCode;
use tower_keep::{Session, StoreErrorKind};
use tower_keep_tests::{Call, Fault, Jar, Visit, visit::listed};

use crate::keep;

#[tokio::test]
async fn commit_that_fails_is_grpc_status_14_without_a_token() {
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let (store, layer) = keep();
        let jar = Jar::signed_in(&layer, "ada").await;
        store.next(Call::Rotate, Fault::Fails(StoreErrorKind::Unavailable));
        let visit = Visit::to(&layer).with(&jar).header("content-type", content_type);
        let response = visit.run(async |session: Session| session.set_user("eve")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(listed(&response, "grpc-status"), "14");
        assert_eq!(listed(&response, "content-type"), "application/grpc");
        assert_eq!(listed(&response, "set-cookie"), "");
    }
}

#[tokio::test]
async fn errors_become_statuses_of_tonic() {
    let (store, layer) = keep();
    store.next(Call::Load, Fault::Fails(StoreErrorKind::Unavailable));
    let visit = Visit::to(&layer).with(&Jar::holding(&"A".repeat(32)));
    let visit = visit.raw(async |request: http::Request<axum::body::Body>| {
        let error = Session::load(request.extensions()).await.unwrap_err();
        let status = tonic::Status::from(error);
        assert_eq!(status.code(), tonic::Code::Unavailable);
        Ok::<_, std::convert::Infallible>(status.into_http())
    });
    assert_eq!(listed(&visit.await.unwrap(), "grpc-status"), "14");
}
