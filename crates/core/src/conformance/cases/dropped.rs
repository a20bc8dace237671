//! Futures that are dropped before they end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    Record, SessionId, StoreError, StoreFuture, UserId,
    conformance::{
        failure::{Checked, Failure, ensure},
        trial::{Trial, number, touch_of},
    },
};

/// No operation of a store awaits as often.
const MOST_POLLS: usize = 200;

/// Polls an operation so many times, then drops it. `None` if it was dropped.
struct Dropped<'a, T> {
    operation: Option<StoreFuture<'a, T>>,
    polls: usize,
}

impl<T> Future for Dropped<'_, T> {
    type Output = Option<Result<T, StoreError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polls = self.polls;
        let Some(operation) = self.operation.as_mut().filter(|_| polls > 0) else {
            self.operation = None;
            return Poll::Ready(None);
        };
        match Pin::new(operation).poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => {
                self.polls -= 1;
                if self.polls > 0 {
                    return Poll::Pending;
                }
                // At once, while its I/O is under way.
                self.operation = None;
                Poll::Ready(None)
            }
        }
    }
}

/// Whether the operation ended before it was dropped after so many polls.
async fn ends<'a, T: 'a>(operation: StoreFuture<'a, T>, polls: usize) -> Checked<bool> {
    let dropped = Dropped { operation: Some(operation), polls };
    match dropped.await {
        None => Ok(false),
        Some(answer) => {
            answer?;
            Ok(true)
        }
    }
}

/// A session of two fields that always hold the same number.
async fn begin(trial: &Trial) -> Checked<(SessionId, Arc<Record>)> {
    let mut new = trial.with(&[("one", "0"), ("two", "0")]);
    new.user = Some(UserId::from("ada"));
    trial.begin(&new).await
}

fn both(trial: &Trial, record: &Record, number: u64) -> crate::Change {
    let mut change = trial.set(record, "one", &number.to_string());
    change.edits.set("two", &number.to_string());
    change.exact = true;
    change
}

fn ensure_whole(record: &Record, operation: &str) -> Checked {
    let (one, two) = (number(&record.fields, "one"), number(&record.fields, "two"));
    ensure!(
        one == two && record.user.is_some(),
        "a dropped {operation} MUST leave the record as before or as written; it is between"
    );
    Ok(())
}

/// The store must go on, and give each call its own answer.
async fn ensure_works(trial: &Trial, operation: &str) -> Checked {
    let round = async {
        for round in 0..3 {
            let (id, record) = begin(trial).await?;
            trial.apply(&id, &both(trial, &record, round)).await?;
            let record = trial.record(&id).await?;
            ensure!(number(&record.fields, "two") == round, "a call got the answer of another");
            ensure!(trial.store.delete(&id).await?, "delete MUST find a live session");
            trial.ensure_absent(&id, "a deleted session MUST NOT load").await?;
        }
        Ok(())
    };
    round
        .await
        .map_err(|failure: Failure| failure.during(format_args!("after a dropped {operation}")))
}

pub(in crate::conformance) async fn dropped_create_is_whole_or_nothing(trial: Trial) -> Checked {
    let mut new = trial.with(&[("one", "1"), ("two", "1")]);
    new.user = Some(UserId::from("ada"));
    for polls in 0..MOST_POLLS {
        let id = trial.id()?;
        let ended = ends(trial.store.create(&id, new.clone()), polls).await?;
        if let Some(loaded) = trial.load(&id).await? {
            ensure_whole(&loaded.record, "create")?;
            ensure!(number(&loaded.record.fields, "one") == 1, "a dropped create MUST be whole");
        }
        ensure_works(&trial, "create").await?;
        if ended {
            break;
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn dropped_apply_is_whole_or_nothing(trial: Trial) -> Checked {
    for polls in 0..MOST_POLLS {
        let (id, before) = begin(&trial).await?;
        let change = both(&trial, &before, 1);
        let ended = ends(trial.store.apply(&id, &change), polls).await?;
        let record = trial.record(&id).await?;
        ensure_whole(&record, "apply")?;
        let written = number(&record.fields, "one") == 1;
        ensure!(
            written == (record.version == before.version + 1),
            "a dropped apply MUST write version and data together"
        );
        // The session takes changes, whether or not the dropped one is still to land.
        let receipt = trial.retry(&id, |record| both(&trial, record, 2)).await?;
        ensure!(receipt.is_some(), "a dropped apply MUST NOT end the session");
        let record = trial.record(&id).await?;
        ensure!(number(&record.fields, "two") == 2, "a dropped apply MUST NOT undo a later one");
        ensure_works(&trial, "apply").await?;
        if ended {
            break;
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn dropped_rotate_leaves_exactly_one_id(trial: Trial) -> Checked {
    for polls in 0..MOST_POLLS {
        let (old, before) = begin(&trial).await?;
        let new = trial.id()?;
        let change = both(&trial, &before, 1);
        let ended = ends(trial.store.rotate(&old, &new, &change), polls).await?;
        let at_old = trial.load(&old).await?;
        // What is missing under the old id was moved; what is there may be moved still.
        let at_new = trial.load(&new).await?;
        ensure!(
            at_old.is_some() || at_new.is_some(),
            "a dropped rotate MUST leave one id live; neither is"
        );
        if at_new.is_some() {
            let clause = "a dropped rotate MUST leave one id live; both are";
            trial.ensure_absent(&old, clause).await?;
        }
        for loaded in [&at_old, &at_new].into_iter().flatten() {
            ensure_whole(&loaded.record, "rotate")?;
        }
        ensure_works(&trial, "rotate").await?;
        if ended {
            break;
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn dropped_touch_delete_and_load_disturb_nobody(
    trial: Trial,
) -> Checked {
    for polls in 0..MOST_POLLS {
        let (id, before) = begin(&trial).await?;
        let touch = touch_of(&before, trial.long());
        let mut ended = ends(trial.store.touch(&id, touch), polls).await?;
        ended &= ends(trial.store.load(&id), polls).await?;
        let record = trial.record(&id).await?;
        let clause = "a dropped touch MUST leave version and data";
        let expected = before.touched(trial.long(), record.last_active);
        trial.ensure_record(&record, &expected, clause)?;
        ensure_works(&trial, "touch").await?;

        ended &= ends(trial.store.delete(&id), polls).await?;
        if let Some(loaded) = trial.load(&id).await? {
            ensure_whole(&loaded.record, "delete")?;
        }
        trial.store.delete(&id).await?;
        let clause = "a dropped delete MUST NOT bring the session back";
        trial.ensure_absent(&id, clause).await?;
        ensure_works(&trial, "delete").await?;
        if ended {
            break;
        }
    }
    Ok(())
}
