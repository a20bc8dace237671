//! What is dropped when the store is full: [`Dropper`].

use std::{cmp::Reverse, sync::atomic::Ordering::Relaxed};

use tower_keep_core::{Swept, Timestamp};

use crate::{
    figures::Amount,
    keep::{Keep, lock},
    place::{Place, SHARDS},
    recency::EXACT_SESSIONS,
    shard::Node,
};

/// So many expired sessions are removed at once when the store is full.
const EXPIRED_AT_ONCE: usize = 64;

/// One in so many of the sessions that were looked through are kept as candidates.
const CANDIDATES: usize = 16;

/// Who is dropped next.
///
/// No list of all sessions in the order of their use is kept: it would cost every session memory
/// and every read a lock. Instead shards are looked through, and the least recently used sixteenth
/// become the candidates. A candidate whose mark has not moved is still the least recently used, since
/// marks only grow. Up to 4,096 sessions all shards are looked through, which makes the order exact;
/// above, shards in turn, which are even samples of all.
#[derive(Debug, Default)]
pub(crate) struct Dropper {
    /// Marks and places, the next to go last.
    candidates: Vec<(u64, Place)>,
    /// The shard to look through next.
    next: usize,
}

impl Keep {
    /// Drops sessions until both bounds hold, never the one at `writing`. Hold no lock.
    pub(crate) fn keep_bounds(&self, writing: Place) {
        while self.is_over() {
            let mut dropper = lock(&self.dropper);
            // Another thread may have dropped enough while this one waited.
            if !self.is_over() {
                return;
            }
            let now = self.now();
            if self.drop_expired(now) {
                continue;
            }
            let Some((place, node)) = self.drop_oldest(&mut dropper, writing) else {
                return;
            };
            // Counted before another thread looks, or it would drop one more.
            self.forget(place, &node);
            self.figures.count_dropped(now, || self.amount());
        }
    }

    /// Whether so few sessions are kept that all of them are compared, and each write counts.
    pub(crate) fn are_few(&self) -> bool {
        self.figures.amount().sessions <= EXACT_SESSIONS as i64
    }

    fn is_over(&self) -> bool {
        let Amount { sessions, bytes } = self.figures.amount();
        sessions > self.bound.sessions || bytes > self.bound.bytes
    }

    /// Removes some expired sessions; says whether there were any.
    fn drop_expired(&self, now: Timestamp) -> bool {
        while self.no_deadline_before.load(Relaxed) <= now.as_millis() {
            match self.sweep(EXPIRED_AT_ONCE) {
                Swept::Removed { sessions: 1.., .. } => return true,
                Swept::Removed { more: true, .. } => {}
                _ => self.find_next_deadline(),
            }
        }
        false
    }

    /// Finds out how long there is nothing to look for. Hold the dropper, so that nobody else does.
    fn find_next_deadline(&self) {
        // First, so that a deadline that is queued while the shards are asked lowers it again.
        self.no_deadline_before.store(i64::MAX, Relaxed);
        let deadlines = self.shards.iter().filter_map(|shard| shard.next_deadline());
        if let Some(next) = deadlines.min() {
            self.no_deadline_before.fetch_min(next.as_millis(), Relaxed);
        }
    }

    /// Takes out the least recently used session, but not the one at `writing`.
    fn drop_oldest(&self, dropper: &mut Dropper, writing: Place) -> Option<(Place, Box<Node>)> {
        // Only a store of nothing but `writing` has no candidate twice.
        for _ in 0..2 {
            while let Some((mark, place)) = dropper.candidates.pop() {
                if place == writing {
                    continue;
                }
                let unused = |node: &Node| node.used.load(Relaxed) == mark;
                if let Some(node) = self.shard(place).take_if(place, unused) {
                    return Some((place, node));
                }
            }
            self.find_candidates(dropper);
        }
        None
    }

    fn find_candidates(&self, dropper: &mut Dropper) {
        let found = &mut dropper.candidates;
        let all = self.are_few();
        for _ in 0..SHARDS {
            if !all && found.len() as u64 > EXACT_SESSIONS {
                break;
            }
            self.shards[dropper.next % SHARDS]
                .visit(|place, node| found.push((node.used.load(Relaxed), place)));
            dropper.next = (dropper.next + 1) % SHARDS;
        }
        let count = (found.len() / CANDIDATES).max(CANDIDATES);
        if count < found.len() {
            found.select_nth_unstable(count);
            found.truncate(count);
        }
        found.sort_unstable_by_key(|candidate| Reverse(*candidate));
    }
}
