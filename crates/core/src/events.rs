//! What happens to sessions that an operator wants to know of: [`Counters`].

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{SessionId, StoreError, session::Phase};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often things happened since a layer was built.
        ///
        /// With the feature `metrics`, each is also a counter `tower_keep_…_total` of the `metrics`
        /// facade.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// Counts and reports what happens to the sessions of one layer.
        #[derive(Debug, Default)]
        pub(crate) struct Events {
            $($name: AtomicU64,)*
        }

        impl Events {
            /// The counters as they are now.
            pub(crate) fn counters(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            $(fn $name(&self, count: u64) {
                self.$name.fetch_add(count, Ordering::Relaxed);
                #[cfg(feature = "metrics")]
                metrics::counter!(concat!("tower_keep_", stringify!($name), "_total")).increment(count);
            })*
        }
    };
}

counters! {
    /// Sessions that were created.
    sessions_created,
    /// Sessions that were destroyed by a handler or revoked.
    sessions_destroyed,
    /// Sessions that got a new token.
    sessions_rotated,
    /// The oldest sessions of users who signed in too often.
    sessions_evicted,
    /// Plain inserts that overwrote a value which had changed after the request read it.
    lost_updates,
    /// Changes that were computed anew because the record had changed meanwhile.
    conflicts,
    /// Changes that were dropped because the session had ended meanwhile.
    late_commits,
    /// Changes that nobody saved after the response had begun.
    dropped_changes,
    /// Requests whose token leads to no live session.
    unknown_tokens,
    /// Requests with several cookies of which more than one leads to a live session.
    ambiguous_tokens,
    /// Records that were damaged.
    corrupt_records,
    /// Calls that the store did not carry out, or not in time.
    store_errors,
    /// New sessions that a limit refused.
    refused_sessions,
}

impl Events {
    pub(crate) fn created(&self) {
        self.sessions_created(1);
    }

    pub(crate) fn destroyed(&self, count: u64) {
        self.sessions_destroyed(count);
    }

    pub(crate) fn rotated(&self) {
        self.sessions_rotated(1);
    }

    pub(crate) fn evicted(&self, count: u32) {
        if count > 0 {
            self.sessions_evicted(count.into());
            tracing::info!(count, "the oldest sessions of a user who has too many were revoked");
        }
    }

    pub(crate) fn lost_update(&self, id: &SessionId, count: usize) {
        if count > 0 {
            self.lost_updates(count as u64);
            tracing::warn!(
                session = %id.short(),
                count,
                "lost_update: an insert overwrote a value that had changed after it was read; \
                 use `update` to compute it from the present one"
            );
        }
    }

    pub(crate) fn conflict(&self) {
        self.conflicts(1);
    }

    pub(crate) fn late_commit(&self) {
        self.late_commits(1);
        tracing::debug!("a change was dropped, because its session ended while the request ran");
    }

    pub(crate) fn dropped_dirty(&self, phase: Phase) {
        self.dropped_changes(1);
        let advice = "call `session.save().await` after changes that no response follows";
        tracing::warn!(?phase, "changes of a session were dropped unsaved; {advice}");
    }

    pub(crate) fn unknown_token(&self) {
        self.unknown_tokens(1);
        tracing::debug!(
            "a token leads to no live session: it has expired, or was never handed out"
        );
    }

    pub(crate) fn ambiguous(&self) {
        self.ambiguous_tokens(1);
        tracing::warn!("a request brought several live session tokens, and none counts");
    }

    pub(crate) fn corrupt(&self, id: &SessionId, error: &StoreError) {
        self.corrupt_records(1);
        let cause = std::error::Error::source(error);
        tracing::error!(session = %id.short(), cause, "{error}");
    }

    pub(crate) fn outage(&self, call: &'static str, error: &StoreError) {
        self.store_errors(1);
        let cause = std::error::Error::source(error);
        tracing::error!(call, cause, "{error}");
    }

    pub(crate) fn refused(&self, why: &crate::Error) {
        self.refused_sessions(1);
        tracing::info!("a new session was refused: {why}");
    }

    pub(crate) fn public_response(&self) {
        tracing::warn!(
            "a response that carries a session token was marked cacheable; it is sent with \
             `Cache-Control: no-store`"
        );
    }
}
