//! All that the members hold, page by page: [`Walk`].

use std::fmt;

use super::members::Members;
use crate::{Cursor, LayerName, Listed, Query, StoreError, StoreErrorKind};

/// So many records are asked of a member at once.
const MOST: usize = 500;

/// Where a walk through all members is: one after another, each from its first page to its last.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The members that take part, a bit each. One that cannot be asked at all is left out.
    takes_part: u64,
    pub(super) member: usize,
    after: Option<Cursor>,
}

impl Walk {
    /// The beginning, or where a cursor says; `None` if the cursor is none of a walk.
    pub(super) fn at(members: &Members, cursor: Option<&Cursor>) -> Option<Self> {
        let Some(cursor) = cursor else {
            let takes_part = u64::MAX >> (64 - members.len());
            return Some(Self { takes_part, member: 0, after: None });
        };
        let mut parts = cursor.as_str().splitn(3, '.');
        let takes_part = u64::from_str_radix(parts.next()?, 16).ok()?;
        let member: usize = parts.next()?.parse().ok()?;
        let rest = parts.next()?;
        let after = match rest.strip_prefix('=') {
            Some(inner) => Some(Cursor::new(inner)),
            None if rest.is_empty() => None,
            None => return None,
        };
        let is_known = member < members.len()
            && takes_part.checked_shr(u32::try_from(members.len()).ok()?).unwrap_or(0) == 0
            && takes_part >> member & 1 == 1;
        is_known.then_some(Self { takes_part, member, after })
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor::new(self.to_string())
    }

    /// Whether the present member is the one that shows what these members hold: the first of those
    /// that take part, so that nothing is shown twice.
    pub(super) fn shows(&self, homes: u64) -> bool {
        (homes & self.takes_part).trailing_zeros() as usize == self.member
    }

    /// The next records of the present member, and where the walk goes on; nowhere at the end.
    pub(super) async fn next(
        mut self,
        members: &Members,
        layer: Option<&LayerName>,
        limit: usize,
    ) -> Result<(Vec<Listed>, Option<Self>), StoreError> {
        let Some(index) = members.store(self.member).index() else {
            return Err(StoreError::new(
                StoreErrorKind::Misconfigured,
                "a member of the replicated store has no index any more",
            ));
        };
        let mut query = Query::all().after(self.after.clone()).with_limit(limit.min(MOST));
        query.layer = layer.cloned();
        match members.within(self.member, index.list(&query)).await {
            Ok(page) => {
                self.after = page.next;
                let goes_on = self.after.is_some() || self.go_to_next(members);
                Ok((page.sessions, goes_on.then_some(self)))
            }
            // Nothing of it was shown yet, so that the others can show what it holds.
            Err(error) if self.after.is_none() => {
                self.takes_part &= !(1 << self.member);
                if (self.takes_part.count_ones() as usize) < members.quorum {
                    return Err(error);
                }
                let goes_on = self.go_to_next(members);
                Ok((Vec::new(), goes_on.then_some(self)))
            }
            Err(error) => Err(error),
        }
    }

    fn go_to_next(&mut self, members: &Members) -> bool {
        self.after = None;
        let next = (self.member + 1..members.len()).find(|next| self.takes_part >> next & 1 == 1);
        self.member = next.unwrap_or(self.member);
        next.is_some()
    }
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}.", self.takes_part, self.member)?;
        match &self.after {
            Some(after) => write!(f, "={}", after.as_str()),
            None => Ok(()),
        }
    }
}
