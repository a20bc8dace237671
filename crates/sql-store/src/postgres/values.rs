//! How values go into statements and come out of rows.

use std::{borrow::Cow, error::Error as StdError, time::Duration};

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use tower_keep_core::{Receipt, SessionId, StoreError, Timestamp};

use super::error::failed;
use crate::{
    data::unescape_text,
    row::{Row, corrupt},
};

type Failed = Box<dyn StdError + Sync + Send>;

/// Between the epochs of Unix and of PostgreSQL.
const EPOCH_MILLIS: i64 = 946_684_800_000;
/// What the type's range ends with; above it there is but 'infinity'.
const END_MICROS: i64 = 9_223_371_331_200_000_000;
const BEGIN_MICROS: i64 = -211_813_488_000_000_000;

/// A point in time as `timestamptz`; what has no end is 'infinity'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        let micros = self.0.as_millis().saturating_sub(EPOCH_MILLIS).saturating_mul(1_000);
        out.put_i64(match micros {
            END_MICROS.. => i64::MAX,
            micros => micros.max(BEGIN_MICROS),
        });
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        let millis = match i64::from_be_bytes(raw.try_into()?) {
            i64::MAX => i64::MAX,
            micros => micros.div_euclid(1_000).saturating_add(EPOCH_MILLIS),
        };
        Ok(Self(Timestamp::from_millis(millis)))
    }

    accepts!(TIMESTAMPTZ);
}

/// Text of the type `json`, which PostgreSQL keeps character for character.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a str);

impl ToSql for Json<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSON);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Json<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(Self(std::str::from_utf8(raw)?))
    }

    accepts!(JSON);
}

/// A duration in milliseconds, cut to seven thousand years, so that no sum leaves the calendar.
pub(crate) fn millis(duration: Duration) -> f64 {
    const LONGEST: Duration = Duration::from_secs(7_000 * 365 * 86_400);
    // So many milliseconds have no fraction in an `f64`.
    duration.min(LONGEST).as_millis() as f64
}

/// Reads the columns of a session.
pub(crate) fn row(row: &tokio_postgres::Row) -> Result<Row<'_>, StoreError> {
    let text = |text| unescape_text(text);
    let user: Option<&str> = row.try_get(1).map_err(failed)?;
    let agent: Option<&str> = row.try_get(3).map_err(failed)?;
    let Json(data) = row.try_get(9).map_err(failed)?;
    let time = |column| row.try_get(column).map(|Instant(time)| time).map_err(failed);
    Ok(Row {
        layer: text(row.try_get(0).map_err(failed)?),
        user: user.map(text),
        address: row.try_get(2).map_err(failed)?,
        agent: agent.map(text),
        created_at: time(4)?,
        last_active: time(5)?,
        expires_at: time(6)?,
        version: row.try_get(7).map_err(failed)?,
        remember: row.try_get(8).map_err(failed)?,
        data: Cow::Borrowed(data),
        seal: row.try_get(10).map_err(failed)?,
    })
}

/// Reads an id.
pub(crate) fn id(row: &tokio_postgres::Row, column: usize) -> Result<SessionId, StoreError> {
    let bytes: &[u8] = row.try_get(column).map_err(failed)?;
    let bytes = bytes.try_into().map_err(|_| corrupt("an id that is none"))?;
    Ok(SessionId::from_bytes(bytes))
}

/// Reads what a writing statement returns.
pub(crate) fn receipt(row: &tokio_postgres::Row) -> Result<Receipt, StoreError> {
    let version: i64 = row.try_get(0).map_err(failed)?;
    let Instant(expires_at) = row.try_get(1).map_err(failed)?;
    let Instant(at) = row.try_get(2).map_err(failed)?;
    Ok(Receipt { version: version.cast_unsigned(), at, expires_at, evicted: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_point_in_time_is_survived() {
        for millis in [0, -1, 1_795_262_400_123, i64::MAX, 253_402_300_799_999] {
            let mut bytes = BytesMut::new();
            Instant(Timestamp::from_millis(millis)).to_sql(&Type::TIMESTAMPTZ, &mut bytes).unwrap();
            let Instant(back) = Instant::from_sql(&Type::TIMESTAMPTZ, &bytes).unwrap();
            assert_eq!(back.as_millis(), millis);
        }
        let mut bytes = BytesMut::new();
        Instant(Timestamp::from_millis(i64::MIN)).to_sql(&Type::TIMESTAMPTZ, &mut bytes).unwrap();
        assert_eq!(bytes[..], BEGIN_MICROS.to_be_bytes());
    }
}
