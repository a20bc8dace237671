//! Lists and counts sessions.

use sqlx::Row as _;
use tower_keep_core::{LayerName, Stats, StoreError, Timestamp};

use super::{
    error::failed,
    keep::Keep,
    values::{id as id_of, row},
};
use crate::page::{Ask, Found};

impl Keep {
    /// Some live rows.
    pub(super) async fn rows(&self, ask: &Ask) -> Result<Vec<Found>, StoreError> {
        let after = ask.after.as_ref().map_or(&[][..], |id| id.as_bytes());
        let layer = ask.layer.as_deref().map(str::as_bytes);
        let user = ask.user.as_deref().map(str::as_bytes);
        let statements = &self.statements;
        let rows = self.pool.read(|| {
            match (layer, user) {
                (None, _) => sqlx::query(&statements.list).bind(after),
                (Some(layer), None) => sqlx::query(&statements.list_layer).bind(after).bind(layer),
                (Some(layer), Some(user)) => {
                    sqlx::query(&statements.list_user).bind(after).bind(layer).bind(user)
                }
            }
            .bind(ask.rows)
        });
        let found = |found| {
            let id = id_of(found, 11)?;
            Ok((id, row(found).and_then(|row| row.record(&id))))
        };
        rows.await?.iter().map(found).collect()
    }

    pub(super) async fn stats(&self, layer: Option<&LayerName>) -> Result<Stats, StoreError> {
        let rows = self.pool.read(|| match layer {
            None => sqlx::query(&self.statements.stats),
            Some(layer) => {
                sqlx::query(&self.statements.stats_layer).bind(layer.as_str().as_bytes())
            }
        });
        let mut stats = Stats::default();
        if let Some(row) = rows.await?.first() {
            let count = |column: usize| {
                row.try_get::<i64, _>(column).map(i64::cast_unsigned).map_err(failed)
            };
            let time = |column: usize| -> Result<Option<Timestamp>, StoreError> {
                let millis: Option<i64> = row.try_get(column).map_err(failed)?;
                Ok(millis.map(Timestamp::from_millis))
            };
            stats.active = count(0)?;
            stats.signed_in = count(1)?;
            stats.users = count(2)?;
            stats.oldest = time(3)?;
            stats.newest = time(4)?;
        }
        Ok(stats)
    }
}
