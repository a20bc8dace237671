//! Loads, lists and counts sessions.

use std::sync::Arc;

use rusqlite::{Connection, Row as SqlRow, params, types::ValueRef};
use tower_keep_core::{Loaded, SessionId, Stats, StoreError, Timestamp};

use super::{error::failed, statements::Statements};
use crate::{
    page::{Ask, Found},
    row::{Row, corrupt},
};

/// The live session of an id.
pub(super) fn load(
    statements: &Statements,
    connection: &Connection,
    id: &SessionId,
    now: Timestamp,
) -> Result<Option<Loaded>, StoreError> {
    let mut statement = connection.prepare_cached(&statements.load).map_err(failed)?;
    let mut rows = statement.query(params![id.as_bytes(), now.as_millis()]).map_err(failed)?;
    match rows.next().map_err(failed)? {
        None => Ok(None),
        Some(row) => {
            let record = Arc::new(read(row)?.record(id)?);
            Ok(Some(Loaded { record, at: now }))
        }
    }
}

/// Some live rows.
pub(super) fn rows(
    statements: &Statements,
    connection: &Connection,
    ask: &Ask,
    now: Timestamp,
) -> Result<Vec<Found>, StoreError> {
    let after = ask.after.as_ref().map_or(&[][..], |id| id.as_bytes());
    let mut found = Vec::new();
    let text = if ask.user.is_some() { &statements.list_user } else { &statements.list };
    let mut statement = connection.prepare_cached(text).map_err(failed)?;
    let mut rows = match &ask.user {
        Some(user) => statement.query(params![after, now.as_millis(), ask.layer, ask.rows, user]),
        None => statement.query(params![after, now.as_millis(), ask.layer, ask.rows]),
    }
    .map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let id = SessionId::from_bytes(row.get(11).map_err(failed)?);
        found.push((id, read(row).and_then(|row| row.record(&id))));
    }
    Ok(found)
}

/// Figures, from an index alone.
pub(super) fn stats(
    statements: &Statements,
    connection: &Connection,
    layer: Option<&str>,
    now: Timestamp,
) -> Result<Stats, StoreError> {
    let figures = connection.prepare_cached(&statements.stats).and_then(|mut statement| {
        statement.query_row(params![now.as_millis(), layer], |row| {
            let mut stats = Stats::default();
            stats.active = row.get(0)?;
            stats.signed_in = row.get(1)?;
            stats.oldest = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis);
            stats.newest = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
            stats.users = row.get(4)?;
            Ok(stats)
        })
    });
    figures.map_err(failed)
}

fn read<'a>(row: &'a SqlRow<'_>) -> Result<Row<'a>, StoreError> {
    let text = |column| -> Result<Option<&'a str>, StoreError> {
        match row.get_ref(column).map_err(failed)? {
            ValueRef::Null => Ok(None),
            value => value.as_str().map(Some).map_err(|_| corrupt("a column that is no text")),
        }
    };
    let time = |column| row.get(column).map(Timestamp::from_millis).map_err(failed);
    let needed = |column| text(column)?.ok_or_else(|| corrupt("a column that is empty"));
    let address = match text(2)? {
        Some(address) => {
            Some(address.parse().map_err(|_| corrupt("a client address that is none"))?)
        }
        None => None,
    };
    Ok(Row {
        layer: needed(0)?.into(),
        user: text(1)?.map(Into::into),
        address,
        agent: text(3)?.map(Into::into),
        created_at: time(4)?,
        last_active: time(5)?,
        expires_at: time(6)?,
        version: row.get(7).map_err(failed)?,
        remember: row.get(8).map_err(failed)?,
        data: needed(9)?.into(),
        seal: row.get(10).map_err(failed)?,
    })
}
