//! Finds sessions by user and page by page, and counts them.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tower_keep_core::{
    Cursor, LayerName, Listed, Page, Query, SessionId, Stats, StoreError, UserId,
};

use crate::{
    keep::Keep,
    layout::{Shards, UserKey, folder_of},
    session_file::State,
    step::Step,
};

/// So many files are read before the thread is given back.
const BATCH: usize = 256;

impl Keep {
    pub(crate) async fn list(self: &Arc<Self>, query: Query) -> Result<Page, StoreError> {
        let limit = query.limit.max(1);
        // Text that this store did not write leads to no page.
        let after: Option<SessionId> =
            match query.after.as_ref().map(|after| after.as_str().parse()) {
                None => None,
                Some(Ok(id)) => Some(id),
                Some(Err(_)) => return Ok(Page::default()),
            };
        let mut sessions = match (query.user, query.layer) {
            (Some(user), Some(layer)) => self.list_user(layer, user, after).await?,
            // Users of two layers are strangers, so a user of no layer is nobody.
            (Some(_), None) => Vec::new(),
            (None, layer) => self.list_from(layer, after, limit).await?,
        };
        let next = (sessions.len() > limit).then(|| {
            sessions.truncate(limit);
            sessions.last().map(|last| Cursor::new(last.id.to_string()))
        });
        Ok(Page::new(sessions, next.flatten()))
    }

    pub(crate) async fn stats(
        self: &Arc<Self>,
        layer: Option<LayerName>,
    ) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        let mut users = HashSet::new();
        let mut after = None;
        loop {
            let listed = self.list_from(layer.clone(), after, BATCH).await?;
            for Listed { record, .. } in &listed[..listed.len().min(BATCH)] {
                stats.active += 1;
                if let Some(key) = UserKey::of(record) {
                    stats.signed_in += 1;
                    users.insert(key);
                }
                let began = record.created_at;
                stats.oldest = Some(stats.oldest.map_or(began, |oldest| oldest.min(began)));
                stats.newest = stats.newest.max(Some(began));
            }
            if listed.len() <= BATCH {
                stats.users = users.len() as u64;
                return Ok(stats);
            }
            after = Some(listed[BATCH - 1].id);
        }
    }

    /// One user's sessions in the order of their ids.
    async fn list_user(
        self: &Arc<Self>,
        layer: LayerName,
        user: UserId,
        after: Option<SessionId>,
    ) -> Result<Vec<Listed>, StoreError> {
        // A rotation holds the desk too, so that no session slips by under its other id.
        let key = UserKey::new(&layer, &user);
        let desk = self.desk(key).await?;
        let find = move |step: &Step<'_>| {
            let mut sessions = step.sessions_of(&layer, &user, step.keep.now())?;
            sessions.retain(|(id, _)| Some(*id) > after);
            Ok(sessions)
        };
        let sessions = if self.is_remote.load(Relaxed) {
            // A session that is being replaced must not slip by a sign-out everywhere.
            let marked = self.read(move |step| step.marked(key)).await?;
            self.write(Shards::of(marked), find).await?
        } else {
            self.read(find).await?
        };
        drop(desk);
        let listed = |(id, record)| Listed { id, record: Arc::new(record) };
        Ok(sessions.into_iter().map(listed).collect())
    }

    /// Sessions in the order of their ids, one more than `limit` if there are so many.
    async fn list_from(
        self: &Arc<Self>,
        layer: Option<LayerName>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut listing = self.read(move |step| Listing::from(step, layer, after, limit)).await?;
        while !listing.is_over() {
            listing = self.read(move |step| listing.go_on(step)).await?;
        }
        Ok(listing.sessions)
    }
}

/// A listing under way.
struct Listing {
    layer: Option<LayerName>,
    /// What is still to be read, the next last.
    folders: Vec<String>,
    ids: Vec<SessionId>,
    after: Option<SessionId>,
    limit: usize,
    sessions: Vec<Listed>,
}

impl Listing {
    fn from(
        step: &Step<'_>,
        layer: Option<LayerName>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Self, StoreError> {
        step.confirm()?;
        let mut folders = step.folders()?;
        let first = after.map_or(String::new(), |id| folder_of(&id, step.keep.fan_out));
        folders.retain(|folder| *folder >= first);
        folders.reverse();
        let listing = Self { layer, folders, ids: Vec::new(), after, limit, sessions: Vec::new() };
        listing.go_on(step)
    }

    fn is_over(&self) -> bool {
        self.sessions.len() > self.limit || (self.ids.is_empty() && self.folders.is_empty())
    }

    fn go_on(mut self, step: &Step<'_>) -> Result<Self, StoreError> {
        let now = step.keep.now();
        for _ in 0..BATCH {
            while self.ids.is_empty() {
                let Some(folder) = self.folders.pop() else {
                    return Ok(self);
                };
                self.ids = step.sessions_in(&folder)?;
                self.ids.retain(|id| Some(*id) > self.after);
                self.ids.reverse();
            }
            let Some(id) = self.ids.pop() else { break };
            if let State::Live(entry) = step.find(&id, now)?
                && self.layer.as_ref().is_none_or(|layer| entry.record.layer == *layer)
            {
                self.sessions.push(Listed { id, record: Arc::new(entry.record) });
            }
            if self.is_over() {
                break;
            }
        }
        Ok(self)
    }
}
