//! Removes all sessions, and takes sessions over.

use redis::Value;
use tower_keep_core::{Created, Purged, Record, SessionId, StoreError};

use crate::{
    error::unexpected,
    find::Spot,
    hash::pairs,
    keep::{ATTEMPTS, Keep, arguments, how, receipt, restless},
    key::Kind,
    script::IMPORT,
    servers::Command,
    users::{Place, Reserved},
};

/// So many places of the server's table are looked at in one step.
const STEP: usize = 1_000;

impl Keep {
    /// Removes all keys of the prefix that are ours, and no other.
    pub(crate) async fn purge(&self) -> Result<Purged, StoreError> {
        self.cache.clear();
        let mut purged = Purged::default();
        // One that was rotated meanwhile can escape a pass, and not for ever.
        for _ in 0..ATTEMPTS {
            let (keys, sessions) = self.purge_once().await?;
            purged.sessions += sessions;
            if keys == 0 {
                break;
            }
        }
        Ok(purged)
    }

    /// One pass; tells how many keys and sessions were removed.
    async fn purge_once(&self) -> Result<(u64, u64), StoreError> {
        let (mut removed, mut sessions) = (0, 0);
        let shards = self.link.shards().await?;
        let mut spot = Some(Spot::BEGIN);
        while let Some(here) = spot {
            let (next, keys) = self.scan_keys(&shards, here, STEP).await?;
            let mut commands = Vec::with_capacity(2 * keys.len());
            for key in &keys {
                let Some(kind) = self.keys.kind(key) else { continue };
                // Which of the keys are sessions, and not what a rotation left.
                let mut is_live = Command::new("HEXISTS");
                is_live.arg(&**key).arg("@state");
                let mut unlink = Command::new("UNLINK");
                unlink.arg(&**key);
                if let Kind::Session(_) = kind {
                    commands.push(is_live);
                }
                commands.push(unlink);
            }
            let mut answers = self.link.send_all(commands).await?.into_iter();
            for kind in keys.iter().filter_map(|key| self.keys.kind(key)) {
                let mut is_one = || matches!(answers.next(), Some(Value::Int(1)));
                let is_session = matches!(kind, Kind::Session(_)) && is_one();
                if is_one() {
                    removed += 1;
                    sessions += u64::from(is_session);
                }
            }
            spot = next;
        }
        Ok((removed, sessions))
    }

    /// Stores a record as it is.
    pub(crate) async fn import(
        &self,
        id: &SessionId,
        record: &Record,
    ) -> Result<Created, StoreError> {
        self.cache.forget(id);
        for _ in 0..ATTEMPTS {
            if let Some(user) = &record.user {
                let absolute = record.expires_at.since(record.created_at);
                let place = Place {
                    layer: &record.layer,
                    user,
                    id,
                    replaces: None,
                    created_at: Some(record.created_at),
                    lifetime: tower_keep_core::Lifetime::new(absolute, absolute),
                };
                match self.reserve(&place, None, &mut 0).await? {
                    Reserved::Place(_) => {}
                    Reserved::Taken | Reserved::OverLimit => return Err(unexpected()),
                }
            }
            let mut command = IMPORT.on(&self.keys.session(id));
            command.number(self.link.shift()).number(record.version);
            for time in [record.created_at, record.last_active, record.expires_at] {
                command.number(time.as_millis());
            }
            let (user, client) = (record.user.as_ref(), record.client.as_ref());
            command.arg(if user.is_some() { "user" } else { "" });
            let pairs = pairs(id, &record.layer, user, client, record.remember, &record.fields);
            arguments(&mut command, &pairs);
            let answer = self.link.call(&IMPORT, command).await?;
            match answer.how {
                how::DONE | how::EVICTED => return Ok(Created::Created(receipt(&answer, 0)?)),
                how::OTHER => return Ok(Created::Taken),
                _ if self.clear_way(id, &answer).await? => {}
                _ => return Ok(Created::Taken),
            }
        }
        Err(restless())
    }
}
