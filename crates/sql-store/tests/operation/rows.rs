//! What an administrator finds in the tables, and what the stores refuse of it.

use rusqlite::Connection;
use sqlx::{Connection as _, MySqlConnection, Row};
use tower_keep_core::{Client, Query, Store, StoreErrorKind};
use tower_keep_sql_store::{MySqlStore, SqliteStore};
use tower_keep_test_servers::Postgres;

use crate::{
    random_id, small,
    support::{
        mysql::{Database, run},
        postgres::{Schema, client},
    },
};

/// Two sessions, whose rows are to be swapped.
async fn two(store: &impl Store) -> [tower_keep_core::SessionId; 2] {
    let ids = [random_id(), random_id()];
    for (id, user) in ids.iter().zip(["ada", "bob\0"]) {
        let mut new = small();
        new.user = Some(user.into());
        new.client = Some(Client::new().with_address([10, 0, 0, 7].into()).with_agent("Firefox"));
        new.fields = new.fields.with([("who", Some(&*format!("{:?}", user.replace('\0', ""))))]);
        store.create(id, new).await.unwrap();
    }
    ids
}

async fn assert_refused(store: &impl Store, ids: &[tower_keep_core::SessionId]) {
    for id in ids {
        let error = store.load(id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    }
    // A damaged row does not hide the others.
    let whole = random_id();
    store.create(&whole, small()).await.unwrap();
    let page = store.index().unwrap().list(&Query::all()).await.unwrap();
    assert_eq!(page.sessions.iter().map(|listed| listed.id).collect::<Vec<_>>(), [whole]);
    // And goes with the next purge.
    assert_eq!(store.purge().unwrap().purge().await.unwrap().sessions, 3);
}

#[tokio::test]
async fn postgres_can_be_asked_for_data_and_swapped_rows_are_refused() {
    let schema = Schema::new();
    let url = Postgres::shared().url();
    let store = schema.builder().connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let ids = two(&store).await;
    let client = client(&url).await;
    let table = format!("{}.tower_keep_sessions", schema.name);
    let asked = format!(
        "SELECT user_id, host(client_address), data->'cart'->>1 FROM {table} \
         WHERE data->>'who' = 'ada' AND (data->>'n')::int = 0 AND expires_at > now() \
         AND data::jsonb @> '{{\"cart\": [3]}}'"
    );
    let row = client.query_one(&asked, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "ada");
    assert_eq!(row.get::<_, &str>(1), "10.0.0.7");
    assert_eq!(row.get::<_, &str>(2), "2");
    let swap =
        format!("UPDATE {table} SET data = (SELECT data FROM {table} WHERE id = $2) WHERE id = $1");
    let [one, other] = ids.map(|id| id.as_bytes().to_vec());
    client.execute(&swap, &[&one, &other]).await.unwrap();
    client
        .execute(&format!("UPDATE {table} SET seal = seal + 1 WHERE id = $1"), &[&other])
        .await
        .unwrap();
    assert_refused(&store, &ids).await;
}

#[tokio::test]
async fn mariadb_can_be_asked_for_data_and_swapped_rows_are_refused() {
    let database = Database::new();
    database.make().await;
    let store = MySqlStore::connect(&database.url()).await.unwrap();
    store.migrate().await.unwrap();
    let ids = two(&store).await;
    let mut connection = MySqlConnection::connect(&database.url()).await.unwrap();
    let asked = "SELECT CONVERT(user_id USING utf8mb4), JSON_VALUE(data, '$.cart[1]') \
                 FROM tower_keep_sessions WHERE JSON_VALUE(data, '$.who') = 'ada' \
                 AND expires_at > UTC_TIMESTAMP() AND client_address = '10.0.0.7'";
    let row = sqlx::query(asked).fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get_unchecked::<&[u8], _>(0), b"ada");
    assert_eq!(row.get_unchecked::<&[u8], _>(1), b"2");
    // Each gets the id of the other.
    let [one, other] = ids;
    let swap = format!(
        "UPDATE tower_keep_sessions SET id = X'{0}' WHERE id = X'{1}'; \
         UPDATE tower_keep_sessions SET id = X'{1}' WHERE id = X'{2}'; \
         UPDATE tower_keep_sessions SET id = X'{2}' WHERE id = X'{0}'",
        random_id(),
        one,
        other
    );

    run(&database.url(), &swap).await;
    assert_refused(&store, &ids).await;
}

#[tokio::test]
async fn sqlite_can_be_asked_for_data_and_swapped_rows_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("sessions.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let ids = two(&store).await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a file of sessions is its owner's alone");
    }
    let connection = Connection::open(&file).unwrap();
    let asked = "SELECT user_id, data->>'$.cart[1]' FROM tower_keep_sessions \
                 WHERE data->>'who' = 'ada' AND expires_at > unixepoch() * 1000";
    let row = connection
        .query_row(asked, (), |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .unwrap();
    assert_eq!(row, ("ada".to_owned(), 2));
    let [one, other] = ids;
    let spare = random_id();
    for (to, from) in [(spare, one), (one, other), (other, spare)] {
        let swap = format!("UPDATE tower_keep_sessions SET id = x'{to}' WHERE id = x'{from}'");
        assert_eq!(connection.execute(&swap, ()).unwrap(), 1);
    }
    assert_refused(&store, &ids).await;
}
