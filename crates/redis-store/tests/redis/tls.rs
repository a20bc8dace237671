//! A server that answers over TLS alone.

use tower_keep_core::{Created, Lifetime, NewRecord, Store, StoreErrorKind, Token};
use tower_keep_redis_store::RedisStore;
use tower_keep_test_servers::{Certificate, Redis};

#[tokio::test]
async fn server_is_believed_by_its_certificate_alone() {
    let certificate = Certificate::of_this_machine();
    let server = Redis::start_over_tls(&certificate);
    let builder = RedisStore::builder().root_certificates(certificate.pem());
    let store = builder.connect(&server.url()).await.unwrap();
    let id = Token::random().unwrap().id();
    let new = NewRecord::new("shop".into(), Lifetime::default());
    assert!(matches!(store.create(&id, new).await.unwrap(), Created::Created(_)));
    assert!(store.load(&id).await.unwrap().is_some());

    // The system knows nobody who signed it, and another certificate is not this one.
    let other = Certificate::of_this_machine().pem();
    for builder in [RedisStore::builder(), RedisStore::builder().root_certificates(other)] {
        let error = builder.connect(&server.url()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(format!("{error:?}").contains("ertificate"), "{error:?}");
    }
    let error = RedisStore::builder().root_certificates("no PEM").connect(&server.url()).await;
    assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Misconfigured);

    // In the clear there is nothing to hear.
    let plain = server.url().replace("rediss:", "redis:");
    let error = RedisStore::connect(&plain).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
}
