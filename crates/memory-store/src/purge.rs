//! Removes all sessions.

use std::sync::atomic::Ordering::Relaxed;

use tower_keep_core::Purged;

use crate::{
    figures::cost,
    keep::{Keep, lock},
    list::let_others_run,
    place::Place,
};

/// So many sessions are removed before other tasks have a turn.
const BATCH: usize = 1_024;

impl Keep {
    pub(crate) async fn purge(&self) -> Purged {
        let _purging = Purging::begin(self);
        let mut purged = Purged::default();
        for shard in &self.shards {
            let mut places: Vec<Place> = Vec::with_capacity(shard.len());
            shard.visit(|place, _| places.push(place));
            for batch in places.chunks(BATCH) {
                for place in batch {
                    // No rotation is under way, so no node is pending.
                    if let Some(node) = shard.take_if(*place, |node| !node.is_pending()) {
                        purged.sessions += 1;
                        purged.bytes += u64::try_from(cost(&node.record)).unwrap_or(0);
                        self.forget(*place, &node);
                    }
                }
                let_others_run().await;
            }
            shard.tidy();
        }
        purged
    }
}

/// While it is there, rotations remove their session instead of moving it.
struct Purging<'a>(&'a Keep);

impl<'a> Purging<'a> {
    fn begin(keep: &'a Keep) -> Self {
        // Under the turn, so that no rotation is under way afterwards.
        let turn = lock(&keep.rotations);
        keep.purges.fetch_add(1, Relaxed);
        drop(turn);
        Self(keep)
    }
}

impl Drop for Purging<'_> {
    fn drop(&mut self) {
        self.0.purges.fetch_sub(1, Relaxed);
    }
}
