//! Removes expired sessions, and what writes left behind, step by step.

use std::{collections::BTreeSet, sync::Arc};

use tower_keep_core::{SessionId, StoreError, StoreErrorKind, Swept, Timestamp};

use crate::{
    format::{self, BODY},
    keep::Keep,
    layout::{
        SHARDS, SWEEP_LOCK, Shards, TEMPORARY, USERS, UserKey, join, parse_marker, shard_of,
        shard_of_temporary, temporary,
    },
    step::{State, Step},
};

/// So many files a step looks at besides those that it removes.
const SPARE_LOOKS: usize = 4_096;

/// How far a sweep has come, from one step to the next.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    is_under_way: bool,
    /// What is still to be looked at, the next last.
    folders: Vec<String>,
    ids: Vec<SessionId>,
}

impl Keep {
    /// Removes at most `limit` expired sessions, and looks at not many more files.
    pub(crate) async fn sweep(self: &Arc<Self>, limit: usize) -> Result<Swept, StoreError> {
        // Sweepers of this process take turns; those of others are told to come back.
        let pass = Arc::clone(&self.pass).lock_owned().await;
        // The guard goes through the steps, so that a caller who gives up leaves the pass whole.
        let looked = self.read(move |step| {
            let mut pass = pass;
            step.confirm()?;
            let Some(lock) = step.try_lock(SWEEP_LOCK)? else {
                return Ok(None);
            };
            let due = pass.look(step, limit)?;
            Ok(Some((lock, pass, due)))
        });
        let Some((lock, pass, Due { ids, more })) = looked.await? else {
            return Ok(Swept::Busy);
        };
        let mut sessions = 0;
        for of_shard in ids.chunk_by(|one, next| shard_of(one) == shard_of(next)) {
            let ids = of_shard.to_vec();
            let removed = self.write(Shards::of(ids.iter().copied()), move |step| {
                ids.iter().try_fold(0, |count, id| Ok(count + u64::from(step.expire(id)?)))
            });
            sessions += removed.await?;
        }
        if !more {
            self.tidy().await?;
        }
        drop((lock, pass));
        Ok(Swept::Removed { sessions, more })
    }

    /// Removes what writes left behind that did not end.
    async fn tidy(self: &Arc<Self>) -> Result<(), StoreError> {
        for shard in self.read(|step| step.shards_with_leftovers()).await? {
            self.write(Shards::one(shard), move |step| step.remove(&temporary(shard))).await?;
        }
        for folder in self.read(|step| step.list(USERS)).await? {
            let orphans = self.read(move |step| step.orphans_in(&folder)).await?;
            for (key, id) in orphans {
                self.write(Shards::of([id]), move |step| {
                    if !step.is_owned(key, &id)? {
                        step.unmark(key, &id);
                    }
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    }
}

/// What a step of a sweep found.
struct Due {
    ids: Vec<SessionId>,
    /// Whether there may be more.
    more: bool,
}

impl Pass {
    /// The next sessions that seem to have expired.
    ///
    /// Nothing is left only where the files were looked at from the first to the last in this step,
    /// or, in a store of too many files for that, where a pass has come to its end.
    fn look(&mut self, step: &Step<'_>, limit: usize) -> Result<Due, StoreError> {
        let now = step.keep.now();
        let mut due = BTreeSet::new();
        let mut looks = limit.saturating_add(SPARE_LOOKS);
        let (mut began_here, mut ended_here) = (false, false);
        let more = loop {
            if due.len() >= limit {
                break !(began_here && self.is_over());
            }
            if looks == 0 {
                break !ended_here;
            }
            looks -= 1;
            if let Some(id) = self.ids.pop() {
                if step.expires_at(&id)?.is_some_and(|at| at <= now) {
                    due.insert(id);
                }
            } else if let Some(folder) = self.folders.pop() {
                self.ids = step.sessions_in(&folder)?;
            } else if began_here {
                break false;
            } else {
                ended_here = self.is_under_way;
                began_here = true;
                self.is_under_way = true;
                self.folders = step.folders()?;
                self.folders.reverse();
            }
        };
        self.is_under_way = !self.is_over();
        Ok(Due { ids: due.into_iter().collect(), more })
    }

    fn is_over(&self) -> bool {
        self.ids.is_empty() && self.folders.is_empty()
    }
}

impl Step<'_> {
    /// When a session expires; `None` if it cannot be told.
    pub(crate) fn expires_at(&self, id: &SessionId) -> Result<Option<Timestamp>, StoreError> {
        let Some((start, _)) = self.start(&self.path(id), BODY)? else {
            return Ok(None);
        };
        if let Some(at) = format::peek(id, &start) {
            return Ok(Some(at));
        }
        Ok(match self.find(id, self.keep.now()) {
            Ok(State::Live(entry) | State::Expired(entry)) => Some(entry.record.expires_at),
            // A later release's is its own to sweep.
            Ok(State::Missing | State::Damaged(_)) | Err(_) => None,
        })
    }

    /// Removes a session if it has expired. Hold its shard.
    fn expire(&self, id: &SessionId) -> Result<bool, StoreError> {
        Ok(match self.settle(id, self.keep.now())? {
            State::Expired(entry) => self.remove_session(id, &entry.record).map(|()| true)?,
            _ => false,
        })
    }

    pub(crate) fn shards_with_leftovers(&self) -> Result<Vec<u8>, StoreError> {
        let names = self.list(TEMPORARY)?;
        Ok(names.iter().filter_map(|name| shard_of_temporary(name)).collect())
    }

    /// Marks that seem to lead to no session of the user.
    pub(crate) fn orphans_in(&self, folder: &str) -> Result<Vec<(UserKey, SessionId)>, StoreError> {
        let mut orphans = Vec::new();
        for name in self.list(&join(USERS, folder))? {
            if let Some((key, id)) = parse_marker(&name)
                && !self.is_owned(key, &id)?
            {
                orphans.push((key, id));
            }
        }
        Ok(orphans)
    }

    /// Whether a session is this user's, live or not. Hold its shard for an answer that lasts.
    pub(crate) fn is_owned(&self, key: UserKey, id: &SessionId) -> Result<bool, StoreError> {
        Ok(match self.find(id, self.keep.now()) {
            Ok(State::Live(entry) | State::Expired(entry)) => {
                UserKey::of(&entry.record) == Some(key)
            }
            Ok(State::Missing) => false,
            // Whoever reads it next decides, a later release perhaps.
            Ok(State::Damaged(_)) => true,
            Err(error) if error.kind() == StoreErrorKind::Corrupt => true,
            Err(error) => return Err(error),
        })
    }
}

const _: () = assert!(SHARDS == 64, "a set of shards is a number of 64 bits");
