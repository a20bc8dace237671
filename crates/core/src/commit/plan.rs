//! What a commit does, as a function of what is known: [`plan`].

/// What is known of a request's session when it is committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// There is a session in the store.
    pub(crate) live: bool,
    /// The session ended while the request was running.
    pub(crate) gone: bool,
    /// The request destroyed a session.
    pub(crate) doomed: bool,
    /// The request wrote something into the session that it has now.
    pub(crate) written: bool,
    /// The session is to have a new token.
    pub(crate) new_token: bool,
    /// The idle deadline is to be moved.
    pub(crate) touch_due: bool,
}

/// What a commit does: one call of the store, but for [`Plan::Replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    Touch,
    Create,
    Apply,
    Rotate,
    Destroy,
    /// Destroys one session and creates another under a new token.
    Replace,
    /// Drops what was written, since the session has ended.
    Drop,
}

impl Plan {
    /// Whether the client must be told a new token.
    pub(crate) fn makes_token(self) -> bool {
        matches!(self, Self::Create | Self::Rotate | Self::Replace)
    }
}

/// Decides what a commit does.
pub(crate) fn plan(facts: Facts) -> Plan {
    match facts {
        Facts { gone: true, written, new_token, doomed, .. } => {
            if written || new_token || doomed {
                Plan::Drop
            } else {
                Plan::Nothing
            }
        }
        Facts { doomed: true, written: true, .. } => Plan::Replace,
        Facts { doomed: true, .. } => Plan::Destroy,
        Facts { live: true, new_token: true, .. } => Plan::Rotate,
        Facts { live: true, written: true, .. } => Plan::Apply,
        Facts { live: true, touch_due: true, .. } => Plan::Touch,
        // A token for a session that holds nothing would be a record for every visitor.
        Facts { live: false, written: true, .. } => Plan::Create,
        _ => Plan::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that can be known, each with the plan that must follow.
    fn all() -> impl Iterator<Item = (Facts, Plan)> {
        (0_u8..64).map(|bits| {
            let bit = |place: u8| bits >> place & 1 == 1;
            let facts = Facts {
                live: bit(0),
                gone: bit(1),
                doomed: bit(2),
                written: bit(3),
                new_token: bit(4),
                touch_due: bit(5),
            };
            (facts, plan(facts))
        })
    }

    #[test]
    fn nothing_is_written_for_a_session_that_ended() {
        for (facts, plan) in all().filter(|(facts, _)| facts.gone) {
            assert!(matches!(plan, Plan::Drop | Plan::Nothing), "{facts:?}");
        }
    }

    #[test]
    fn nothing_is_created_without_a_write() {
        for (facts, plan) in all().filter(|(facts, _)| !facts.written) {
            assert!(!matches!(plan, Plan::Create | Plan::Replace | Plan::Apply), "{facts:?}");
        }
    }

    #[test]
    fn what_was_destroyed_is_always_deleted_unless_it_ended_already() {
        for (facts, plan) in all().filter(|(facts, _)| facts.doomed && !facts.gone) {
            assert!(matches!(plan, Plan::Destroy | Plan::Replace), "{facts:?}");
        }
    }

    #[test]
    fn live_session_is_never_created_again() {
        for (facts, plan) in all().filter(|(facts, _)| facts.live && !facts.doomed && !facts.gone) {
            assert_ne!(plan, Plan::Create, "{facts:?}");
            if facts.new_token {
                assert_eq!(plan, Plan::Rotate, "{facts:?}");
            }
        }
    }

    #[test]
    fn touch_never_stands_beside_a_write() {
        for (facts, plan) in all().filter(|(_, plan)| *plan == Plan::Touch) {
            assert!(facts.live && facts.touch_due, "{facts:?} {plan:?}");
            assert!(!(facts.written || facts.new_token || facts.doomed), "{facts:?}");
        }
    }
}
