//! What goes to the server together: loads, creates and updates, each of several rows by one statement.

use std::sync::Arc;

use sqlx::Row as _;
use tower_keep_core::{Loaded, Receipt, SessionId, StoreError, StoreErrorKind, Timestamp};

use super::{
    error::failed,
    keep::Keep,
    pool::Written,
    statements::{EPOCH, MARK_BITS, STAMP_BITS},
    values::{bounded, id as id_of, millis, row},
    write::{created, fill},
};
use crate::{
    gather::for_all,
    server::{Inserted, Moved, New, Update},
};

/// Reads rows.
pub(super) async fn load(
    keep: Arc<Keep>,
    ids: Vec<SessionId>,
) -> Vec<Result<Option<Loaded>, StoreError>> {
    let (text, size) = keep.statements.load.for_at_least(ids.len());
    let ask = || {
        padded(&ids, size).fold(sqlx::query(text), |asked, id| asked.bind(id.as_bytes().as_slice()))
    };
    let rows = match keep.pool.read(ask).await {
        Ok(rows) => rows,
        Err(error) => return for_all(error, ids.len()),
    };
    let find = |id: &SessionId| {
        let found = rows.iter().find(|row| id_of(row, 11).is_ok_and(|found| found == *id));
        let Some(found) = found else { return Ok(None) };
        let at = Timestamp::from_millis(found.try_get(12).map_err(failed)?);
        Ok(Some(Loaded { record: Arc::new(row(found)?.record(id)?), at }))
    };
    ids.iter().map(find).collect()
}

/// Inserts rows.
pub(super) async fn create(keep: Arc<Keep>, new: Vec<New>) -> Vec<Result<Inserted, StoreError>> {
    let mut answers = Vec::with_capacity(new.len());
    let mut rest = &new[..];
    while let Some(power) = rest.len().checked_ilog2() {
        let (some, others) = rest.split_at(1 << power);
        answers.extend(create_some(&keep, some).await);
        rest = others;
    }
    answers
}

async fn create_some(keep: &Keep, new: &[New]) -> Vec<Result<Inserted, StoreError>> {
    let (text, _) = keep.statements.create.for_at_least(new.len());
    let written = keep.pool.write(|_| new.iter().fold(sqlx::query(text), fill)).await;
    if new.len() > 1 && is_for_one(&written) {
        let mut answers = Vec::with_capacity(new.len());
        for one in new {
            answers.extend(Box::pin(create_some(keep, std::slice::from_ref(one))).await);
        }
        return answers;
    }
    match written {
        Ok(Written::Rows(done)) => {
            new.iter().map(|one| Ok(Inserted::Done(created(&one.record, &done)))).collect()
        }
        Ok(Written::Taken) => new.iter().map(|_| Ok(Inserted::Taken)).collect(),
        Err(error) => for_all(error, new.len()),
    }
}

/// Writes changes to the rows that they were computed from.
pub(super) async fn update(
    keep: Arc<Keep>,
    updates: Vec<Update>,
) -> Vec<Result<Moved, StoreError>> {
    update_some(&keep, &updates).await
}

async fn update_some(keep: &Keep, updates: &[Update]) -> Vec<Result<Moved, StoreError>> {
    let (text, size) = keep.statements.update.for_at_least(updates.len());
    let written = keep.pool.write(|number| {
        let ids = || padded(updates, size).map(|update| update.id.as_bytes().as_slice());
        let lifetime = bounded(updates.first().map(|update| update.lifetime).unwrap_or_default());
        let mut asked = sqlx::query(text).bind(number).bind(number);
        asked = ids().fold(asked, sqlx::query::Query::bind);
        asked = asked.bind(millis(lifetime.idle)).bind(millis(lifetime.absolute));
        asked = ids().fold(asked, sqlx::query::Query::bind);
        for update in padded(updates, size) {
            asked = asked.bind(&*update.swap.after.data);
        }
        asked = ids().fold(asked, sqlx::query::Query::bind);
        for update in padded(updates, size) {
            asked = asked.bind(update.swap.after.seal);
        }
        asked = ids().fold(asked, sqlx::query::Query::bind);
        for Update { id, swap, .. } in padded(updates, size) {
            asked = asked.bind(id.as_bytes().as_slice()).bind(swap.version).bind(swap.before);
        }
        asked
    });
    let written = written.await;
    if updates.len() > 1 && is_for_one(&written) {
        let mut answers = Vec::with_capacity(updates.len());
        for one in updates {
            answers.extend(Box::pin(update_some(keep, std::slice::from_ref(one))).await);
        }
        return answers;
    }
    let (count, told) = match written {
        Ok(Written::Rows(done)) => (done.rows_affected(), done.last_insert_id()),
        Ok(Written::Taken) => (0, 0),
        Err(error) => return for_all(error, updates.len()),
    };
    let marks = if count == 0 { 0 } else { told & ((1 << MARK_BITS) - 1) };
    if u64::from(marks.count_ones()) != count {
        let cause = "the SQL server did not say which of several rows it wrote";
        return for_all(StoreError::new(StoreErrorKind::Unavailable, cause), updates.len());
    }
    let at = Timestamp::from_millis((told >> STAMP_BITS).cast_signed() + EPOCH);
    let answer = |(place, update): (usize, &Update)| {
        if marks >> place & 1 == 0 {
            return Ok(Moved::Differs);
        }
        Ok(Moved::Done(Receipt {
            version: update.swap.version.cast_unsigned() + 1,
            at,
            expires_at: bounded(update.lifetime).expires_at(update.swap.created_at, at),
            evicted: 0,
        }))
    };
    updates.iter().enumerate().map(answer).collect()
}

/// As many as a statement takes, the last one repeated.
fn padded<T>(some: &[T], size: usize) -> impl Iterator<Item = &T> {
    some.iter().chain(some.last().into_iter().cycle()).take(size)
}

/// Whether a statement was refused, and written nothing, for what one of its rows is.
fn is_for_one(written: &Result<Written, StoreError>) -> bool {
    match written {
        Ok(Written::Rows(_)) => false,
        Ok(Written::Taken) => true,
        Err(error) => error.kind() == StoreErrorKind::Full,
    }
}
