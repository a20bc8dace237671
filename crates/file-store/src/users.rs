//! Which sessions a user has: an empty file for each, found by the hash of the user.

use tower_keep_core::{
    LayerName, OverLimit, Record, SessionId, StoreError, Timestamp, UserId, UserLimit,
};

use crate::{
    layout::{UserKey, parse_marker},
    session_file::State,
    step::Step,
};

/// What a user's limit asks for.
pub(crate) enum Room {
    /// These sessions have to go; none, mostly.
    After(Vec<SessionId>),
    /// There is none.
    Full,
}

impl Step<'_> {
    /// Marks a session as a user's, before it is. Hold its shard.
    pub(crate) fn mark(&self, key: UserKey, id: &SessionId) -> Result<(), StoreError> {
        self.make_empty(&key.marker(id))
    }

    /// Whether a session is marked as its user's; one of nobody needs no mark.
    pub(crate) fn is_marked(
        &self,
        id: &SessionId,
        key: Option<UserKey>,
    ) -> Result<bool, StoreError> {
        match key {
            Some(key) => Ok(self.start(&key.marker(id), 0)?.is_some()),
            None => Ok(true),
        }
    }

    /// Removes a mark. A sweep removes it otherwise, and nobody minds until then. Hold the shard.
    pub(crate) fn unmark(&self, key: UserKey, id: &SessionId) {
        if let Err(error) = self.remove(&key.marker(id)) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a mark of a user stays");
        }
    }

    /// The ids that are marked as a user's, in order.
    pub(crate) fn marked(&self, key: UserKey) -> Result<Vec<SessionId>, StoreError> {
        let names = self.list(&key.folder())?;
        let marks = names.iter().filter_map(|name| parse_marker(name));
        Ok(marks.filter(|(of, _)| *of == key).map(|(_, id)| id).collect())
    }

    /// A user's live sessions in the order of their ids. Hold the desk.
    pub(crate) fn sessions_of(
        &self,
        layer: &LayerName,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, Record)>, StoreError> {
        let mut sessions = Vec::new();
        for id in self.marked(UserKey::new(layer, user))? {
            if let State::Live(entry) = self.find(&id, now)?
                && entry.record.layer == *layer
                && entry.record.user.as_ref() == Some(user)
            {
                sessions.push((id, entry.record));
            }
        }
        Ok(sessions)
    }

    /// What has to go so that a user's limit allows one more session. Hold the desk.
    ///
    /// `moving` is a session of the user that the new one is made of.
    pub(crate) fn room(
        &self,
        layer: &LayerName,
        user: Option<&UserId>,
        limit: Option<UserLimit>,
        moving: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<Room, StoreError> {
        let (Some(user), Some(limit)) = (user, limit) else {
            return Ok(Room::After(Vec::new()));
        };
        let mut others = self.sessions_of(layer, user, now)?;
        others.retain(|(id, _)| Some(id) != moving);
        let over = others.len().saturating_sub((limit.sessions as usize).saturating_sub(1));
        if limit.over == OverLimit::EvictOldest {
            others.sort_by_key(|(id, record)| (record.created_at, *id));
            return Ok(Room::After(others[..over].iter().map(|(id, _)| *id).collect()));
        }
        Ok(if over == 0 && limit.sessions > 0 { Room::After(Vec::new()) } else { Room::Full })
    }

    /// Revokes a user's sessions; says how many. Hold the desk and their shards.
    ///
    /// It comes before the session that they make room for: in a crash between the two the limit
    /// holds, and the sign-in that is tried again would have revoked them too.
    pub(crate) fn evict(&self, ids: &[SessionId], now: Timestamp) -> Result<u32, StoreError> {
        let mut evicted = 0;
        for id in ids {
            if let Some(entry) = self.live(id, now)? {
                self.remove_session(id, &entry.record)?;
                evicted += 1;
            }
        }
        Ok(evicted)
    }
}
