//! Rows in the order of their ids, some at a time: [`Ask`], and [`check`] of all.

use std::sync::Arc;

use tower_keep_core::{
    Checked, Cursor, Listed, Page, Problem, ProblemKind, Query, Record, SessionId, StoreError,
    StoreErrorKind,
};

/// A row as it was found: the record under an id, or why it is none.
pub(crate) type Found = (SessionId, Result<Record, StoreError>);

/// So many rows are checked at a time.
const CHECKED: i64 = 500;

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

    /// The page that some rows make. A damaged one is left out, so that it does not hide all others.
    pub(crate) fn page(&self, mut rows: Vec<Found>) -> Page {
        let wanted = usize::try_from(self.rows - 1).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = rows.last().filter(|_| more).map(|(id, _)| Cursor::new(id.to_string()));
        let listed = |(id, found): Found| match found {
            Ok(record) => Some(Listed { id, record: Arc::new(record) }),
            Err(error) => {
                tracing::warn!(session = %id.short(), %error, "a damaged row is left out of a listing");
                None
            }
        };
        Page::new(rows.into_iter().filter_map(listed).collect(), next)
    }
}

/// Looks at all live rows, and tells which are damaged.
pub(crate) async fn check<F>(read: impl Fn(Ask) -> F) -> Result<Checked, StoreError>
where
    F: Future<Output = Result<Vec<Found>, StoreError>>,
{
    let mut checked = Checked::default();
    let mut ask = Ask { layer: None, user: None, after: None, rows: CHECKED };
    loop {
        let rows = read(ask.clone()).await?;
        let Some((last, _)) = rows.last() else { return Ok(checked) };
        ask.after = Some(*last);
        for (id, found) in rows {
            match found {
                Ok(_) => checked.sessions += 1,
                Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                    let problem = Problem::new(ProblemKind::Damaged, format!("row {id}"));
                    checked.problems.push(problem);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
