//! Bringing members up to date that were away: [`Repaired`], [`Repairing`].

use std::{sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use super::{keep::Keep, members::Held, walk::Walk};
use crate::{Cursor, Loaded, StoreError};

/// The outcome of [`ReplicatedStore::repair`](super::ReplicatedStore::repair).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// How many records of members were looked at.
    pub looked_at: u64,
    /// How many were brought to a member that lacked them or had an older version.
    pub mended: u64,
    /// Where the next step begins; `None` when all members were gone through.
    pub next: Option<Cursor>,
}

/// Repairs that go on in the background until this is dropped.
#[derive(Debug)]
#[must_use = "the repairs end when this is dropped: keep it as long as the server runs"]
pub struct Repairing(AbortHandle);

impl Drop for Repairing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// So many records are looked at in one step in the background.
const STEP: usize = 100;

impl Keep {
    /// Looks at some records of one member, and brings each to all members.
    pub(super) async fn repair(
        self: &Arc<Self>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Repaired, StoreError> {
        let members = &self.register.members;
        let mut repaired = Repaired::default();
        let Some(walk) = Walk::at(members, after) else { return Ok(repaired) };
        let (records, next) = walk.next(members, None, limit.max(1)).await?;
        for listed in records {
            repaired.looked_at += 1;
            let loaded = Loaded { record: listed.record, at: self.register.now() };
            if !matches!(Held::of(loaded), Ok(Held::Nothing)) {
                // One session that cannot be repaired now must not keep the others from it.
                repaired.mended += self.register.mend(listed.id).await.unwrap_or(0);
            }
        }
        repaired.next = next.map(|next| next.cursor());
        Ok(repaired)
    }

    pub(super) fn repair_every(self: &Arc<Self>, pause: Duration) -> Repairing {
        let keep = Arc::clone(self);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let mut next = None;
                let mut mended = 0;
                loop {
                    match keep.repair(next.as_ref(), STEP).await {
                        Ok(repaired) => {
                            mended += repaired.mended;
                            next = repaired.next;
                        }
                        Err(error) => {
                            let error: &dyn std::error::Error = &error;
                            tracing::warn!(error, "a repair of the replicated store ended early");
                            next = None;
                        }
                    }
                    if next.is_none() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                if mended > 0 {
                    tracing::info!(
                        mended,
                        "members of the replicated store were brought up to date"
                    );
                }
            }
        });
        Repairing(task.abort_handle())
    }
}
