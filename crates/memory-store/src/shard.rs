//! One of the maps: [`Shard`] and the [`Node`]s in it.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use scc::{HashMap, hash_map::Entry};
use tower_keep_core::{Record, SessionId, Timestamp};

use crate::{
    deadlines::Deadlines,
    figures::{Amount, Figures},
    keep::lock,
    place::{AsItIs, Place},
};

/// The mark of a node whose rotation is not done.
const PENDING: u64 = 1 << 63;

/// A queue may have so many deadlines of sessions that are gone, besides one for each that is there.
const SPARE_DEADLINES: usize = 32;

/// A session in a map.
///
/// In a box, so that what a map keeps free for growth is 16 bytes a slot instead of 48.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: SessionId,
    pub(crate) record: Arc<Record>,
    /// When it was last used, as [`Recency`](crate::recency::Recency) counts, or [`PENDING`].
    pub(crate) used: AtomicU64,
}

impl Node {
    pub(crate) fn new(id: SessionId, record: Arc<Record>, used: u64) -> Box<Self> {
        let used = AtomicU64::new(used);
        Box::new(Self { id, record, used })
    }

    /// A node that nobody may see until its rotation is done.
    pub(crate) fn pending(id: SessionId, record: Arc<Record>) -> Box<Self> {
        Self::new(id, record, PENDING)
    }

    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.used.load(Relaxed) == PENDING
    }
}

/// What became of an insertion.
pub(crate) enum Inserted {
    /// The node is in, in the stead of an expired one if there was one.
    Done(Option<Box<Node>>),
    /// A live session is in this place.
    Taken,
    /// A rotation to this place is under way; here is the node again.
    Pending(Box<Node>),
}

/// What the lock of a shard is for.
#[derive(Debug, Default)]
struct Ledger {
    deadlines: Deadlines,
    /// What was created here and is not among the figures yet, so that threads that create seldom
    /// write to the same numbers.
    uncounted: Amount,
}

/// One of the maps, with the deadlines of its sessions and the count of new ones.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Shard {
    number: usize,
    map: HashMap<Place, Box<Node>, AsItIs>,
    ledger: Mutex<Ledger>,
}

impl Shard {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, map: HashMap::default(), ledger: Mutex::default() }
    }

    /// Looks at what is in a place, under the shared lock of its bucket.
    #[inline]
    pub(crate) fn read<T>(&self, place: Place, look: impl FnOnce(&Node) -> T) -> Option<T> {
        self.map.read_sync(&place, |_, node| look(node))
    }

    /// Changes what is in a place, under the lock of its bucket.
    pub(crate) fn write<T>(&self, place: Place, change: impl FnOnce(&mut Node) -> T) -> Option<T> {
        self.map.update_sync(&place, |_, node| change(node))
    }

    /// Puts a node in a place unless a session that lives at `now` is there.
    pub(crate) fn insert(&self, place: Place, node: Box<Node>, now: Timestamp) -> Inserted {
        match self.map.entry_sync(place) {
            Entry::Vacant(vacant) => {
                vacant.insert_entry(node);
                Inserted::Done(None)
            }
            Entry::Occupied(mut occupied) => {
                let present = occupied.get();
                if present.is_pending() {
                    Inserted::Pending(node)
                } else if present.record.is_expired(now) {
                    Inserted::Done(Some(occupied.insert(node)))
                } else {
                    Inserted::Taken
                }
            }
        }
    }

    /// Takes out what is in a place if `test` says so under the lock of its bucket.
    ///
    /// The node is dropped by the caller, who holds no lock.
    pub(crate) fn take_if(
        &self,
        place: Place,
        test: impl FnOnce(&Node) -> bool,
    ) -> Option<Box<Node>> {
        let (_, node) = self.map.remove_if_sync(&place, |node| test(node))?;
        Some(node)
    }

    /// Visits every session that is there throughout, bucket by bucket; one may come twice if the
    /// map is resized meanwhile.
    pub(crate) fn visit(&self, mut visit: impl FnMut(Place, &Node)) {
        self.map.iter_sync(|place, node| {
            if !node.is_pending() {
                visit(*place, node);
            }
            true
        });
    }

    /// Queues the deadline of a session that is in the map already.
    pub(crate) fn queue(&self, at: Timestamp, place: Place) {
        self.queue_in(&mut self.ledger().deadlines, at, place);
    }

    /// As [`queue`](Self::queue), of a session that was created: it is counted here, or with all that
    /// is among the figures if that is more than `most`.
    pub(crate) fn queue_new(
        &self,
        at: Timestamp,
        place: Place,
        bytes: i64,
        most: Amount,
        figures: &Figures,
    ) {
        let Ledger { deadlines, uncounted } = &mut *self.ledger();
        self.queue_in(deadlines, at, place);
        // Under the lock, so that nobody finds it counted nowhere.
        if let Some(amount) = uncounted.add(Amount { sessions: 1, bytes }, most) {
            figures.add(amount);
        }
    }

    /// Forgets the deadlines of sessions that are gone.
    pub(crate) fn tidy(&self) {
        self.queue_anew(&mut self.ledger().deadlines);
    }

    /// Takes at most as many sessions whose deadline has come as `due` has room for.
    pub(crate) fn due<'a>(&self, now: Timestamp, due: &'a mut [Place]) -> &'a [Place] {
        let deadlines = &mut self.ledger().deadlines;
        let next = std::iter::from_fn(|| deadlines.pop(self.number, now));
        let count = due.iter_mut().zip(next).fold(0, |count, (room, place)| {
            *room = place;
            count + 1
        });
        &due[..count]
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.ledger().deadlines.next()
    }

    /// How many sessions are here, about.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// What was created here and is not among the figures yet.
    pub(crate) fn uncounted(&self) -> Amount {
        self.ledger().uncounted
    }

    #[inline]
    fn queue_in(&self, deadlines: &mut Deadlines, at: Timestamp, place: Place) {
        // Sessions that are deleted before their deadline must not fill the queue. To count those
        // that are there takes a while, so it is done only before the queue grows.
        if deadlines.is_full() && deadlines.len() > 2 * self.len() + SPARE_DEADLINES {
            self.queue_anew(deadlines);
        }
        deadlines.push(at, place);
    }

    fn queue_anew(&self, deadlines: &mut Deadlines) {
        deadlines.reset(self.len());
        // One that is created meanwhile is queued by its maker, who waits for the queue.
        self.visit(|place, node| deadlines.push(node.record.expires_at, place));
    }

    #[inline]
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_stays_short_when_sessions_go_before_their_deadline() {
        let shard = Shard::new(0);
        let now = Timestamp::from_millis(0);
        let record = Arc::new(Record::new("shop".into(), now));
        for count in 0..10_000_u64 {
            let place = Place::new(0, count);
            let node = Node::new(SessionId::from_bytes([0; 32]), Arc::clone(&record), 0);
            assert!(matches!(shard.insert(place, node, now), Inserted::Done(None)));
            shard.queue(record.expires_at, place);
            assert!(shard.take_if(place, |_| true).is_some());
            assert!(shard.ledger().deadlines.len() <= 3 * SPARE_DEADLINES);
        }
        assert_eq!(shard.len(), 0);
    }
}
