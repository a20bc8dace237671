//! How values come out of rows and go into statements.

use std::time::Duration;

use sqlx::{Row as _, mysql::MySqlRow};
use tower_keep_core::{Lifetime, SessionId, StoreError, Timestamp};

use super::error::failed;
use crate::row::{Row, corrupt};

/// Longer than anybody keeps sessions, and short enough that no sum of times leaves the calendar.
const LONGEST: Duration = Duration::from_secs(7_000 * 365 * 86_400);
/// The last point of the calendar, and the first one that is kept, in milliseconds since 1970.
const END_MILLIS: i64 = 253_402_300_799_999;
const BEGIN_MILLIS: i64 = -62_135_596_800_000;

/// A lifetime that the calendar has room for.
pub(crate) fn bounded(lifetime: Lifetime) -> Lifetime {
    Lifetime::new(lifetime.idle.min(LONGEST), lifetime.absolute.min(LONGEST))
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A point in time within the calendar; what has no end ends with it.
pub(crate) fn time(time: Timestamp) -> i64 {
    time.as_millis().clamp(BEGIN_MILLIS, END_MILLIS)
}

fn timestamp(millis: i64) -> Timestamp {
    if millis >= END_MILLIS { Timestamp::MAX } else { Timestamp::from_millis(millis) }
}

/// Reads the columns of a session.
pub(crate) fn row(row: &MySqlRow) -> Result<Row<'_>, StoreError> {
    let time = |column: usize| row.try_get(column).map(timestamp).map_err(failed);
    let address: Option<&str> = row.try_get(2).map_err(failed)?;
    let address = match address.map(str::parse) {
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return Err(corrupt("a client address that is none")),
        None => None,
    };
    let user: Option<&[u8]> = row.try_get(1).map_err(failed)?;
    let agent: Option<&str> = row.try_get(3).map_err(failed)?;
    Ok(Row {
        layer: text(row.try_get(0).map_err(failed)?)?.into(),
        user: user.map(text).transpose()?.map(Into::into),
        address,
        agent: agent.map(Into::into),
        created_at: time(4)?,
        last_active: time(5)?,
        expires_at: time(6)?,
        version: row.try_get(7).map_err(failed)?,
        remember: row.try_get(8).map_err(failed)?,
        data: row.try_get::<&str, _>(9).map_err(failed)?.into(),
        seal: row.try_get(10).map_err(failed)?,
    })
}

fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| corrupt("a name that is no text"))
}

/// Reads an id.
pub(crate) fn id(row: &MySqlRow, column: usize) -> Result<SessionId, StoreError> {
    let bytes: &[u8] = row.try_get(column).map_err(failed)?;
    let bytes = bytes.try_into().map_err(|_| corrupt("an id that is none"))?;
    Ok(SessionId::from_bytes(bytes))
}
