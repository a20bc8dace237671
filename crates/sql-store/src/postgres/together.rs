//! What goes to the server together: loads, creates and updates, each of several rows by one statement.

use std::sync::Arc;

use tokio_postgres::{Row, types::ToSql};
use tower_keep_core::{Client, Loaded, SessionId, StoreError, StoreErrorKind};

use super::{
    error::failed,
    keep::Keep,
    lanes::{Answer, Repeat},
    statements::Which,
    values::{Instant, Json, millis, receipt, row},
    write::Run,
};
use crate::{
    data::escape_text,
    gather::for_all,
    server::{Inserted, Moved, New, Update},
};

/// Reads rows.
pub(super) async fn load(
    keep: Arc<Keep>,
    ids: Vec<SessionId>,
) -> Vec<Result<Option<Loaded>, StoreError>> {
    let keys: Vec<_> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows = match keep.lanes.run(Which::Load, Repeat::Freely, &[&keys]).await {
        Ok(Answer::Rows(rows)) => rows,
        Ok(Answer::Taken) => Vec::new(),
        Err(error) => return for_all(error, ids.len()),
    };
    let find = |id: &SessionId| {
        let Some(found) = row_of(&rows, 12, id) else { return Ok(None) };
        let Instant(at) = found.try_get(11).map_err(failed)?;
        Ok(Some(Loaded { record: Arc::new(row(found)?.record(id)?), at }))
    };
    ids.iter().map(find).collect()
}

/// Inserts rows.
pub(super) async fn create(keep: Arc<Keep>, new: Vec<New>) -> Vec<Result<Inserted, StoreError>> {
    create_some(&keep, &new).await
}

async fn create_some(keep: &Keep, new: &[New]) -> Vec<Result<Inserted, StoreError>> {
    let answer = insert(keep, new).await;
    if new.len() > 1 && is_for_one(&answer) {
        let mut answers = Vec::with_capacity(new.len());
        for one in new {
            answers.extend(Box::pin(create_some(keep, std::slice::from_ref(one))).await);
        }
        return answers;
    }
    match answer {
        Ok(Answer::Rows(rows)) => new.iter().map(|one| inserted(&rows, &one.id)).collect(),
        Ok(Answer::Taken) => new.iter().map(|_| Ok(Inserted::Taken)).collect(),
        Err(error) => for_all(error, new.len()),
    }
}

/// What became of one of the rows that a statement inserted.
pub(super) fn inserted(rows: &[Row], id: &SessionId) -> Result<Inserted, StoreError> {
    match row_of(rows, 3, id) {
        Some(row) => Ok(Inserted::Done(receipt(row)?)),
        None => Ok(Inserted::Taken),
    }
}

/// Inserts records, if no other has one of the ids, not even an expired one.
pub(super) async fn insert(on: &impl Run, new: &[New]) -> Result<Answer, StoreError> {
    let keys: Vec<_> = new.iter().map(|one| one.id.as_bytes().as_slice()).collect();
    let records = || new.iter().map(|one| &one.record);
    let layers: Vec<_> = records().map(|record| escape_text(record.layer.as_str())).collect();
    let users: Vec<_> = records()
        .map(|record| record.user.as_ref().map(|user| escape_text(user.as_str())))
        .collect();
    let clients = || records().map(|record| record.client.as_ref());
    let addresses: Vec<_> = clients().map(|client| client.and_then(Client::address)).collect();
    let agents: Vec<_> =
        clients().map(|client| client.and_then(Client::agent).map(escape_text)).collect();
    let idle: Vec<_> = records()
        .map(|record| millis(record.lifetime.idle.min(record.lifetime.absolute)))
        .collect();
    let remember: Vec<_> = records().map(|record| record.remember).collect();
    let data: Vec<_> = new.iter().map(|one| Json(&one.sealed.data)).collect();
    let seals: Vec<_> = new.iter().map(|one| one.sealed.seal).collect();
    let values: &[&(dyn ToSql + Sync)] =
        &[&keys, &layers, &users, &addresses, &agents, &idle, &remember, &data, &seals];
    on.run(Which::Create, values).await
}

/// Writes changes to the rows that they were computed from.
pub(super) async fn update(
    keep: Arc<Keep>,
    updates: Vec<Update>,
) -> Vec<Result<Moved, StoreError>> {
    update_some(&keep, &updates).await
}

async fn update_some(keep: &Keep, updates: &[Update]) -> Vec<Result<Moved, StoreError>> {
    let Some(Update { lifetime, .. }) = updates.first() else { return Vec::new() };
    let (idle, absolute) = (millis(lifetime.idle), millis(lifetime.absolute));
    // In the order of the ids, so that no two statements wait for each other.
    let mut sorted: Vec<&Update> = updates.iter().collect();
    sorted.sort_unstable_by_key(|update| *update.id.as_bytes());
    let keys: Vec<_> = sorted.iter().map(|update| update.id.as_bytes().as_slice()).collect();
    let versions: Vec<_> = sorted.iter().map(|update| update.swap.version).collect();
    let before: Vec<_> = sorted.iter().map(|update| update.swap.before).collect();
    let data: Vec<_> = sorted.iter().map(|update| Json(&update.swap.after.data)).collect();
    let seals: Vec<_> = sorted.iter().map(|update| update.swap.after.seal).collect();
    let values: &[&(dyn ToSql + Sync)] =
        &[&keys, &versions, &before, &data, &seals, &idle, &absolute];
    let answer = keep.run(Which::Update, values).await;
    if updates.len() > 1 && is_for_one(&answer) {
        let mut answers = Vec::with_capacity(updates.len());
        for one in updates {
            answers.extend(Box::pin(update_some(keep, std::slice::from_ref(one))).await);
        }
        return answers;
    }
    let moved = |rows: &[Row], update: &Update| {
        Ok(match row_of(rows, 3, &update.id) {
            Some(row) => Moved::Done(receipt(row)?),
            None => Moved::Differs,
        })
    };
    match answer {
        Ok(Answer::Rows(rows)) => updates.iter().map(|update| moved(&rows, update)).collect(),
        Ok(Answer::Taken) => updates.iter().map(|_| Ok(Moved::Differs)).collect(),
        Err(error) => for_all(error, updates.len()),
    }
}

/// The row of an id, which is in a column.
fn row_of<'a>(rows: &'a [Row], column: usize, id: &SessionId) -> Option<&'a Row> {
    let is_of = |row: &&Row| row.try_get::<_, &[u8]>(column).is_ok_and(|of| of == id.as_bytes());
    rows.iter().find(is_of)
}

/// Whether a statement was refused, and written nothing, for what one of its rows is.
fn is_for_one(answer: &Result<Answer, StoreError>) -> bool {
    match answer {
        Ok(Answer::Rows(_)) => false,
        Ok(Answer::Taken) => true,
        Err(error) => error.kind() == StoreErrorKind::Full,
    }
}
