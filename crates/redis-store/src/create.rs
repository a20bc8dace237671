//! Makes a session.

use std::{borrow::Cow, time::Instant};

use tower_keep_core::{Created, NewRecord, Receipt, SessionId, StoreError, Timestamp};

use crate::{
    hash::{self, pairs},
    keep::{ATTEMPTS, Keep, LATEST, arguments, how, lifetime, millis, rarely, receipt, restless},
    key::digits,
    payload::payload,
    script::CREATE,
    users::{Place, Reserved},
};

impl Keep {
    pub(crate) async fn create(
        &self,
        id: &SessionId,
        new: &NewRecord,
    ) -> Result<Created, StoreError> {
        let pairs = pairs(
            id,
            &new.layer,
            new.user.as_ref(),
            new.client.as_ref(),
            new.remember,
            &new.fields,
        );
        let key = self.keys.session(id);
        if let Some(receipt) = self.put(&key, new, &pairs).await? {
            return Ok(Created::Created(receipt));
        }
        let mut evicted = 0;
        for _ in 0..ATTEMPTS {
            let mut held_until = 0;
            if let Some(user) = &new.user {
                let place = Place {
                    layer: &new.layer,
                    user,
                    id,
                    replaces: None,
                    created_at: None,
                    lifetime: new.lifetime,
                };
                match rarely(self.reserve(&place, new.user_limit, &mut evicted)).await? {
                    Reserved::Place(place) => held_until = place.held_until,
                    Reserved::Taken => return Ok(Created::Taken),
                    Reserved::OverLimit => return Ok(Created::OverLimit),
                }
            }
            let mut command = CREATE.on(&key);
            command.number(self.link.shift());
            lifetime(&mut command, new.lifetime);
            command.arg(if new.user.is_some() { "user" } else { "" }).number(held_until);
            arguments(&mut command, &pairs);
            let asked = Instant::now();
            let answer = self.link.call(&CREATE, command).await?;
            match answer.how {
                how::DONE => {
                    let receipt = receipt(&answer, evicted)?;
                    self.link.learn(&key, receipt.at, asked);
                    return Ok(Created::Created(receipt));
                }
                how::EVICTED => {
                    if let Some(user) = &new.user {
                        let place = self.keys.user(&new.layer, user);
                        rarely(self.release(&place, &[digits(id)])).await;
                    }
                    return Ok(Created::Created(receipt(&answer, evicted)?));
                }
                how::OTHER => return Ok(Created::Taken),
                how::LATE => {}
                _ if rarely(self.clear_way(id, &answer)).await? => {}
                _ => return Ok(Created::Taken),
            }
        }
        Err(restless())
    }

    /// Makes a session by a plain command, a third of whose cost to the server a script has alone.
    ///
    /// `None` if that cannot be done: the key is taken, if only by the mark of a rotation, or there is a user,
    /// whose limit has to be kept.
    async fn put(
        &self,
        key: &[u8],
        new: &NewRecord,
        pairs: &[(Cow<'static, str>, String)],
    ) -> Result<Option<Receipt>, StoreError> {
        let left = millis(new.lifetime.idle.min(new.lifetime.absolute));
        if new.user.is_some() || left == 0 {
            return Ok(None);
        }
        let Some(now) = self.link.put_at(key) else { return Ok(None) };
        let created = now.as_millis();
        let end = created.saturating_add(left).min(LATEST);
        let expires_at = Timestamp::from_millis(end);
        let state = hash::state(1, now, 0, now, expires_at);
        let own = [("@state", &*state)].into_iter();
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        let all: Vec<_> = own.chain(pairs).collect();
        let Some(hash) = payload(all.into_iter()) else { return Ok(None) };
        let done = self.link.put(key, end, &hash).await?;
        Ok(done.then_some(Receipt { version: 1, at: now, expires_at, evicted: 0 }))
    }
}
