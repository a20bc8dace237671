//! Removes expired sessions, step by step.

use std::sync::atomic::Ordering::Relaxed;

use tower_keep_core::{Swept, Timestamp};

use crate::{
    keep::Keep,
    place::{Place, SHARDS},
};

/// So many deadlines are taken from a queue while it is locked.
const BATCH: usize = 32;

/// So many sessions a step may find alive, besides those that it removes.
const SPARE_LOOKS: usize = 64;

impl Keep {
    /// Removes at most `limit` expired sessions, and looks at not many more.
    pub(crate) fn sweep(&self, limit: usize) -> Swept {
        let now = self.now();
        let mut removed = 0;
        let mut looks = limit.saturating_add(SPARE_LOOKS);
        let start = self.sweep_from.load(Relaxed) % SHARDS;
        for number in (start..SHARDS).chain(0..start) {
            let shard = &self.shards[number];
            loop {
                let most = (limit - removed).min(looks).min(BATCH);
                if most == 0 {
                    self.sweep_from.store(number, Relaxed);
                    let more = self.any_due(now);
                    let sessions = removed as u64;
                    return Swept::Removed { sessions, more };
                }
                let mut due = [Place::new(0, 0); BATCH];
                let due = shard.due(now, &mut due[..most]);
                if due.is_empty() {
                    break;
                }
                looks -= due.len();
                removed += due.iter().filter(|place| self.expire(**place, now)).count();
            }
        }
        Swept::Removed { sessions: removed as u64, more: false }
    }

    fn any_due(&self, now: Timestamp) -> bool {
        let mut deadlines = self.shards.iter().filter_map(|shard| shard.next_deadline());
        deadlines.any(|next| next <= now)
    }

    /// Removes a session that has expired, queues one that has not; says whether it was removed.
    fn expire(&self, place: Place, now: Timestamp) -> bool {
        let shard = self.shard(place);
        let mut alive = None;
        let taken = shard.take_if(place, |node| {
            // A pending one is queued by its rotation.
            if node.is_pending() {
                return false;
            }
            let expired = node.record.is_expired(now);
            alive = (!expired).then_some(node.record.expires_at);
            expired
        });
        if let Some(at) = alive {
            self.queue(at, place);
        }
        match taken {
            Some(node) => {
                self.forget(place, &node);
                true
            }
            None => false,
        }
    }
}
