//! Finds sessions by user and page by page, and counts them.

use std::{collections::HashSet, sync::Arc};

use super::{
    calls::{Call, Calls},
    keep::Keep,
    members::Held,
    users,
    walk::Walk,
};
use crate::{Cursor, LayerName, Listed, Loaded, Page, Query, SessionId, Stats, StoreError, UserId};

/// So many sessions are read at once.
const AT_ONCE: usize = 32;

/// So many pages of members one page of ours is made of at most: where most of what they hold is shown
/// by others or has ended, a page may be shorter than was asked for.
const MOST_PAGES: usize = 20;

impl Keep {
    pub(super) async fn list(self: &Arc<Self>, query: &Query) -> Result<Page, StoreError> {
        match (&query.user, &query.layer) {
            (Some(user), Some(layer)) => self.list_user(layer, user, query).await,
            // Users of two layers are strangers, so a user of no layer is nobody.
            (Some(_), None) => Ok(Page::default()),
            (None, layer) => self.list_all(layer.as_ref(), query).await,
        }
    }

    pub(super) async fn stats(
        self: &Arc<Self>,
        layer: Option<&LayerName>,
    ) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        let mut users = HashSet::new();
        let mut query = Query::all().with_limit(500);
        query.layer = layer.cloned();
        loop {
            let page = self.list(&query).await?;
            for Listed { record, .. } in &page.sessions {
                let began = record.created_at;
                stats.active += 1;
                stats.oldest = Some(stats.oldest.map_or(began, |oldest| oldest.min(began)));
                stats.newest = stats.newest.max(Some(began));
                if let Some(user) = &record.user {
                    stats.signed_in += 1;
                    users.insert((record.layer.clone(), user.clone()));
                }
            }
            if page.next.is_none() {
                break;
            }
            query = query.after(page.next);
        }
        stats.users = users.len() as u64;
        Ok(stats)
    }

    /// One user's sessions in the order of their ids.
    async fn list_user(
        self: &Arc<Self>,
        layer: &LayerName,
        user: &UserId,
        query: &Query,
    ) -> Result<Page, StoreError> {
        let after = query.after.as_ref().map(|cursor| cursor.as_str().parse::<SessionId>());
        let Ok(after) = after.transpose() else { return Ok(Page::default()) };
        let mut ids = self.ids_of(layer, user).await?;
        ids.retain(|id| Some(*id) > after);
        let limit = query.limit.max(1);
        let mut page = Page::default();
        let mut left = &ids[..];
        while !left.is_empty() && page.sessions.len() < limit {
            let (some, rest) = left.split_at(left.len().min(limit - page.sessions.len()));
            let live = self.read_each(some).await?;
            page.sessions.extend(live.into_iter().filter(|listed| {
                listed.record.layer.is(layer) && listed.record.user.as_ref() == Some(user)
            }));
            left = rest;
            page.next = some.last().map(|last| Cursor::new(last.to_string()));
        }
        page.next = page.next.filter(|_| !left.is_empty());
        Ok(page)
    }

    async fn list_all(
        self: &Arc<Self>,
        layer: Option<&LayerName>,
        query: &Query,
    ) -> Result<Page, StoreError> {
        let members = &self.register.members;
        let limit = query.limit.max(1);
        let mut walk = Walk::at(members, query.after.as_ref());
        let mut page = Page::default();
        for _ in 0..MOST_PAGES {
            let Some(at) = walk.take_if(|_| page.sessions.len() < limit) else { break };
            let wanted = limit - page.sessions.len();
            let (records, next) = at.clone().next(members, layer, wanted).await?;
            let shown = |listed: &Listed| {
                if listed.record.layer.as_str() == users::LAYER {
                    return None;
                }
                let loaded = Loaded { record: Arc::clone(&listed.record), at: self.register.now() };
                match Held::of(loaded) {
                    // The copy may be behind, and is good for no more than this.
                    Ok(Held::Vote(_, vote)) => {
                        let is_elsewhere =
                            vote.accepted.is_some_and(|(_, value)| !at.shows(value.homes));
                        (!is_elsewhere).then_some(listed.id)
                    }
                    Ok(Held::Nothing) => None,
                    Err(_) => Some(listed.id),
                }
            };
            let ids: Vec<SessionId> = records.iter().filter_map(shown).collect();
            for (listed, homes) in self.read_with_homes(&ids).await? {
                let is_asked_for = layer.is_none_or(|layer| listed.record.layer.is(layer));
                if is_asked_for && at.shows(homes) {
                    page.sessions.push(listed);
                }
            }
            walk = next;
        }
        page.next = walk.map(|walk| walk.cursor());
        Ok(page)
    }

    async fn read_each(self: &Arc<Self>, ids: &[SessionId]) -> Result<Vec<Listed>, StoreError> {
        let found = self.read_with_homes(ids).await?;
        Ok(found.into_iter().map(|(listed, _)| listed).collect())
    }

    /// The live ones of some sessions in their order, each with its homes.
    async fn read_with_homes(
        self: &Arc<Self>,
        ids: &[SessionId],
    ) -> Result<Vec<(Listed, u64)>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(AT_ONCE) {
            let mut answers = vec![None; some.len()];
            let mut calls = Calls::new(some.iter().enumerate().map(|(place, id)| {
                let (keep, id) = (Arc::clone(self), *id);
                let call: Call<_> = Box::pin(async move { keep.live(id).await });
                (place, call)
            }));
            while let Some((place, answer)) = calls.next().await {
                answers[place] = answer?;
            }
            found.extend(some.iter().zip(answers).filter_map(|(id, value)| {
                let value = value?;
                Some((Listed { id: *id, record: Arc::clone(value.record()) }, value.homes))
            }));
        }
        Ok(found)
    }
}
