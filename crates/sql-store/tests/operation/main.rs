//! What the stores ask of their databases, and what happens when these fail.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may, and some print figures"
)]

#[path = "../support/mod.rs"]
mod support;

mod acknowledged;
mod cost;
mod full;
mod indexes;
mod processes;
mod rows;
mod scale;
mod secrets;
mod tls;
mod trouble;

use std::{sync::Arc, time::Duration};

use tower_keep_core::{Change, Created, Lifetime, NewRecord, Record, SessionId, Store, Token};

/// A store of any kind.
type Shared = Arc<dyn Store>;

const LIFETIME: Lifetime = Lifetime::new(Duration::from_secs(3_600), Duration::from_secs(86_400));

fn random_id() -> SessionId {
    Token::random().unwrap().id()
}

/// A session of three small fields.
fn small() -> NewRecord {
    let mut new = NewRecord::new("shop".into(), LIFETIME);
    new.fields = [("n", "0"), ("name", "\"Ada\""), ("cart", "[1,2,3]")].into_iter().collect();
    new
}

async fn begin(store: &Shared) -> SessionId {
    let id = random_id();
    assert!(matches!(store.create(&id, small()).await.unwrap(), Created::Created(_)));
    id
}

async fn record(store: &Shared, id: &SessionId) -> Arc<Record> {
    store.load(id).await.unwrap().unwrap().record
}

/// An exact change that adds one to a field.
fn increment(record: &Record) -> Change {
    let mut change = Change::new(record, LIFETIME);
    let n: u64 = record.fields.get("n").unwrap().parse().unwrap();
    change.exact = true;
    change.edits.set("n", &(n + 1).to_string());
    change
}
