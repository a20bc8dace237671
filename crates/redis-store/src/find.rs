//! Lists sessions.

use std::collections::HashSet;

use redis::Value;
use tower_keep_core::{
    Cursor, LayerName, Listed, Page, Query, SessionId, StoreError, StoreErrorKind, UserId,
};

use crate::{
    error::{failed, unexpected},
    hash::{Stored, text},
    keep::Keep,
    key::{Kind, digits},
    servers::{Command, Shard},
};

/// So many places of a server's table are looked at by one `SCAN` at most.
pub(crate) const MOST_SCANNED: usize = 1_000;

/// So many sessions at most are found at one place of the table. Redis puts a handful there.
const MOST_LEFT: usize = 1_000;

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// In a user's set: after this id.
    User(SessionId),
    /// In the servers' tables: at this spot, or at their end, once these are listed that were found before it.
    Table(Option<Spot>, Vec<SessionId>),
}

/// A place in the servers' tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The first slot of the part of the keys that is gone through: 0 unless there is a cluster.
    shard: u16,
    /// The cursor of `SCAN` there.
    cursor: u64,
}

impl Spot {
    /// Where all the tables begin.
    pub(crate) const BEGIN: Self = Self { shard: 0, cursor: 0 };
}

impl Mark {
    fn read(cursor: &Cursor) -> Option<Self> {
        let text = cursor.as_str();
        if let Some(id) = text.strip_prefix('u') {
            return Some(Self::User(id.parse().ok()?));
        }
        let mut parts = text.strip_prefix('t')?.split('-');
        let spot = match parts.next()? {
            "" => None,
            spot => {
                let (shard, cursor) = spot.split_once('.')?;
                Some(Spot { shard: shard.parse().ok()?, cursor: cursor.parse().ok()? })
            }
        };
        let left = parts.map(|id| id.parse().ok()).collect::<Option<Vec<_>>>()?;
        let is_mark = left.len() <= MOST_LEFT && (spot.is_some() || !left.is_empty());
        is_mark.then_some(Self::Table(spot, left))
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(match self {
            Self::User(id) => format!("u{id}"),
            Self::Table(spot, left) => {
                let mut text = match spot {
                    Some(Spot { shard, cursor }) => format!("t{shard}.{cursor}"),
                    None => "t".to_owned(),
                };
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
            (None, _, None) => self.list_table(query, Some(Spot::BEGIN), Vec::new()).await,
            (None, _, Some(Ok(Mark::Table(spot, left)))) => {
                self.list_table(query, spot, left).await
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
        let mut command = Command::new("ZRANGE");
        command.arg(&*key).number(0).number(-1);
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

    /// A page in the order of the servers' tables, which holds while they grow: the cursor of
    /// `SCAN` stands for a part of the hashes. Where one place of it holds more than the page has room
    /// for, the rest is named by the mark, since others may come and go there.
    async fn list_table(
        &self,
        query: &Query,
        mut spot: Option<Spot>,
        mut left: Vec<SessionId>,
    ) -> Result<Page, StoreError> {
        let limit = query.limit.max(1);
        let shards = self.link.shards().await?;
        let mut page = Vec::new();
        let mut seen = HashSet::new();
        let mut count = limit.min(MOST_SCANNED);
        loop {
            // What the page before left over comes first.
            let is_rest = !left.is_empty();
            let (next, ids) = if is_rest {
                (spot, std::mem::take(&mut left))
            } else if let Some(here) = spot {
                self.scan(&shards, here, count).await?
            } else {
                return Ok(Page::new(page, None));
            };
            let ids: Vec<SessionId> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
            let found = self.records(&ids).await?.into_iter().flatten();
            let mut found: Vec<Listed> = found
                .filter(|listed| query.layer.as_ref().is_none_or(|of| listed.record.layer == *of))
                .collect();
            let room = limit - page.len();
            if found.len() > room && !is_rest {
                if !page.is_empty() {
                    return Ok(Page::new(page, Some(Mark::Table(spot, left).cursor())));
                }
                if count > 1 {
                    count /= 2;
                    continue;
                }
            }
            left = found.split_off(room.min(found.len())).iter().map(|listed| listed.id).collect();
            seen.extend(found.iter().map(|listed| listed.id));
            page.extend(found);
            (spot, count) = (next, limit.min(MOST_SCANNED));
            if page.len() == limit {
                let more = spot.is_some() || !left.is_empty();
                let mark = more.then(|| Mark::Table(spot, left).cursor());
                return Ok(Page::new(page, mark));
            }
        }
    }

    /// One step through the servers' tables: where the next begins, and the sessions' ids in order.
    pub(crate) async fn scan(
        &self,
        shards: &[Shard],
        spot: Spot,
        count: usize,
    ) -> Result<(Option<Spot>, Vec<SessionId>), StoreError> {
        let (next, keys) = self.scan_keys(shards, spot, count).await?;
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

    /// One step through the servers' tables: where the next begins, and the keys of our prefix.
    pub(crate) async fn scan_keys(
        &self,
        shards: &[Shard],
        spot: Spot,
        count: usize,
    ) -> Result<(Option<Spot>, Vec<Vec<u8>>), StoreError> {
        let after = shards.partition_point(|shard| shard.first <= spot.shard);
        let shard = shards.get(after.saturating_sub(1)).ok_or_else(unexpected)?;
        let mut command = Command::new("SCAN");
        command
            .number(spot.cursor)
            .arg("MATCH")
            .arg(self.keys.pattern())
            .arg("COUNT")
            .number(count);
        let answer = shard.node.send(&command).await.and_then(|reply| reply.value());
        let Value::Array(answer) = answer.map_err(failed)? else {
            return Err(unexpected());
        };
        let [next, Value::Array(keys)] = &answer[..] else { return Err(unexpected()) };
        let next = match text(next)?.parse().map_err(|_| unexpected())? {
            0 => shards.get(after.max(1)).map(|next| Spot { shard: next.first, cursor: 0 }),
            cursor => Some(Spot { shard: shard.first, cursor }),
        };
        let keys = keys.iter().filter_map(|key| match key {
            Value::BulkString(bytes) => Some(bytes.clone()),
            _ => None,
        });
        Ok((next, keys.collect()))
    }

    /// The live records under some ids, each in its place.
    async fn records(&self, ids: &[SessionId]) -> Result<Vec<Option<Listed>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.link.read_all(ids.iter().map(|id| self.keys.session(id))).await?;
        let mut listed = Vec::with_capacity(ids.len());
        for (id, (answer, at)) in ids.iter().zip(answers) {
            let hash;
            let stored = match answer {
                Ok(answer) => {
                    hash = answer;
                    Stored::part(id, &hash)
                }
                Err(error) => Err(error),
            };
            let record = match stored {
                Ok(Stored::Live(record, _)) => (!record.is_expired(at)).then(|| record.into()),
                Ok(Stored::Arriving(_)) => self.live(id).await?.map(|live| live.record),
                Ok(Stored::Nothing) => None,
                Err(error) if error.kind() != StoreErrorKind::Corrupt => return Err(error),
                Err(error) => {
                    tracing::warn!(session = %id.short(), %error, "a damaged hash is left out");
                    None
                }
            };
            listed.push(record.map(|record| Listed { id: *id, record }));
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_from_their_text() {
        let id = SessionId::from_bytes([9; 32]);
        let spot = Spot { shard: 5_461, cursor: u64::MAX };
        for mark in [
            Mark::User(id),
            Mark::Table(Some(Spot::BEGIN), vec![]),
            Mark::Table(Some(spot), vec![id, id]),
            Mark::Table(None, vec![id]),
        ] {
            assert_eq!(Mark::read(&mark.cursor()), Some(mark));
        }
        for text in ["", "u", "t", "t-", "x1", "t1-zz", "-1", "t-1", "t1", "t1.", "t.1", "t70000.1"]
        {
            assert_eq!(Mark::read(&Cursor::new(text)), None, "{text}");
        }
    }
}
