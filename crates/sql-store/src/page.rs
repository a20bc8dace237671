//! Pages of a listing in the order of the ids: [`Ask`].

use tower_keep_core::{Cursor, Listed, Page, Query, SessionId};

/// What a page asks the database for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) layer: Option<String>,
    pub(crate) user: Option<String>,
    /// Ids above this one only.
    pub(crate) after: Option<SessionId>,
    /// One more than the page holds, to see whether there is another page.
    pub(crate) rows: i64,
}

impl Ask {
    /// What to ask for; `None` where the page is empty whatever there is.
    pub(crate) fn new(query: &Query) -> Option<Self> {
        // Users of two layers are strangers, so a user of no layer is nobody.
        if query.user.is_some() && query.layer.is_none() {
            return None;
        }
        let after = match &query.after {
            // Text that no store of this kind wrote leads to no page.
            Some(cursor) => Some(cursor.as_str().parse().ok()?),
            None => None,
        };
        Some(Self {
            layer: query.layer.as_ref().map(|layer| layer.as_str().to_owned()),
            user: query.user.as_ref().map(|user| user.as_str().to_owned()),
            after,
            rows: i64::try_from(query.limit.max(1)).map_or(i64::MAX, |rows| rows.saturating_add(1)),
        })
    }

    /// The page of so many rows, whose last one was read under `last`.
    pub(crate) fn page(&self, mut rows: Vec<(SessionId, Option<Listed>)>) -> Page {
        let wanted = usize::try_from(self.rows - 1).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = rows.last().filter(|_| more).map(|(id, _)| Cursor::new(id.to_string()));
        Page::new(rows.into_iter().filter_map(|(_, listed)| listed).collect(), next)
    }
}
