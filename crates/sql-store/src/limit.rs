//! The limit of a user's sessions: [`Room`].

use tower_keep_core::{OverLimit, UserLimit};

/// Whether one more session of a user has room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It has, once so many of the oldest are gone.
    After(usize),
    /// It has none.
    None,
}

impl Room {
    /// The room beside `others` sessions of the same user.
    pub(crate) fn beside(others: usize, limit: UserLimit) -> Self {
        let allowed = usize::try_from(limit.sessions).unwrap_or(usize::MAX);
        match ((others + 1).saturating_sub(allowed), limit.over) {
            (0, _) => Self::After(0),
            (over, OverLimit::EvictOldest) => Self::After(over.min(others)),
            (_, _) => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_the_limit_goes() {
        let room = |others, limit, over| Room::beside(others, UserLimit::new(limit, over));
        assert_eq!(room(2, 3, OverLimit::Refuse), Room::After(0));
        assert_eq!(room(3, 3, OverLimit::Refuse), Room::None);
        assert_eq!(room(3, 3, OverLimit::EvictOldest), Room::After(1));
        assert_eq!(room(9, 3, OverLimit::EvictOldest), Room::After(7));
        // The session itself is never evicted.
        assert_eq!(room(0, 0, OverLimit::EvictOldest), Room::After(0));
    }
}
