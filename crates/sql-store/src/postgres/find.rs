//! Lists and counts sessions.

use tower_keep_core::{LayerName, Stats, StoreError, Timestamp};

use super::{
    error::failed,
    keep::Keep,
    statements::Which,
    values::{Instant, id as id_of, row},
};
use crate::{
    data::escape_text,
    page::{Ask, Found},
};

impl Keep {
    /// Some live rows.
    pub(super) async fn rows(&self, ask: &Ask) -> Result<Vec<Found>, StoreError> {
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
        let found = |found| {
            let id = id_of(found, 11)?;
            Ok((id, row(found).and_then(|row| row.record(&id))))
        };
        rows.iter().map(found).collect()
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
