//! Neither passwords nor what sessions hold appear in errors or `Debug`.

use std::{error::Error, fmt::Debug};

use tower_keep_core::{NewRecord, Store, StoreError, StoreErrorKind};
use tower_keep_sql_store::{MySqlStore, PostgresStore};
use tower_keep_test_servers::{MariaDb, PASSWORD, Postgres};

use crate::{LIFETIME, random_id, small, support};

fn assert_silent(shown: &impl Debug, secret: &str) {
    let text = format!("{shown:?} {shown:#?}");
    assert!(!text.contains(secret), "{text}");
}

fn assert_error_silent(error: &StoreError, secret: &str) {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(secret), "{text}");
        cause = error.source();
    }
}

#[tokio::test]
async fn wrong_password_is_misconfigured_and_not_quoted() {
    let wrong = "hunter-two";
    for url in [Postgres::shared().url(), MariaDb::shared().url("keep")] {
        let url = url.replace(PASSWORD, wrong);
        let error = if url.starts_with("postgres") {
            PostgresStore::connect(&url).await.unwrap_err()
        } else {
            MySqlStore::connect(&url).await.unwrap_err()
        };
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured, "{error:?}");
        assert_error_silent(&error, wrong);
    }
}

#[tokio::test]
async fn missing_table_names_the_command_and_debug_no_password() {
    let (url, maria_url) = (Postgres::shared().url(), MariaDb::shared().url("keep"));
    let postgres = PostgresStore::builder().table("nowhere").connect(&url);
    let postgres = postgres.await.unwrap();
    let mysql = MySqlStore::builder().table("nowhere").connect(&maria_url);
    let mysql = mysql.await.unwrap();
    assert_silent(&postgres, PASSWORD);
    assert_silent(&mysql, PASSWORD);
    let stores: [&dyn Store; 2] = [&postgres, &mysql];
    for store in stores {
        let error = store.load(&random_id()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("sessionctl migrate"), "{cause}");
    }
}

#[tokio::test]
async fn refused_value_is_not_quoted() {
    let secret = "staple-in-the-user-agent";
    let mysql = support::mysql::fresh_store().await;
    // Longer than a layer's column, so that the server refuses the row.
    let long = format!("{secret}{}", "x".repeat(300));
    let mut new = NewRecord::new(long.as_str().into(), LIFETIME);
    new.fields = small().fields;
    let error = mysql.create(&random_id(), new).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert_error_silent(&error, secret);
}
