//! Removes all sessions.

use std::{error::Error as StdError, fmt, sync::Arc};

use tower_keep_core::{Purged, StoreError};

use crate::{
    format::is_ours,
    keep::Keep,
    layout::{DAMAGED, Shards, USERS, join, parse_marker, temporary},
    step::Step,
};

/// Enough of a file to see whether it is ours.
const START: usize = 32;

impl Keep {
    /// Removes all sessions. All writers wait meanwhile, so that none slips by under another id.
    pub(crate) async fn purge(self: &Arc<Self>) -> Result<Purged, StoreError> {
        self.write(Shards::ALL, |step| {
            step.confirm()?;
            let mut purged = Purged::default();
            match step.purge(&mut purged) {
                Ok(()) => Ok(purged),
                Err(source) => Err(StoreError::new(source.kind(), PurgeStopped { purged, source })),
            }
        })
        .await
    }
}

impl Step<'_> {
    /// Hold all shards.
    fn purge(&self, purged: &mut Purged) -> Result<(), StoreError> {
        for folder in self.folders()? {
            for id in self.sessions_in(&folder)? {
                let path = self.path(&id);
                // A file of somebody else can have such a name.
                if let Some((start, size)) = self.start(&path, START)?
                    && is_ours(&start)
                    && self.remove(&path)?
                {
                    self.keep.bound.count(-1);
                    purged.sessions += 1;
                    purged.bytes += size;
                }
            }
            if self.syncs() {
                self.sync_folder(&folder)?;
            }
        }
        for folder in self.list(USERS)? {
            let folder = join(USERS, &folder);
            for name in self.list(&folder)? {
                if parse_marker(&name).is_some() {
                    self.remove(&join(&folder, &name))?;
                }
            }
        }
        for shard in self.shards_with_leftovers()? {
            self.remove(&temporary(shard))?;
        }
        for name in self.list(DAMAGED)? {
            self.remove(&join(DAMAGED, &name))?;
        }
        Ok(())
    }
}

/// A purge came to an end too early.
#[derive(Debug)]
struct PurgeStopped {
    purged: Purged,
    source: StoreError,
}

impl fmt::Display for PurgeStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Purged { sessions, bytes } = self.purged;
        write!(
            f,
            "the purge stopped after {sessions} sessions and {bytes} bytes: \
             mend the cause and purge again"
        )
    }
}

impl StdError for PurgeStopped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}
