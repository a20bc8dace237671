//! Moving a session to a new id, over two values.
//!
//! The new one waits, unseen, until the old one has ended and tells where the session went: that one
//! step decides. Whoever finds the new one waiting looks at the old one.

use std::sync::Arc;

use super::{
    change::Decision,
    keep::{Keep, Place, Step},
    value::{Id, Phase, State},
};
use crate::{Change, Receipt, Rotated, SessionId, StoreError, Timestamp};

impl Keep {
    pub(super) async fn rotate(
        self: &Arc<Self>,
        old: SessionId,
        new: SessionId,
        change: &Change,
    ) -> Result<Rotated, StoreError> {
        let now = self.register.now();
        let Some(before) = self.live(old).await? else {
            return Ok(Rotated::Gone);
        };
        if before.record().version != change.base_version {
            return Ok(Rotated::Conflict(before.loaded(now)));
        }
        let moved = change.applied_to(before.record(), now);
        let mut receipt = Receipt::of(&moved, now);
        let until = moved.expires_at;
        let reach = moved.created_at + change.lifetime.absolute;
        let place = Place::of(&moved, reach);
        let state = State::new(Phase::Pending(Some(Id(old))), moved, reach.max(until));
        if self.put_under(new, |_| state.clone()).await?.is_none() {
            return Ok(Rotated::Taken);
        }

        if let Some(place) = &place {
            match self.settle(new, place, change.user_limit, Some(old)).await? {
                Some(evicted) => receipt.evicted = evicted,
                None => return Ok(Rotated::OverLimit),
            }
        }

        match self.give_up(old, new, change.base_version, until).await? {
            Rotated::Rotated(_) => {
                self.start_behind(new, old);
                self.leave_behind(old, before.record());
                Ok(Rotated::Rotated(receipt))
            }
            other => {
                self.end(new).await?;
                self.leave_behind(new, state.record.as_ref());
                Ok(other)
            }
        }
    }

    /// Ends the old session if it is still at its version, and says where it went: this decides.
    async fn give_up(
        self: &Arc<Self>,
        old: SessionId,
        new: SessionId,
        version: u64,
        until: Timestamp,
    ) -> Result<Rotated, StoreError> {
        self.step(old, |value, _, now| {
            let Some(value) = value else {
                return Decision::Leave(Step::Done(Rotated::Gone));
            };
            if value.record().version != version {
                return Decision::Leave(Step::Done(Rotated::Conflict(value.loaded(now))));
            }
            // It stays as long as the new one may still wait for it.
            let until = until.max(value.record().expires_at);
            let rotated = Rotated::Rotated(Receipt::of(value.record(), now));
            Decision::Write(State::ended(value.record(), Some(new), until), Step::Done(rotated))
        })
        .await
    }
}
