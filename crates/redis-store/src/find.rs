//! Lists and counts sessions.

use std::{collections::HashSet, sync::Arc};

use redis::Value;
use tower_keep_core::{
    Cursor, LayerName, Listed, Page, Query, SessionId, Stats, StoreError, Timestamp, UserId,
};

use crate::{
    error::unexpected,
    hash::{Stored, text},
    keep::Keep,
    key::{Kind, digits},
};

/// So many places of the server's table are looked at by one `SCAN` at most.
const MOST_SCANNED: usize = 1_000;

/// So many sessions at most are found at one place of the table. Redis puts a handful there.
const MOST_LEFT: usize = 1_000;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// In a user's set: after this id.
    User(SessionId),
    /// In the server's table: at this cursor, once these are listed that were found before it.
    Table(u64, Vec<SessionId>),
}

impl Mark {
    fn read(cursor: &Cursor) -> Option<Self> {
        let text = cursor.as_str();
        if let Some(id) = text.strip_prefix('u') {
            return Some(Self::User(id.parse().ok()?));
        }
        let mut parts = text.strip_prefix('t')?.split('-');
        let cursor = parts.next()?.parse().ok()?;
        let left = parts.map(|id| id.parse().ok()).collect::<Option<Vec<_>>>()?;
        (left.len() <= MOST_LEFT).then_some(Self::Table(cursor, left))
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(match self {
            Self::User(id) => format!("u{id}"),
            Self::Table(cursor, left) => {
                let mut text = format!("t{cursor}");
                for id in left {
                    text.push('-');
                    text.push_str(&digits(id));
                }
                text
            }
        })
    }
}

