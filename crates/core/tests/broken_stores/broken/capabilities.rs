//! Flaws of `Index`, `Sweep`, `Purge`, `Import` and `Check`.

use std::{sync::Arc, time::Duration};

use tower_keep_core::{
    Check, Checked, Created, Cursor, Fields, Import, Index, LayerName, Listed, OverLimit, Page,
    Problem, ProblemKind, Purge, Purged, Query, Record, SessionId, Stats, Store, StoreFuture,
    Sweep, Swept, Timestamp, UserLimit,
};

use super::{Broken, Flaw, pause};
use crate::reference::{Records, going_on, make_room, matching, page, put, stats_of};

/// Before any session expires.
const EPOCH: Timestamp = Timestamp::from_millis(0);

/// What a short session of the suite lives for if it is not touched.
const FOUR_TICKS: Duration = Duration::from_secs(4);

impl Index for Broken {
    fn list<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        let flaw = self.flaw;
        self.inner.step(move |records, now| {
            let now = if flaw == Flaw::ExpiredIsListed { EPOCH } else { now };
            let found = match flaw {
                Flaw::UsersFoldCase => folding(records, now, query),
                Flaw::UsersSpanLayers => of_user_anywhere(records, now, query),
                Flaw::UserNeedsNoLayer if query.layer.is_none() => {
                    of_user_anywhere(records, now, query)
                }
                Flaw::ListForgetsFields => forgetful(matching(records, now, query)),
                _ => matching(records, now, query),
            };
            let after = query.after.as_ref().map(Cursor::as_str);
            let strange = after.is_some_and(|after| after.parse::<SessionId>().is_err());
            match flaw {
                Flaw::PagesCountFromTheStart => counted(found, after, query.limit),
                Flaw::PagesIgnoreTheLimit => page(going_on(found, query), usize::MAX),
                Flaw::PagesRepeat => {
                    let last = after.map(str::to_owned);
                    let last = found.iter().find(|it| Some(it.id.to_string()) == last);
                    let last = last.filter(|_| query.limit > 1).cloned();
                    let found = last.into_iter().chain(going_on(found, query));
                    page(found.collect(), query.limit)
                }
                Flaw::CursorPanics if strange => panic!("a cursor of another store"),
                Flaw::CursorStartsAnew if strange => page(found, query.limit),
                Flaw::CursorOpensAnything if strange => {
                    page(matching(records, now, &Query::all()), query.limit)
                }
                _ => page(going_on(found, query), query.limit),
            }
        })
    }

    fn stats<'a>(&'a self, layer: Option<&'a LayerName>) -> StoreFuture<'a, Stats> {
        let flaw = self.flaw;
        self.inner.step(move |records, now| {
            let now = if flaw == Flaw::StatsCountExpired { EPOCH } else { now };
            let query = layer.cloned().map_or_else(Query::all, Query::from);
            let mut stats = stats_of(&matching(records, now, &query));
            if flaw == Flaw::StatsCountSessionsAsUsers {
                stats.users = stats.signed_in;
            }
            stats
        })
    }
}

/// Users that differ in case are one.
fn folding(records: &Records, now: Timestamp, query: &Query) -> Vec<Listed> {
    let mut everybody = query.clone();
    everybody.user = None;
    let folded = |user: &tower_keep_core::UserId| user.as_str().to_lowercase();
    let mut found = matching(records, now, &everybody);
    found.retain(|listed| {
        query.user.is_none()
            || query.user.as_ref().map(folded) == listed.record.user.as_ref().map(folded)
    });
    found
}

/// Users of one name in all layers are one.
fn of_user_anywhere(records: &Records, now: Timestamp, query: &Query) -> Vec<Listed> {
    let mut anybody = query.clone();
    anybody.user = None;
    if query.user.is_some() {
        anybody.layer = None;
    }
    let mut found = matching(records, now, &anybody);
    found.retain(|listed| query.user.is_none() || query.user == listed.record.user);
    found
}

/// Sessions without their fields.
fn forgetful(found: Vec<Listed>) -> Vec<Listed> {
    let empty = |mut listed: Listed| {
        Arc::make_mut(&mut listed.record).fields = Fields::default();
        listed
    };
    found.into_iter().map(empty).collect()
}

/// A page by its offset, which moves when sessions before it go.
fn counted(found: Vec<Listed>, after: Option<&str>, limit: usize) -> Page {
    let start: usize = after.and_then(|after| after.parse().ok()).unwrap_or(0);
    let end = start.saturating_add(limit).min(found.len());
    let next = (end < found.len()).then(|| Cursor::new(end.to_string()));
    Page::new(found.into_iter().take(end).skip(start).collect(), next)
}

