//! Makes the table of a database, or prints the statements that do.

use std::time::Duration;

use serde_json::json;
use tower_keep_core::{StoreError, StoreErrorKind};

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

pub(crate) async fn migrate(
    url: &str,
    timeout: Duration,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match tokio::time::timeout(timeout, tower_keep_connect::migrate(url)).await {
        Ok(migrated) => migrated.map_err(|error| Failure::of_connecting(&error))?,
        Err(elapsed) => return Err(StoreError::new(StoreErrorKind::TimedOut, elapsed).into()),
    }
    output.say("the store is up to date");
    output.object(&json!({ "migrated": true }));
    Ok(Exit::Done)
}

/// Prints the statements, for those who run their own. Nothing is connected to.
pub(crate) fn print_migrations(url: &str, output: &mut Output) -> Result<Exit, Failure> {
    let statements = tower_keep_connect::migrations(url);
    let statements = statements.map_err(|error| Failure::of_connecting(&error))?;
    output.say(statements.as_deref().map_or("-- this store needs no table", str::trim_end));
    output.object(&json!({ "statements": statements }));
    Ok(Exit::Done)
}