impl Keep {
    pub(crate) async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let mark = query.after.as_ref().map(|cursor| Mark::read(cursor).ok_or(()));
        match (&query.user, &query.layer, mark) {
            (Some(_), None, _) | (_, _, Some(Err(()))) => Ok(Page::default()),
            (Some(user), Some(layer), None) => self.list_user(query, layer, user, None).await,
            (Some(user), Some(layer), Some(Ok(Mark::User(after)))) => {
                self.list_user(query, layer, user, Some(after)).await
            }
            (None, _, None) => self.list_table(query, None, Vec::new()).await,
            (None, _, Some(Ok(Mark::Table(cursor, left)))) => {
                self.list_table(query, Some(cursor), left).await
            }
            _ => Ok(Page::default()),
        }
    }

    async fn list_user(
        &self,
        query: &Query,
        layer: &LayerName,
        user: &UserId,
        after: Option<SessionId>,
    ) -> Result<Page, StoreError> {
        let key = self.keys.user(layer, user);
        let mut command = redis::cmd("ZRANGE");
        command.arg(&*key).arg(0).arg(-1);
        let Value::Array(members) = self.link.send(&command).await? else {
            return Err(unexpected());
        };
        let ids = members.iter().filter_map(|member| text(member).ok()?.parse().ok());
        let mut ids: Vec<SessionId> = ids.filter(|id| Some(id) > after.as_ref()).collect();
        ids.sort_unstable();
        let mut page = Vec::new();
        let mut dead = Vec::new();
        for some in ids.chunks(query.limit.saturating_add(1).min(MOST_SCANNED)) {
            for (id, listed) in some.iter().zip(self.records(some).await?) {
                match listed {
                    Some(listed)
                        if listed.record.layer == *layer
                            && listed.record.user.as_ref() == Some(user) =>
                    {
                        page.push(listed);
                    }
                    _ => dead.push(id.to_string()),
                }
            }
            if page.len() > query.limit {
                break;
            }
        }
        if !dead.is_empty() {
            self.drop_dead(&key, dead).await;
        }
        let more = page.len() > query.limit;
        page.truncate(query.limit);
        let last = page.last().filter(|_| more).map(|listed| Mark::User(listed.id).cursor());
        Ok(Page::new(page, last))
    }

    /// A page in the order of the server's table, which holds while the table grows: the cursor of
    /// `SCAN` stands for a part of the hashes. Where one place of it holds more than the page has room
    /// for, the rest is named by the mark, since others may come and go there.
    async fn list_table(
        &self,
        query: &Query,
        from: Option<u64>,
        mut left: Vec<SessionId>,
    ) -> Result<Page, StoreError> {
        let limit = query.limit.max(1);
        let mut page = Vec::new();
        let mut seen = HashSet::new();
        let mut cursor = from.unwrap_or(0);
        let mut begun = from.is_some();
        let mut count = limit.min(MOST_SCANNED);
        loop {
            // What the page before left over comes first.
            let is_rest = !left.is_empty();
            let (next, ids) = if is_rest {
                (cursor, std::mem::take(&mut left))
            } else if begun && cursor == 0 {
                return Ok(Page::new(page, None));
            } else {
                self.scan(cursor, count).await?
            };
            let ids: Vec<SessionId> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
            let found = self.records(&ids).await?.into_iter().flatten();
            let mut found: Vec<Listed> = found
                .filter(|listed| query.layer.as_ref().is_none_or(|of| listed.record.layer == *of))
                .collect();
            let room = limit - page.len();
            if found.len() > room && !is_rest {
                if !page.is_empty() {
                    return Ok(Page::new(page, Some(Mark::Table(cursor, left).cursor())));
                }
                if count > 1 {
                    count /= 2;
                    continue;
                }
            }
            left = found.split_off(room.min(found.len())).iter().map(|listed| listed.id).collect();
            seen.extend(found.iter().map(|listed| listed.id));
            page.extend(found);
            (cursor, begun, count) = (next, true, limit.min(MOST_SCANNED));
            if page.len() == limit {
                let more = cursor != 0 || !left.is_empty();
                let mark = more.then(|| Mark::Table(cursor, left).cursor());
                return Ok(Page::new(page, mark));
            }
        }
    }

    /// One step through the server's table: the cursor of the next, and the sessions' ids in order.
    pub(crate) async fn scan(
        &self,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Vec<SessionId>), StoreError> {
        let (next, keys) = self.scan_keys(cursor, count).await?;
        let mut ids: Vec<SessionId> = keys
            .iter()
            .filter_map(|key| match self.keys.kind(key) {
                Some(Kind::Session(id)) => Some(id),
                _ => None,
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Ok((next, ids))
    }

    /// One step through the server's table: the cursor of the next, and the keys of our prefix.
    pub(crate) async fn scan_keys(
        &self,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(self.keys.pattern()).arg("COUNT").arg(count);
        let Value::Array(answer) = self.link.send(&command).await? else {
            return Err(unexpected());
        };
        let [next, Value::Array(keys)] = &answer[..] else { return Err(unexpected()) };
        let next = text(next)?.parse().map_err(|_| unexpected())?;
        let keys = keys.iter().filter_map(|key| match key {
            Value::BulkString(bytes) => Some(bytes.clone()),
            _ => None,
        });
        Ok((next, keys.collect()))
    }

    /// The live records under some ids, each in its place.
    async fn records(&self, ids: &[SessionId]) -> Result<Vec<Option<Listed>>, StoreError> {
        let mut commands = vec![redis::cmd("TIME")];
        commands.extend(ids.iter().map(|id| {
            let mut command = redis::cmd("HGETALL");
            command.arg(self.keys.session(id));
            command
        }));
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut answers = self.link.send_all(commands).await?.into_iter();
        let at = self.link.clock.set(&answers.next().ok_or_else(unexpected)?)?;
        let mut listed = Vec::with_capacity(ids.len());
        for (id, answer) in ids.iter().zip(answers) {
            let record = match Stored::read(id, &answer) {
                Ok(Stored::Live(record)) => Some(record).filter(|record| !record.is_expired(at)),
                Ok(Stored::Arriving(_)) => self.live(id).await?.map(|(record, _)| record),
                Ok(Stored::Nothing) => None,
                Err(error) => {
                    tracing::warn!(session = %id.short(), %error, "a damaged hash is left out");
                    None
                }
            };
            listed.push(record.map(|record| Listed { id: *id, record: Arc::new(record) }));
        }
        Ok(listed)
    }

    pub(crate) async fn stats(&self, layer: Option<&LayerName>) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        let mut users: HashSet<(LayerName, UserId)> = HashSet::new();
        let mut seen: HashSet<SessionId> = HashSet::new();
        let mut cursor = 0;
        loop {
            let (next, ids) = self.scan(cursor, MOST_SCANNED).await?;
            for listed in self.records(&ids).await?.into_iter().flatten() {
                let record = &listed.record;
                if layer.is_some_and(|layer| record.layer != *layer) || !seen.insert(listed.id) {
                    continue;
                }
                count(&mut stats, record.created_at);
                if let Some(user) = &record.user {
                    stats.signed_in += 1;
                    users.insert((record.layer.clone(), user.clone()));
                }
            }
            cursor = next;
            if next == 0 {
                stats.users = u64::try_from(users.len()).unwrap_or(u64::MAX);
                return Ok(stats);
            }
        }
    }
}

fn count(stats: &mut Stats, created_at: Timestamp) {
    stats.active += 1;
    stats.oldest = Some(stats.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
    stats.newest = Some(stats.newest.map_or(created_at, |newest| newest.max(created_at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_from_their_text() {
        let id = SessionId::from_bytes([9; 32]);
        for mark in [Mark::User(id), Mark::Table(17, vec![]), Mark::Table(u64::MAX, vec![id, id])] {
            assert_eq!(Mark::read(&mark.cursor()), Some(mark));
        }
        for text in ["", "u", "t", "t-", "x1", "t1-zz", "-1", "t-1"] {
            assert_eq!(Mark::read(&Cursor::new(text)), None, "{text}");
        }
    }
}
