//! Moves a session to another id, which is under another key.
//!
//! A script touches one key, so the step that decides is one on the old key: it lets go, and from then
//! on names the new id. The new record was made before, marked as coming from the old id, and is not
//! live as long as that mark is there and the old id has not let go. Whoever meets the mark looks at the
//! old key; the mark, and what the old key names, are cleared afterwards. So exactly one of both ids is
//! live at each moment, and a process that dies in between leaves nothing that a reader cannot resolve.

use tower_keep_core::{Change, Loaded, Rotated, SessionId, StoreError};

use crate::{
    error::unexpected,
    hash::pairs,
    keep::{ATTEMPTS, Keep, arguments, how, lifetime, origin, other, receipt, restless},
    key::digits,
    link::Answer,
    script::{ARRIVE, CANCEL, DEPART},
    users::{Place, Reserved},
};

/// How long, beyond the life of the record, the old key names the new id: the clocks of two servers
/// may differ.
const SLACK_MILLIS: i64 = 60_000;

impl Keep {
    pub(crate) async fn rotate(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
    ) -> Result<Rotated, StoreError> {
        let mut evicted = 0;
        for _ in 0..ATTEMPTS {
            let Some((record, at)) = self.live(old).await? else { return Ok(Rotated::Gone) };
            if record.version != change.base_version {
                return Ok(Rotated::Conflict(Loaded { record: record.into(), at }));
            }
            let after = change.applied_to(&record, at);
            let mut held_until = 0;
            let mut place = None;
            if let Some(user) = &after.user {
                let asked = Place {
                    layer: &record.layer,
                    user,
                    id: new,
                    replaces: Some(old),
                    created_at: (!change.restart).then_some(record.created_at),
                    lifetime: change.lifetime,
                };
                let limit = change.user_limit.filter(|_| change.user.is_some());
                match self.reserve(&asked, limit, &mut evicted).await? {
                    Reserved::Place(place) => held_until = place.held_until,
                    Reserved::Taken => return Ok(Rotated::Taken),
                    Reserved::OverLimit => return Ok(Rotated::OverLimit),
                }
                place = Some(self.keys.user(&record.layer, user));
            }
            let mut command = ARRIVE.on(&self.keys.session(new));
            command.arg(self.link.shift());
            lifetime(&mut command, change.lifetime);
            command.arg(if after.user.is_some() { "user" } else { "" }).arg(held_until);
            command.arg(digits(old)).arg(after.version);
            command.arg(match change.restart {
                true => String::new(),
                false => record.created_at.as_millis().to_string(),
            });
            let (user, client) = (after.user.as_ref(), after.client.as_ref());
            arguments(
                &mut command,
                &pairs(new, &after.layer, user, client, after.remember, &after.fields),
            );
            let arrived = self.link.call(&ARRIVE, command).await?;
            match arrived.how {
                how::DONE | how::EVICTED => {}
                how::LATE => continue,
                how::OTHER => return Ok(Rotated::Taken),
                // Left by this very rotation, when its answer was lost.
                how::ARRIVING if origin(&arrived)? == *old => {
                    self.cancel(old, new).await?;
                    continue;
                }
                _ if self.clear_way(new, &arrived).await? => continue,
                _ => return Ok(Rotated::Taken),
            }
            let receipt = receipt(&arrived, evicted)?;
            let departed = self.depart(old, new, change, receipt.expires_at.as_millis()).await?;
            if departed.how == how::DONE {
                if let Some(place) = place.filter(|_| arrived.how == how::EVICTED) {
                    self.release(&place, &[digits(new)]).await;
                }
                self.clean_up(
                    old,
                    new,
                    record.user.map(|user| self.keys.user(&record.layer, &user)),
                );
                return Ok(Rotated::Rotated(receipt));
            }
            self.cancel(old, new).await?;
            if let Some(place) = place {
                self.release(&place, &[digits(new)]).await;
            }
            match departed.how {
                how::GONE => return Ok(Rotated::Gone),
                how::OTHER => return Ok(Rotated::Conflict(other(old, &departed)?)),
                how::ARRIVING if self.settle(old, &origin(&departed)?).await? => {}
                how::ARRIVING => return Ok(Rotated::Gone),
                _ => return Err(unexpected()),
            }
        }
        Err(restless())
    }

    /// The step that decides.
    async fn depart(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
        expires_at: i64,
    ) -> Result<Answer, StoreError> {
        let mut command = DEPART.on(&self.keys.session(old));
        command.arg(self.link.shift()).arg(change.base_version).arg(digits(new));
        command.arg(expires_at.saturating_add(SLACK_MILLIS).min(1 << 53));
        self.link.call(&DEPART, command).await
    }

    /// Takes back a record that has not arrived.
    async fn cancel(&self, old: &SessionId, new: &SessionId) -> Result<(), StoreError> {
        let mut command = CANCEL.on(&self.keys.session(new));
        command.arg(self.link.shift()).arg(digits(old));
        self.link.call(&CANCEL, command).await.map(drop)
    }

    /// Clears the marks of a rotation that is decided; nobody needs to wait for it.
    fn clean_up(&self, old: &SessionId, new: &SessionId, former: Option<Vec<u8>>) {
        let (keep, old, new) = (self.clone(), *old, *new);
        tokio::spawn(async move {
            if let Some(former) = former {
                keep.release(&former, &[digits(&old)]).await;
            }
            if let Err(error) = keep.finish(&old, &new).await {
                tracing::debug!(%error, "a rotation's marks stay until they are met");
            }
        });
    }
}
