//! When sessions may have expired: [`Deadlines`].

use std::{cmp::Reverse, collections::BinaryHeap};

use tower_keep_core::Timestamp;

use crate::place::{Place, TAG_BITS};

/// What 96 bits leave for milliseconds: a thousand years.
const TIME_BITS: u32 = 96 - TAG_BITS;

const LATEST: u64 = (1 << TIME_BITS) - 1;

/// How many bits of the time, and then of the tag, share the number in the middle.
const TIME_IN_MIDDLE: u32 = TIME_BITS - 32;
const TAG_IN_MIDDLE: u32 = TAG_BITS - 32;

/// Room for so many deadlines is made at once, so that a store that begins to fill does not ask for
/// memory for every eighth session: 768 bytes a shard.
const ROOM: usize = 64;

/// The deadlines of the sessions of one shard, the next first.
///
/// It is lazy: a touch moves no deadline, and one whose session is gone stays until it comes up. So
/// each session has at least one deadline here that is not after its own, and possibly more.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BinaryHeap<Reverse<Deadline>>);

/// Milliseconds and the tag of a place, the most significant bits first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Deadline([u32; 3]);

impl Deadlines {
    pub(crate) fn push(&mut self, at: Timestamp, place: Place) {
        if self.is_full() {
            // An eighth more, not twice as much: there is one of these for every session.
            self.0.reserve_exact(self.0.len() / 8 + ROOM);
        }
        self.0.push(Reverse(Deadline::new(at, place)));
    }

    /// Takes a session of `shard` whose deadline has come, if there is one.
    pub(crate) fn pop(&mut self, shard: usize, now: Timestamp) -> Option<Place> {
        if !self.is_due(now) {
            return None;
        }
        let Reverse(next) = self.0.pop()?;
        // Deadlines of one session fall together once they are queued again.
        while self.0.peek() == Some(&Reverse(next)) {
            self.0.pop();
        }
        Some(next.place(shard))
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.peek().map(|Reverse(next)| next.at())
    }

    /// Whether one more makes it grow.
    pub(crate) fn is_full(&self) -> bool {
        self.len() == self.0.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all deadlines, to be pushed anew for so many sessions.
    pub(crate) fn reset(&mut self, sessions: usize) {
        self.0.clear();
        self.0.shrink_to(sessions);
    }
}

impl Deadline {
    fn new(at: Timestamp, place: Place) -> Self {
        // What is before the range comes up early, is found alive and is queued again.
        let millis = u64::try_from(at.as_millis()).unwrap_or(0).min(LATEST);
        let tag = place.tag();
        let middle = millis << TAG_IN_MIDDLE | tag >> 32;
        Self([(millis >> TIME_IN_MIDDLE) as u32, middle as u32, tag as u32])
    }

    fn at(self) -> Timestamp {
        let [first, middle, _] = self.0.map(u64::from);
        let millis = first << TIME_IN_MIDDLE | middle >> TAG_IN_MIDDLE;
        if millis == LATEST {
            // It may be any time later, so it never comes up.
            return Timestamp::MAX;
        }
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    fn place(self, shard: usize) -> Place {
        let [_, middle, last] = self.0.map(u64::from);
        let tag = middle << 32 | last;
        Place::new(shard, tag & ((1 << TAG_BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn deadline_gives_back_its_parts() {
        let place = Place::new(7, (1 << TAG_BITS) - 2);
        let deadline = Deadline::new(at(1_795_262_400_123), place);
        assert_eq!(deadline.at(), at(1_795_262_400_123));
        assert_eq!(deadline.place(7), place);
        assert_eq!(Deadline::new(at(-5), place).at(), at(0));
        assert_eq!(Deadline::new(Timestamp::MAX, place).place(7), place);
    }

    #[test]
    fn deadlines_come_up_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        for (millis, tag) in [(30, 3), (10, 1), (20, 2), (10, 1)] {
            deadlines.push(at(millis), Place::new(0, tag));
        }
        assert_eq!(deadlines.pop(0, at(9)), None);
        assert_eq!(deadlines.pop(0, at(20)), Some(Place::new(0, 1)));
        assert_eq!(deadlines.pop(0, at(20)), Some(Place::new(0, 2)));
        assert_eq!(deadlines.pop(0, at(20)), None);
        assert_eq!(deadlines.next(), Some(at(30)));
    }
}
