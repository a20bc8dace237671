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
const BEGIN_MILLIS: i64 = -30_610_224_000_000;

/// A lifetime that the calendar has room for.
pub(crate) fn bounded(lifetime: Lifetime) -> Lifetime {
    Lifetime::new(lifetime.idle.min(LONGEST), lifetime.absolute.min(LONGEST))
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A point in time as the calendar has it; what has no end ends with it.
pub(crate) fn time(time: Timestamp) -> String {
    let time = Timestamp::from_millis(time.as_millis().clamp(BEGIN_MILLIS, END_MILLIS));
    time.to_string().replace('T', " ").replace('Z', "")
}

fn timestamp(millis: i64) -> Timestamp {
    if millis >= END_MILLIS { Timestamp::MAX } else { Timestamp::from_millis(millis) }
}

/// Reads the columns of a session.
pub(crate) fn row(row: &MySqlRow) -> Result<Row<'_>, StoreError> {
    let time = |column: usize| row.try_get(column).map(timestamp).map_err(failed);
    let address = match text(row, 2)?.map(str::parse) {
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return Err(corrupt("a client address that is none")),
        None => None,
    };
    let needed = |column| text(row, column)?.ok_or_else(|| corrupt("a column that is empty"));
    Ok(Row {
        layer: needed(0)?.into(),
        user: text(row, 1)?.map(Into::into),
        address,
        agent: text(row, 3)?.map(Into::into),
        created_at: time(4)?,
        last_active: time(5)?,
        expires_at: time(6)?,
        version: row.try_get(7).map_err(failed)?,
        remember: row.try_get(8).map_err(failed)?,
        data: needed(9)?.into(),
        seal: row.try_get(10).map_err(failed)?,
    })
}

/// Reads text. Whether the driver takes a column for text or bytes depends on the server.
fn text(row: &MySqlRow, column: usize) -> Result<Option<&str>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get_unchecked(column).map_err(failed)?;
    bytes.map(str::from_utf8).transpose().map_err(|_| corrupt("a column that is no text"))
}

/// Reads an id.
pub(crate) fn id(row: &MySqlRow, column: usize) -> Result<SessionId, StoreError> {
    let bytes: &[u8] = row.try_get_unchecked(column).map_err(failed)?;
    let bytes = bytes.try_into().map_err(|_| corrupt("an id that is none"))?;
    Ok(SessionId::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_within_the_calendar() {
        let text = |millis| time(Timestamp::from_millis(millis));
        assert_eq!(text(1_795_262_400_123), "2026-11-21 12:00:00.123");
        assert_eq!(text(i64::MAX), "9999-12-31 23:59:59.999");
        assert_eq!(text(i64::MIN), "1000-01-01 00:00:00");
    }
}
