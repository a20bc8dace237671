//! Makes the table, or brings it up to date.

use tower_keep_core::StoreError;

use super::{
    exclusive::Exclusive,
    link::Link,
    statements::{migrations, migrations_table, schema},
};
use crate::name::TableName;

/// Takes the steps to the present table that were not taken yet. Instances that start at once wait for
/// each other.
pub(crate) async fn migrate(exclusive: &Exclusive, table: &TableName) -> Result<(), StoreError> {
    let link = exclusive.take().await?;
    // 'tower-keep', so that nobody else's lock is meant. It ends with the transaction.
    link.batch("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('tower-keep migrations', 0))")
        .await?;
    steps(&link, table).await?;
    link.batch("COMMIT").await?;
    link.give_back();
    Ok(())
}

async fn steps(link: &Link, table: &TableName) -> Result<(), StoreError> {
    // What is there is not made again, so that an up-to-date database asks for no right to do so.
    if let Some(create) = schema(table)
        && !is_there(link, "to_regnamespace", &table.schema('"').unwrap_or_default()).await?
    {
        link.batch(&create).await?;
    }
    let kept = table.suffixed("_migrations", '"');
    if !is_there(link, "to_regclass", &kept).await? {
        link.batch(&migrations_table(table)).await?;
    }
    let rows = link.once(&format!("SELECT version FROM {kept}"), &[]).await?;
    let taken: Vec<i32> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    for step in migrations(table) {
        if taken.contains(&step.version) {
            continue;
        }
        for statement in &step.statements {
            link.batch(statement).await?;
        }
        let done = format!("INSERT INTO {kept} (version) VALUES ({})", step.version);
        link.batch(&done).await?;
    }
    Ok(())
}

async fn is_there(link: &Link, function: &str, name: &str) -> Result<bool, StoreError> {
    let rows = link.once(&format!("SELECT {function}('{name}') IS NOT NULL"), &[]).await?;
    Ok(rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)))
}
