//! Finds sessions by user and page by page, and counts them.

use std::{
    collections::{BTreeMap, HashSet},
    future::poll_fn,
    sync::Arc,
    task::Poll,
};

use tower_keep_core::{
    Cursor, LayerName, Listed, Page, Query, SessionId, Stats, StoreError, Timestamp, UserId,
};

use crate::{
    keep::Keep,
    place::{Place, SHARDS},
};

impl Keep {
    pub(crate) async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let limit = query.limit.max(1);
        let after = query.after.as_ref().map(Cursor::as_str);
        // Text that this store did not write leads to no page.
        let after: Option<SessionId> = match after.map(str::parse) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Ok(Page::default()),
        };
        let mut sessions = match (&query.user, &query.layer) {
            (Some(user), Some(layer)) => self.list_user(layer, user, after),
            // Users of two layers are strangers, so a user of no layer is nobody.
            (Some(_), None) => Vec::new(),
            (None, layer) => self.list_from(layer.as_ref(), after, limit).await,
        };
        let next = (sessions.len() > limit).then(|| {
            sessions.truncate(limit);
            sessions.last().map(|last| Cursor::new(last.id.to_string()))
        });
        Ok(Page::new(sessions, next.flatten()))
    }

    pub(crate) async fn stats(&self, layer: Option<&LayerName>) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        let mut users = HashSet::new();
        for shard in &self.shards {
            let now = self.now();
            shard.visit(|_, node| {
                let record = &node.record;
                if record.is_expired(now) || layer.is_some_and(|layer| record.layer != *layer) {
                    return;
                }
                stats.active += 1;
                if let Some(user) = &record.user {
                    stats.signed_in += 1;
                    users.insert(self.users.key(&record.layer, user));
                }
                let began = record.created_at;
                stats.oldest = Some(stats.oldest.map_or(began, |oldest| oldest.min(began)));
                stats.newest = stats.newest.max(Some(began));
            });
            let_others_run().await;
        }
        stats.users = users.len() as u64;
        Ok(stats)
    }

    /// One user's sessions in the order of their ids.
    fn list_user(&self, layer: &LayerName, user: &UserId, after: Option<SessionId>) -> Vec<Listed> {
        let desk = self.users.desk(self.users.key(layer, user));
        let sessions = self.sessions_at(&desk, layer, user);
        drop(desk);
        let mut sessions: Vec<_> = sessions
            .into_iter()
            .filter(|(_, id, _)| Some(*id) > after)
            .map(|(_, id, record)| Listed { id, record })
            .collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions
    }

    /// Sessions in the order of their ids, one more than `limit` if there are so many.
    async fn list_from(
        &self,
        layer: Option<&LayerName>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Vec<Listed> {
        let mut sessions = Vec::new();
        let first = after.map_or(0, |id| Place::shard_of(&id));
        for number in first..SHARDS {
            self.list_shard(number, layer, after, limit, &mut sessions);
            if sessions.len() > limit {
                break;
            }
            let_others_run().await;
        }
        sessions
    }

    fn list_shard(
        &self,
        number: usize,
        layer: Option<&LayerName>,
        after: Option<SessionId>,
        limit: usize,
        sessions: &mut Vec<Listed>,
    ) {
        let now: Timestamp = self.now();
        // Those that come first so far. A session is visited twice where the map is resized meanwhile.
        let mut first = BTreeMap::new();
        let room = limit.saturating_add(1).saturating_sub(sessions.len());
        self.shards[number].visit(|_, node| {
            let record = &node.record;
            let has_place = || {
                first.len() < room
                    || first.last_key_value().is_some_and(|(last, _)| node.id < *last)
            };
            if Some(node.id) <= after
                || !has_place()
                || record.is_expired(now)
                || layer.is_some_and(|layer| record.layer != *layer)
            {
                return;
            }
            first.insert(node.id, Arc::clone(record));
            if first.len() > room {
                first.pop_last();
            }
        });
        sessions.extend(first.into_iter().map(|(id, record)| Listed { id, record }));
    }
}

/// Gives the other tasks of the thread a turn.
pub(crate) async fn let_others_run() {
    let mut had_turn = false;
    poll_fn(|context| {
        if had_turn {
            return Poll::Ready(());
        }
        had_turn = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
