//! Connections that are protected by TLS, to servers whose authority the client knows or does not.

use std::error::Error;

use tower_keep_core::{Store, StoreErrorKind};
use tower_keep_sql_store::{MySqlStore, PostgresStore};
use tower_keep_test_servers::{Certificate, Durability, MariaDb, Postgres};

use crate::{random_id, small};

#[tokio::test]
async fn postgres_is_reached_by_tls_if_its_authority_is_known() {
    let certificate = Certificate::of_this_machine();
    let server = Postgres::start_with_tls(Durability::Lazy, &certificate);
    let url = format!("{}?sslmode=require", server.url());
    let store = PostgresStore::builder().authorities(certificate.pem()).connect(&url).await;
    let store = store.unwrap();
    store.migrate().await.unwrap();
    store.create(&random_id(), small()).await.unwrap();
    let client = crate::support::postgres::client(&server.url()).await;
    let counted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                   WHERE ssl AND application_name = 'tower-keep'";
    let protected: i64 = client.query_one(counted, &[]).await.unwrap().get(0);
    assert!(protected > 0);

    let stranger = PostgresStore::connect(&url).await.unwrap_err();
    assert_eq!(stranger.kind(), StoreErrorKind::Unavailable);
    assert!(stranger.source().is_some());
}

#[tokio::test]
async fn mariadb_is_reached_by_tls_if_its_authority_is_known() {
    let certificate = Certificate::of_this_machine();
    let server = MariaDb::start_with_tls(Durability::Lazy, &certificate);
    let url = format!("{}?ssl-mode=VERIFY_IDENTITY", server.url("keep"));
    let trusting = format!("{url}&ssl-ca={}", certificate.path().display());
    let store = MySqlStore::connect(&trusting).await.unwrap();
    store.migrate().await.unwrap();
    store.create(&random_id(), small()).await.unwrap();
    assert!(MySqlStore::connect(&url).await.is_err());
}
