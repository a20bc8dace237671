//! Reading and writing fields.

use std::collections::BTreeMap;

use axum::{Json, extract::Query};
use serde::{Deserialize, Serialize};
use tower_keep::Session;

use super::{Answer, wait};
use crate::value::{DONE, Done, Json as JsonText, Value, from_text};

/// The flash value has a name of its own.
const FLASH: &str = "flash";

#[derive(Deserialize)]
pub(super) struct Named {
    k: String,
    #[serde(default)]
    ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Put {
    k: String,
    v: String,
    #[serde(default)]
    ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Flash {
    v: String,
}

#[derive(Serialize)]
pub(super) struct Fields {
    fields: BTreeMap<String, JsonText>,
}

pub(super) async fn peek() -> Json<Done> {
    Json(DONE)
}

pub(super) async fn all(session: Session) -> Answer<Fields> {
    let mut fields = BTreeMap::new();
    for name in session.keys() {
        if let Some(value) = session.get(&name)? {
            fields.insert(name, value);
        }
    }
    Ok(Json(Fields { fields }))
}

pub(super) async fn put(session: Session, Query(put): Query<Put>) -> Answer<Done> {
    wait(put.ms).await;
    session.insert(put.k, from_text(&put.v))?;
    Ok(Json(DONE))
}

pub(super) async fn del(session: Session, Query(named): Query<Named>) -> Answer<Done> {
    session.remove(named.k)?;
    Ok(Json(DONE))
}

pub(super) async fn clear(session: Session) -> Json<Done> {
    session.clear();
    Json(DONE)
}

pub(super) async fn incr(session: Session, Query(named): Query<Named>) -> Answer<Value<i64>> {
    let value = session.update(named.k, add_one)?;
    wait(named.ms).await;
    Ok(Json(Value { value }))
}

pub(super) async fn incr_now(session: Session, Query(named): Query<Named>) -> Answer<Value<i64>> {
    let value = session.update_now(named.k, add_one).await?;
    Ok(Json(Value { value }))
}

/// Loses updates, to show what `update` is for.
pub(super) async fn racy_incr(session: Session, Query(named): Query<Named>) -> Answer<Value<i64>> {
    let mut value: i64 = session.get(&named.k)?.unwrap_or_default();
    add_one(&mut value);
    wait(named.ms).await;
    session.insert(named.k, value)?;
    Ok(Json(Value { value }))
}

pub(super) async fn read(
    session: Session,
    Query(named): Query<Named>,
) -> Answer<Value<Option<JsonText>>> {
    let value = session.get(named.k)?;
    wait(named.ms).await;
    Ok(Json(Value { value }))
}

pub(super) async fn flash(session: Session, Query(flash): Query<Flash>) -> Answer<Value<JsonText>> {
    let value = from_text(&flash.v);
    session.flash(FLASH, &value)?;
    Ok(Json(Value { value }))
}

pub(super) async fn take_flash(session: Session) -> Answer<Value<Option<JsonText>>> {
    let value = session.take_flash(FLASH)?;
    Ok(Json(Value { value }))
}

fn add_one(n: &mut i64) {
    *n = n.saturating_add(1);
}
