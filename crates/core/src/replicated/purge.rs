//! Removes all sessions.

use std::sync::Arc;

use super::{
    calls::{Call, Calls},
    error::NoQuorum,
    keep::Keep,
};
use crate::{Purged, StoreError, StoreErrorKind};

impl Keep {
    /// Purges all members, of which a quorum must be there: what the others keep has no quorum any more,
    /// and so is no session.
    pub(super) async fn purge(self: &Arc<Self>) -> Result<Purged, StoreError> {
        let members = &self.register.members;
        let has_index = members.stores().all(|store| store.index().is_some());
        // What members count are their records, of which some are ends and places.
        let sessions = if has_index { Some(self.stats(None).await?.active) } else { None };
        let mut calls = Calls::new((0..members.len()).map(|member| {
            let members = Arc::clone(members);
            let call: Call<Purged> = Box::pin(async move {
                match members.store(member).purge() {
                    Some(purge) => purge.purge().await,
                    None => Err(StoreError::new(StoreErrorKind::Misconfigured, "no purge")),
                }
            });
            (member, call)
        }));
        let (mut purged, mut done, mut failures) = (Purged::default(), 0, Vec::new());
        while let Some((_, answer)) = calls.next().await {
            match answer {
                Ok(one) => {
                    done += 1;
                    purged.sessions = purged.sessions.max(one.sessions);
                    purged.bytes += one.bytes;
                }
                Err(error) => failures.push(error),
            }
        }
        if done < members.quorum {
            return Err(NoQuorum::error(members.quorum, failures));
        }
        Ok(Purged { sessions: sessions.unwrap_or(purged.sessions), ..purged })
    }
}