impl Sweep for Broken {
    fn sweep(&self, limit: usize) -> StoreFuture<'_, Swept> {
        let flaw = self.flaw;
        match flaw {
            Flaw::SweepRemovesLive => self.sweep_later(limit, |_, _| true),
            Flaw::SweepForgetsTouches => {
                self.sweep_later(limit, |record, now| record.created_at + FOUR_TICKS <= now)
            }
            Flaw::SweepChecksFirst | Flaw::SweepCountsTwice => {
                self.sweep_later(limit, Record::is_expired)
            }
            _ => StoreFuture::new(async move {
                let limit = match flaw {
                    Flaw::SweepIgnoresLimit => usize::MAX,
                    _ => limit,
                };
                match (flaw, Sweep::sweep(&self.inner, limit).await?) {
                    (Flaw::SweepSaysDone, Swept::Removed { sessions, .. }) => {
                        Ok(Swept::Removed { sessions, more: false })
                    }
                    (Flaw::SweepNeverEnds, Swept::Removed { sessions, .. }) => {
                        Ok(Swept::Removed { sessions, more: true })
                    }
                    (_, swept) => Ok(swept),
                }
            }),
        }
    }
}

impl Broken {
    /// Chooses in one step what it removes in another.
    fn sweep_later(
        &self,
        limit: usize,
        choose: fn(&Record, Timestamp) -> bool,
    ) -> StoreFuture<'_, Swept> {
        StoreFuture::new(async move {
            let chosen = self.inner.step(|records, now| {
                let chosen = records.iter().filter(|(_, record)| choose(record, now));
                chosen.map(|(id, _)| *id).collect::<Vec<_>>()
            });
            let chosen = chosen.await?;
            pause().await;
            let remove = |records: &mut Records, _| {
                let before = records.len();
                for id in chosen.iter().take(limit) {
                    records.remove(id);
                }
                before - records.len()
            };
            let removed = self.inner.step(remove).await?;
            let sessions = match self.flaw {
                Flaw::SweepCountsTwice => chosen.len().min(limit),
                _ => removed,
            };
            Ok(Swept::Removed { sessions: sessions as u64, more: chosen.len() > limit })
        })
    }
}

impl Purge for Broken {
    fn purge(&self) -> StoreFuture<'_, Purged> {
        let flaw = self.flaw;
        self.inner.step(move |records, now| {
            let before = records.len();
            match flaw {
                Flaw::PurgeSparesExpired => records.retain(|_, record| record.is_expired(now)),
                Flaw::PurgeSparesALayer => {
                    records.retain(|_, record| record.layer.as_str() == "elsewhere");
                }
                _ => records.clear(),
            }
            let mut sessions = (before - records.len()) as u64;
            if flaw == Flaw::PurgeMiscounts {
                sessions += 1;
            }
            Purged { sessions, bytes: 0 }
        })
    }
}

impl Check for Broken {
    fn check(&self) -> StoreFuture<'_, Checked> {
        let flaw = self.flaw;
        StoreFuture::new(async move {
            let orphan = |id: &SessionId| Problem::new(ProblemKind::Orphaned, id.to_string());
            let seen = self.inner.step(|records, _| records.keys().copied().collect::<Vec<_>>());
            let seen = seen.await?;
            let mut checked = Check::check(&self.inner).await?;
            match flaw {
                Flaw::CheckCountsExpired => checked.sessions = seen.len() as u64,
                Flaw::CheckMends => {
                    self.inner.step(|records, _| records.clear()).await?;
                }
                Flaw::CheckReportsTheWhole => checked.problems.extend(seen.first().map(orphan)),
                Flaw::CheckMeetsWriters => {
                    pause().await;
                    let left = |records: &mut Records, _| {
                        seen.iter().filter(|id| !records.contains_key(*id)).map(orphan).collect()
                    };
                    checked.problems = self.inner.step(left).await?;
                }
                _ => {}
            }
            Ok(checked)
        })
    }
}

impl Import for Broken {
    fn import<'a>(&'a self, id: &'a SessionId, record: &'a Record) -> StoreFuture<'a, Created> {
        let flaw = self.flaw;
        StoreFuture::new(async move {
            let mut record = record.clone();
            match flaw {
                Flaw::ImportOverwrites => {
                    self.inner.delete(id).await?;
                }
                Flaw::ImportChecksFirst => {
                    if self.inner.load(id).await?.is_some() {
                        return Ok(Created::Taken);
                    }
                    pause().await;
                    let put = |records: &mut Records, now| put(records, *id, record, now, 0);
                    return Ok(Created::Created(self.inner.step(put).await?));
                }
                Flaw::ImportTakesExpired => {
                    let put = |records: &mut Records, now| put(records, *id, record, now, 0);
                    return Ok(Created::Created(self.inner.step(put).await?));
                }
                Flaw::ImportEvicts => {
                    let evict = |records: &mut Records, now| {
                        let limit = UserLimit::new(1, OverLimit::EvictOldest);
                        let (layer, user) = (&record.layer, record.user.as_ref());
                        make_room(records, now, layer, user, Some(limit), id)
                    };
                    self.inner.step(evict).await?;
                }
                Flaw::ImportRefusesExpired => {
                    let expired = self.inner.step(|_, now| record.is_expired(now));
                    if expired.await? {
                        return Ok(Created::Taken);
                    }
                }
                Flaw::ImportResetsTheVersion => record.version = 1,
                Flaw::ImportRestarts => record.created_at = record.last_active,
                _ => {}
            }
            Import::import(&self.inner, id, &record).await
        })
    }
}
