//! [`migrate`] and [`migrations`].

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
use tower_keep_sql_store as sql;

use crate::{
    ConnectError,
    open::{split, unknown},
};

/// Makes the table of the database that a URL names, or brings it up to date. Of a store that needs none
/// nothing is asked.
///
/// Instances that start at once wait for each other, so that an application may call it before it
/// [connects](crate::connect).
///
/// # Errors
///
/// If the URL names no store, or the database cannot be reached or may not be changed.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use tower_keep_connect as tower_keep;
/// tower_keep::migrate("sqlite::memory:").await?;
/// # Ok::<(), tower_keep::ConnectError>(()) }).unwrap();
/// ```
pub async fn migrate(url: &str) -> Result<(), ConnectError> {
    let (scheme, rest) = split(url)?;
    match scheme {
        #[cfg(feature = "file")]
        "file" => Ok(()),
        #[cfg(feature = "memory")]
        "memory" => Ok(()),
        #[cfg(feature = "redis")]
        "redis" | "rediss" => Ok(()),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(sql::MySqlStore::connect(url).await?.migrate().await?),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(sql::PostgresStore::connect(url).await?.migrate().await?),
        // It does so by itself when it is opened.
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::open::sqlite(rest).await.map(drop),
        _ => {
            let _ = rest;
            Err(unknown(scheme).into())
        }
    }
}

/// The statements that make the table of the database that a URL names, as text; `None` for a store that
/// needs none. Nothing is connected to.
///
/// # Errors
///
/// If the URL names no store.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// # use tower_keep_connect as tower_keep;
/// let text = tower_keep::migrations("sqlite:sessions.db")?.unwrap();
/// assert!(text.contains("CREATE TABLE"));
/// # }
/// # Ok::<(), tower_keep_connect::ConnectError>(())
/// ```
pub fn migrations(url: &str) -> Result<Option<String>, ConnectError> {
    let (scheme, _) = split(url)?;
    match scheme {
        #[cfg(feature = "file")]
        "file" => Ok(None),
        #[cfg(feature = "memory")]
        "memory" => Ok(None),
        #[cfg(feature = "redis")]
        "redis" | "rediss" => Ok(None),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Some(sql::MySqlStore::builder().migrations()?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Some(sql::PostgresStore::builder().migrations()?)),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Some(sql::SqliteStore::builder().migrations()?)),
        _ => Err(unknown(scheme).into()),
    }
}
