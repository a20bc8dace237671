//! Writing to sessions that must take it.

use super::Trial;
use crate::{
    Applied, Change, Fields, Lifetime, Receipt, Record, Rotated, SessionId, Touch, Touched,
    conformance::failure::{Checked, Failure, ensure},
};

impl Trial {
    pub(in crate::conformance) fn change(&self, record: &Record) -> Change {
        Change::new(record, self.long())
    }

    /// A plain change that sets one field.
    pub(in crate::conformance) fn set(&self, record: &Record, name: &str, json: &str) -> Change {
        let mut change = self.change(record);
        change.edits.set(name.to_owned(), json);
        change
    }

    /// Applies a change that must be taken.
    pub(in crate::conformance) async fn apply(
        &self,
        id: &SessionId,
        change: &Change,
    ) -> Checked<Receipt> {
        match self.store.apply(id, change).await? {
            Applied::Applied(receipt) => Ok(receipt),
            other => Err(Failure::new(format!(
                "apply MUST take a change of the present version; the answer was {other:?}"
            ))),
        }
    }

    /// Rotates a session that must be rotated.
    pub(in crate::conformance) async fn rotate(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
    ) -> Checked<Receipt> {
        match self.store.rotate(old, new, change).await? {
            Rotated::Rotated(receipt) => Ok(receipt),
            other => Err(Failure::new(format!(
                "rotate MUST take a change of the present version to a free id; the answer was {other:?}"
            ))),
        }
    }

    /// Touches a session that must be there.
    pub(in crate::conformance) async fn touch(
        &self,
        id: &SessionId,
        record: &Record,
        lifetime: Lifetime,
    ) -> Checked<Receipt> {
        match self.store.touch(id, touch_of(record, lifetime)).await? {
            Touched::Touched(receipt) => Ok(receipt),
            Touched::Gone => Err(Failure::new("touch MUST find a live session; it answered Gone")),
        }
    }

    /// Runs a change until it is taken, computed anew from what each conflict carries; `None` if
    /// the session is gone.
    pub(in crate::conformance) async fn retry(
        &self,
        id: &SessionId,
        mut make: impl FnMut(&Record) -> Change + Send,
    ) -> Checked<Option<Receipt>> {
        let Some(mut loaded) = self.load(id).await? else {
            return Ok(None);
        };
        for _ in 0..10_000 {
            let change = make(&loaded.record);
            // A store that never waits would keep the thread from the tasks beside this one.
            tokio::task::yield_now().await;
            match self.store.apply(id, &change).await? {
                Applied::Applied(receipt) => return Ok(Some(receipt)),
                Applied::Gone => return Ok(None),
                Applied::Conflict(fresh) => {
                    ensure!(
                        fresh.record.version > loaded.record.version,
                        "Conflict MUST carry the present record; it carries no later one than the change was based on"
                    );
                    loaded = fresh;
                }
            }
        }
        Err(Failure::new(
            "a change that is based on the present record again and again MUST get through",
        ))
    }
}

pub(in crate::conformance) fn touch_of(record: &Record, lifetime: Lifetime) -> Touch {
    Touch { created_at: record.created_at, lifetime }
}

/// A field that holds a number; zero if there is none.
pub(in crate::conformance) fn number(fields: &Fields, name: &str) -> u64 {
    fields.get(name).and_then(|json| json.parse().ok()).unwrap_or(0)
}
