//! Moves a session to another id, which is under another key.
//!
//! Where one server has both keys, a script renames one to the other, and no field travels. In a cluster, and
//! where something is under the new id, it takes two steps:
//!
//! A script touches one key, so the step that decides is one on the old key: it lets go, and from then
//! on names the new id. The new record was made before, marked as coming from the old id, and is not
//! live as long as that mark is there and the old id has not let go. Whoever meets the mark looks at the
//! old key; the mark, and what the old key names, are cleared afterwards. So exactly one of both ids is
//! live at each moment, and a process that dies in between leaves nothing that a reader cannot resolve.

use tower_keep_core::{Change, Record, Rotated, SessionId, StoreError};

use crate::{
    edits::{edits, pairs_of},
    error::unexpected,
    hash::{bound_to, pairs},
    keep::{ATTEMPTS, Keep, arguments, how, lifetime, origin, other, receipt, restless},
    key::digits,
    link::Answer,
    script::{ARRIVE, CANCEL, DEPART, MOVE, RESERVE},
    servers::Command,
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
        self.cache.forget(old);
        let mut evicted = 0;
        let limit = change.user_limit.filter(|_| change.user.is_some());
        // Before others are signed out for it.
        if limit.is_some()
            && let Some(other) = self.other(old, change).await?
        {
            return Ok(other);
        }
        let mut base = change.base();
        let mut short = self.link.is_one();
        for _ in 0..ATTEMPTS {
            // The new record is dated by the server.
            let after = change.applied_to(&base, base.created_at);
            let asked = after.user.as_ref().map(|user| Place {
                layer: &change.layer,
                user,
                id: new,
                replaces: Some(old),
                created_at: (!change.restart).then_some(base.created_at),
                lifetime: change.lifetime,
            });
            let place = asked.as_ref().map(|asked| self.keys.user(asked.layer, asked.user));
            if short && limit.is_none() {
                let answer = self.move_at_once(old, new, change, &base, asked.as_ref()).await?;
                match self.moved(old, new, change, &mut base, &answer, evicted).await? {
                    Some(rotated) => return Ok(rotated),
                    None if answer.how == how::OCCUPIED => short = false,
                    None => {}
                }
                continue;
            }
            let mut held_until = 0;
            if let Some(asked) = &asked {
                match self.reserve(asked, limit, &mut evicted).await? {
                    Reserved::Place(place) => held_until = place.held_until,
                    Reserved::Taken => return self.other_or(old, change, Rotated::Taken).await,
                    Reserved::OverLimit => {
                        return self.other_or(old, change, Rotated::OverLimit).await;
                    }
                }
            }
            if short {
                let command = self.moves(old, new, change, &base, place.as_deref(), held_until);
                let answer = self.link.call(&MOVE, command).await?;
                match self.moved(old, new, change, &mut base, &answer, evicted).await? {
                    Some(rotated) => return Ok(rotated),
                    None if answer.how == how::OCCUPIED => short = false,
                    None => {}
                }
                continue;
            }
            let mut command = ARRIVE.on(&self.keys.session(new));
            command.number(self.link.shift());
            lifetime(&mut command, change.lifetime);
            command.arg(if after.user.is_some() { "user" } else { "" }).number(held_until);
            command.arg(digits(old)).number(after.version);
            command.arg(match change.restart {
                true => String::new(),
                false => base.created_at.as_millis().to_string(),
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
                how::OTHER => return self.other_or(old, change, Rotated::Taken).await,
                // Left by this very rotation, when its answer was lost.
                how::ARRIVING if origin(&arrived)? == *old => {
                    self.cancel(old, new).await?;
                    continue;
                }
                _ if self.clear_way(new, &arrived).await? => continue,
                _ => return self.other_or(old, change, Rotated::Taken).await,
            }
            let receipt = receipt(&arrived, evicted)?;
            let departed = self.depart(old, new, &base, receipt.expires_at.as_millis()).await?;
            if departed.how == how::DONE {
                if let Some(place) = place.filter(|_| arrived.how == how::EVICTED) {
                    self.release(&place, &[digits(new)]).await;
                }
                self.clean_up(old, new, self.former(&base), true);
                return Ok(Rotated::Rotated(receipt));
            }
            self.cancel(old, new).await?;
            if let Some(place) = place {
                self.release(&place, &[digits(new)]).await;
            }
            match departed.how {
                how::GONE => return Ok(Rotated::Gone),
                how::OTHER => {
                    if let Some(conflict) = another(old, change, &mut base, &departed)? {
                        return Ok(conflict);
                    }
                }
                how::ARRIVING if self.settle(old, &origin(&departed)?).await? => {}
                how::ARRIVING => return Ok(Rotated::Gone),
                _ => return Err(unexpected()),
            }
        }
        Err(restless())
    }

    /// What is to be said of the old session, unless it is still the one that was read.
    async fn other(&self, old: &SessionId, change: &Change) -> Result<Option<Rotated>, StoreError> {
        Ok(match self.live(old).await? {
            None => Some(Rotated::Gone),
            Some(live) if live.record.version != change.base_version => {
                Some(Rotated::Conflict(live))
            }
            Some(_) => None,
        })
    }

    async fn other_or(
        &self,
        old: &SessionId,
        change: &Change,
        outcome: Rotated,
    ) -> Result<Rotated, StoreError> {
        Ok(self.other(old, change).await?.unwrap_or(outcome))
    }

    /// Moves the hash in one step, where one server has both keys: its place is reserved just before.
    async fn move_at_once(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
        base: &Record,
        asked: Option<&Place<'_>>,
    ) -> Result<Answer, StoreError> {
        let Some(asked) = asked else {
            return self.link.call(&MOVE, self.moves(old, new, change, base, None, 0)).await;
        };
        let place = self.keys.user(asked.layer, asked.user);
        let reserve = self.asks(&place, asked);
        let moves = self.moves(old, new, change, base, Some(&place), 0);
        let (reserved, moved) = self.link.call_after((&RESERVE, reserve), (&MOVE, moves)).await?;
        if moved.how == how::DONE {
            self.look_after(place, asked, reserved.texts(2)?);
        } else {
            self.release(&place, &[digits(new)]).await;
        }
        Ok(moved)
    }

    fn moves(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
        base: &Record,
        place: Option<&[u8]>,
        held_until: i64,
    ) -> Command {
        let (from, to) = (self.keys.session(old), self.keys.session(new));
        let mut keys = vec![&*from, &*to];
        keys.extend(place);
        let mut command = MOVE.on_all(&keys);
        command.number(self.link.shift());
        lifetime(&mut command, change.lifetime);
        command.number(change.base_version).number(change.base_version.saturating_add(1));
        command.arg(digits(new)).arg(bound_to(new, &change.layer));
        command.arg(if change.clear { "clear" } else { "" });
        command.arg(if change.restart { "restart" } else { "" });
        command.number(held_until).number(base.created_at.as_millis());
        command.number(12 + 2 * pairs_of(change));
        edits(&mut command, change);
        command
    }

    /// What the answer to a move in one step means; nothing if it is to be tried again.
    async fn moved(
        &self,
        old: &SessionId,
        new: &SessionId,
        change: &Change,
        base: &mut Record,
        answer: &Answer,
        evicted: u32,
    ) -> Result<Option<Rotated>, StoreError> {
        Ok(match answer.how {
            how::DONE => {
                self.clean_up(old, new, self.former(base), false);
                Some(Rotated::Rotated(receipt(answer, evicted)?))
            }
            how::GONE => Some(Rotated::Gone),
            how::OTHER => another(old, change, base, answer)?,
            how::ARRIVING if !self.settle(old, &origin(answer)?).await? => Some(Rotated::Gone),
            // Its place was taken meanwhile, or there is a mark under one of the ids.
            how::ARRIVING | how::LATE | how::OCCUPIED | how::UNPLACED => None,
            _ => return Err(unexpected()),
        })
    }

    /// The set that the old session has a place in.
    fn former(&self, base: &Record) -> Option<Vec<u8>> {
        base.user.as_ref().map(|user| self.keys.user(&base.layer, user))
    }

    /// The step that decides.
    async fn depart(
        &self,
        old: &SessionId,
        new: &SessionId,
        base: &Record,
        expires_at: i64,
    ) -> Result<Answer, StoreError> {
        let mut command = DEPART.on(&self.keys.session(old));
        command.number(self.link.shift()).number(base.version).arg(digits(new));
        command.number(expires_at.saturating_add(SLACK_MILLIS).min(1 << 53));
        command.number(base.created_at.as_millis());
        self.link.call(&DEPART, command).await
    }

    /// Takes back a record that has not arrived.
    async fn cancel(&self, old: &SessionId, new: &SessionId) -> Result<(), StoreError> {
        let mut command = CANCEL.on(&self.keys.session(new));
        command.number(self.link.shift()).arg(digits(old));
        self.link.call(&CANCEL, command).await.map(drop)
    }

    /// Clears the old place of a rotation that is decided, and its marks; nobody needs to wait for it.
    fn clean_up(&self, old: &SessionId, new: &SessionId, former: Option<Vec<u8>>, marked: bool) {
        if former.is_none() && !marked {
            return;
        }
        let (keep, old, new) = (self.clone(), *old, *new);
        tokio::spawn(async move {
            if let Some(former) = former {
                keep.release(&former, &[digits(&old)]).await;
            }
            if marked && let Err(error) = keep.finish(&old, &new).await {
                tracing::debug!(%error, "a rotation's marks stay until they are met");
            }
        });
    }
}

/// What it means that not the session that was read is under the old id: a conflict, unless another one
/// with as many changes is there, which is the base of the next attempt.
fn another(
    old: &SessionId,
    change: &Change,
    base: &mut Record,
    answer: &Answer,
) -> Result<Option<Rotated>, StoreError> {
    let found = other(old, answer)?;
    if found.record.version != change.base_version {
        return Ok(Some(Rotated::Conflict(found)));
    }
    *base = Record::clone(&found.record);
    Ok(None)
}
