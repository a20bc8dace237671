//! Makes the table, or brings it up to date.

use sqlx::Row as _;
use tower_keep_core::{StoreError, StoreErrorKind};

use super::{
    error::failed,
    keep::Keep,
    limited::{lock, unlock},
    pool::Link,
    statements::{migrations, migrations_table},
};
use crate::name::TableName;

/// So many seconds an instance waits for others that start at once.
const PATIENCE: i32 = 60;

const LOCK: &str = "tower-keep migrations";

impl Keep {
    /// Takes the steps to the present table that were not taken yet. Instances that start at once wait
    /// for each other.
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        let mut link = self.pool.take().await?;
        if !lock(&mut link, LOCK, PATIENCE).await.map_err(failed)? {
            let cause = "another instance did not finish its migration";
            return Err(StoreError::new(StoreErrorKind::TimedOut, cause));
        }
        steps(&mut link, &self.table).await.map_err(failed)?;
        unlock(&mut link, LOCK).await.map_err(failed)?;
        self.pool.give_back(link);
        Ok(())
    }
}

async fn steps(link: &mut Link, table: &TableName) -> Result<(), sqlx::Error> {
    let kept = table.suffixed("_migrations", '`');
    // What is there is not made again, so that an up-to-date database asks for no right to do so.
    let asked = "SELECT COUNT(*) FROM information_schema.tables \
                 WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
    let (schema, name) = table.parts("_migrations");
    let rows = link.read(sqlx::query(asked).bind(schema).bind(name)).await?;
    if rows.first().map_or(Ok(0_i64), |row| row.try_get(0))? == 0 {
        link.batch(&migrations_table(table)).await?;
    }
    let rows = link.read(sqlx::query(&format!("SELECT version FROM {kept}"))).await?;
    let taken: Vec<i32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    for step in migrations(table) {
        if taken.contains(&step.version) {
            continue;
        }
        for statement in &step.statements {
            link.batch(statement).await?;
        }
        link.batch(&format!("INSERT INTO {kept} (version) VALUES ({})", step.version)).await?;
    }
    Ok(())
}
