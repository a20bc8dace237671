//! How a session comes to be under an id, waits, begins to live, and ends.

use std::{sync::Arc, time::Duration};

use super::{
    change::Decision,
    keep::Keep,
    value::{Id, Phase, State, Value},
};
use crate::{Record, SessionId, StoreError, Timestamp};

/// So long a sign-in may take: one that began earlier has died on its way.
const SIGN_IN: Duration = Duration::from_secs(60);

/// What becomes of something that is put under an id.
enum Put {
    Done(State),
    Taken,
    /// The session that was there has another id now.
    MovedTo(SessionId),
}

impl Keep {
    /// Puts a session under an id that is free, live at once if it has no user; `None` if it is taken.
    pub(super) async fn begin(
        &self,
        id: SessionId,
        make: impl Fn(Timestamp) -> (Record, Timestamp),
    ) -> Result<Option<Record>, StoreError> {
        self.put_under(id, |now| {
            let (record, reach) = make(now);
            let phase = if record.user.is_some() { Phase::Pending(None) } else { Phase::Live };
            State::new(phase, record, reach)
        })
        .await
        .map(|state| state.map(|state| Record::clone(&state.record)))
    }

    /// Puts something under an id that is free; `None` if it is taken.
    pub(super) async fn put_under(
        &self,
        id: SessionId,
        make: impl Fn(Timestamp) -> State,
    ) -> Result<Option<State>, StoreError> {
        let mut seen_to = None;
        loop {
            let put = self.register.change(id, |value, now| {
                if value.is_some_and(|value| is_taken(value, now)) {
                    return Decision::Leave(Put::Taken);
                }
                // A session that was moved from here may still look here whether it was.
                match value.map(|value| value.state.phase) {
                    Some(Phase::Ended(Some(Id(to)))) if seen_to != Some(to) => {
                        Decision::Leave(Put::MovedTo(to))
                    }
                    _ => {
                        let state = make(now);
                        Decision::Write(state.clone(), Put::Done(state))
                    }
                }
            });
            match put.await? {
                Put::Done(state) => return Ok(Some(state)),
                Put::Taken => return Ok(None),
                Put::MovedTo(to) => {
                    self.start(to, Some(id)).await?;
                    seen_to = Some(to);
                }
            }
        }
    }

    /// Lets a session live that waited for its place, or for the end of another one. One that was
    /// evicted meanwhile stays ended.
    pub(super) async fn start(
        &self,
        id: SessionId,
        from: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let waits = Phase::Pending(from.map(Id));
        self.register
            .change(id, |value, _| match value.filter(|value| value.state.phase == waits) {
                Some(Value { state: State { record, reach, .. }, .. }) => {
                    let (record, reach) = (Arc::clone(record), *reach);
                    Decision::Write(State { phase: Phase::Live, record, reach }, ())
                }
                None => Decision::Leave(()),
            })
            .await
    }

    /// Ends a session whether it lives or waits; tells whether it did.
    pub(super) async fn end(&self, id: SessionId) -> Result<bool, StoreError> {
        self.register
            .change(id, |value, now| match value.filter(|value| value.lasts(now)) {
                Some(value) => {
                    let record = value.record();
                    Decision::Write(State::ended(record, None, record.expires_at), true)
                }
                None => Decision::Leave(false),
            })
            .await
    }

    /// Whether a session was moved from one id to the other.
    pub(super) async fn has_moved(
        &self,
        from: SessionId,
        to: SessionId,
    ) -> Result<bool, StoreError> {
        let old = self.register.read(from).await?;
        Ok(old.is_some_and(|old| old.state.phase == Phase::Ended(Some(Id(to)))))
    }

    pub(super) fn start_behind(self: &Arc<Self>, id: SessionId, from: SessionId) {
        let keep = Arc::clone(self);
        // If it fails, the next one to meet the session does it.
        tokio::spawn(async move { drop(keep.start(id, Some(from)).await) });
    }
}

/// Whether an id is not free.
pub(super) fn is_taken(value: &Value, now: Timestamp) -> bool {
    let has_died = value.state.phase == Phase::Pending(None) && !may_be_under_way(value, now);
    value.lasts(now) && !has_died
}

/// Whether what a session waits for may still come.
pub(super) fn may_be_under_way(value: &Value, now: Timestamp) -> bool {
    now.since(value.since) <= SIGN_IN
}
