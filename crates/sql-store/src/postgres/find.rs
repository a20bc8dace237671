//! Loads, lists and counts sessions.

use std::sync::Arc;

use tokio_postgres::types::ToSql;
use tower_keep_core::{
    LayerName, Listed, Loaded, Page, Query, SessionId, Stats, StoreError, Timestamp,
};

use super::{
    error::failed,
    keep::Keep,
    lanes::{Answer, Repeat},
    statements::Which,
    values::{Instant, row},
};
use crate::{
    data::escape_text,
    page::Ask,
    row::{corrupt, skip_damaged},
};

impl Keep {
    pub(super) async fn load(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        let values: &[&(dyn ToSql + Sync)] = &[&id.as_bytes().as_slice()];
        let Answer::Rows(rows) = self.lanes.run(Which::Load, Repeat::Freely, values).await? else {
            return Ok(None);
        };
        let Some(found) = rows.first() else { return Ok(None) };
        let Instant(at) = found.try_get(11).map_err(failed)?;
        Ok(Some(Loaded { record: Arc::new(row(found)?.record(id)?), at }))
    }

    pub(super) async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let Some(ask) = Ask::new(query) else {
            return Ok(Page::default());
        };
        let after = ask.after.as_ref().map_or(&[][..], |id| id.as_bytes());
        let layer = ask.layer.as_deref().map(escape_text);
        let user = ask.user.as_deref().map(escape_text);
        let link = self.exclusive.take().await?;
        let rows = match &user {
            Some(user) => link.rows(Which::ListUser, &[&after, &layer, &ask.rows, user]).await,
            None => link.rows(Which::List, &[&after, &layer, &ask.rows]).await,
        };
        let rows = rows.map_err(failed)?;
        link.give_back();
        let mut page = Vec::with_capacity(rows.len());
        for found in &rows {
            let id: &[u8] = found.try_get(11).map_err(failed)?;
            let id = id.try_into().map_err(|_| corrupt("an id that is none"))?;
            let id = SessionId::from_bytes(id);
            let listed = match row(found).and_then(|row| row.record(&id)) {
                Ok(record) => Some(Listed { id, record: Arc::new(record) }),
                Err(error) => {
                    skip_damaged(&id, &error);
                    None
                }
            };
            page.push((id, listed));
        }
        Ok(ask.page(page))
    }

    pub(super) async fn stats(&self, layer: Option<&LayerName>) -> Result<Stats, StoreError> {
        let layer = layer.map(|layer| escape_text(layer.as_str()));
        let link = self.exclusive.take().await?;
        let rows = link.rows(Which::Stats, &[&layer]).await.map_err(failed)?;
        link.give_back();
        let mut stats = Stats::default();
        if let Some(row) = rows.first() {
            let count = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned);
            let time = |column| -> Result<Option<Timestamp>, _> {
                Ok(row.try_get::<_, Option<Instant>>(column)?.map(|Instant(time)| time))
            };
            stats.active = count(0).map_err(failed)?;
            stats.signed_in = count(1).map_err(failed)?;
            stats.oldest = time(2).map_err(failed)?;
            stats.newest = time(3).map_err(failed)?;
            stats.users = count(4).map_err(failed)?;
        }
        Ok(stats)
    }
}
