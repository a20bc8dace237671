//! [`connect`].

use std::sync::Arc;

use tower_keep_core::Store;

use crate::{ConnectError, ConnectErrorKind};

/// The schemes, and the feature that each needs.
pub(crate) const SCHEMES: [(&str, &str); 13] = [
    ("file", "file"),
    ("mariadb", "mysql"),
    ("memory", "memory"),
    ("mysql", "mysql"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("redis", "redis"),
    ("redis+cluster", "redis"),
    ("redis+sentinel", "redis"),
    ("rediss", "redis"),
    ("rediss+cluster", "redis"),
    ("rediss+sentinel", "redis"),
    ("sqlite", "sqlite"),
];

/// Opens the store that a URL names, so that a deployment chooses it by its settings.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `file:DIR` | `FileStore` with its default settings in this directory, which is made if it is missing | `file` |
/// | `memory:` | `MemoryStore` with its default bounds | `memory` |
/// | `mysql://USER:PASSWORD@HOST/DATABASE`, `mariadb:` | `MySqlStore` | `mysql` |
/// | `postgres://USER:PASSWORD@HOST/DATABASE`, `postgresql:` | `PostgresStore` | `postgres` |
/// | `redis://:PASSWORD@HOST[:PORT][/DATABASE]`; `rediss:` over TLS, with the feature `tls` | `RedisStore` | `redis` |
/// | `redis+sentinel://:PASSWORD@HOST[:PORT],HOST[:PORT]/SERVICE[/DATABASE]` | `RedisStore`, at whoever these sentinels name as the primary; `rediss+sentinel:` over TLS | `redis` |
/// | `redis+cluster://:PASSWORD@HOST[:PORT],HOST[:PORT]` | `RedisStore` in a cluster of which these are some nodes; `rediss+cluster:` over TLS | `redis` |
/// | `sqlite:FILE` | `SqliteStore` in this file, which is made if it is missing | `sqlite` |
/// | `sqlite::memory:` | `SqliteStore` in memory, for tests | `sqlite` |
///
/// The table of a database on a server is made by [`migrate`](crate::migrate()) or `sessionctl migrate`.
///
/// # Errors
///
/// If the URL has no such form, or its store is not compiled in or cannot be opened.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use tower_keep_connect as tower_keep;
/// let store = tower_keep::connect("memory:").await?;
/// assert!(store.index().is_some());
/// # Ok::<(), tower_keep::ConnectError>(()) }).unwrap();
/// ```
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, ConnectError> {
    let (scheme, rest) = split(url)?;
    match scheme {
        #[cfg(feature = "file")]
        "file" => file(rest).await,
        #[cfg(feature = "memory")]
        "memory" => memory(rest),
        #[cfg(feature = "mysql")]
        "mysql" | "mariadb" => Ok(Arc::new(tower_keep_sql_store::MySqlStore::connect(url).await?)),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            Ok(Arc::new(tower_keep_sql_store::PostgresStore::connect(url).await?))
        }
        #[cfg(feature = "redis")]
        "redis" | "redis+cluster" | "redis+sentinel" | "rediss" | "rediss+cluster"
        | "rediss+sentinel" => {
            Ok(Arc::new(tower_keep_redis_store::RedisStore::connect(url).await?))
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(sqlite(rest).await?)),
        _ => {
            let _ = rest;
            Err(unknown(scheme).into())
        }
    }
}

/// The scheme of a URL and what follows it.
pub(crate) fn split(url: &str) -> Result<(&str, &str), ConnectErrorKind> {
    url.split_once(':').ok_or(ConnectErrorKind::NoScheme)
}

/// What is wrong with a scheme that nothing is compiled in for.
pub(crate) fn unknown(scheme: &str) -> ConnectErrorKind {
    match SCHEMES.iter().find(|(known, _)| *known == scheme) {
        Some((_, feature)) => ConnectErrorKind::NotCompiled { feature },
        None => ConnectErrorKind::UnknownScheme,
    }
}

#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite(rest: &str) -> Result<tower_keep_sql_store::SqliteStore, ConnectError> {
    use tower_keep_sql_store::SqliteStore;

    // `sqlite://sessions.db` is how other programs write `sqlite:sessions.db`.
    match rest.strip_prefix("//").unwrap_or(rest) {
        // What others take for settings must not become a part of a file's name.
        path if path.is_empty() || path.contains('?') => {
            Err(ConnectErrorKind::Malformed { form: "sqlite:FILE" }.into())
        }
        ":memory:" => Ok(SqliteStore::in_memory().await?),
        path => Ok(SqliteStore::open(path).await?),
    }
}

#[cfg(feature = "file")]
async fn file(rest: &str) -> Result<Arc<dyn Store>, ConnectError> {
    if rest.is_empty() {
        return Err(ConnectErrorKind::Malformed { form: "file:DIR" }.into());
    }
    // `file:///srv/sessions` is how other programs write `file:/srv/sessions`.
    let directory = rest.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(rest);
    Ok(Arc::new(tower_keep_file_store::FileStore::open(directory).await?))
}

#[cfg(feature = "memory")]
fn memory(rest: &str) -> Result<Arc<dyn Store>, ConnectError> {
    if !rest.is_empty() {
        return Err(ConnectErrorKind::Malformed { form: "memory:" }.into());
    }
    Ok(Arc::new(tower_keep_memory_store::MemoryStore::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kind(url: &str) -> ConnectErrorKind {
        connect(url).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn a_url_that_names_no_store_says_what_to_write() {
        assert_eq!(kind("memory").await, ConnectErrorKind::NoScheme);
        assert_eq!(kind("cassandra://host").await, ConnectErrorKind::UnknownScheme);
        let error = connect("cassandra://ada:secret@host").await.unwrap_err();
        assert!(error.to_string().contains("`memory:`"), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[cfg(feature = "memory")]
    #[tokio::test]
    async fn memory_takes_no_more_than_its_name() {
        connect("memory:").await.unwrap();
        assert_eq!(kind("memory:10").await, ConnectErrorKind::Malformed { form: "memory:" });
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn redis_that_is_not_there_is_an_error_without_the_password() {
        // Nobody listens on the port of discard.
        for url in [
            "redis://:secret@127.0.0.1:9",
            "redis+cluster://:secret@127.0.0.1:9,127.0.0.1:10",
            "redis+sentinel://:secret@127.0.0.1:9,127.0.0.1:10/service",
        ] {
            let error = connect(url).await.unwrap_err();
            assert_eq!(error.kind(), ConnectErrorKind::Store);
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[cfg(feature = "file")]
    #[tokio::test]
    async fn file_takes_a_directory() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("sessions");
        for slashes in ["", "//"] {
            let store = connect(&format!("file:{slashes}{}", directory.display())).await.unwrap();
            assert!(store.index().is_some() && store.check().is_some());
        }
        assert!(directory.is_dir());
        assert_eq!(kind("file:").await, ConnectErrorKind::Malformed { form: "file:DIR" });
        assert_eq!(kind("file:/dev/null/sessions").await, ConnectErrorKind::Store);
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn sqlite_takes_a_file_or_memory() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("sessions.db");
        for slashes in ["", "//"] {
            let store = connect(&format!("sqlite:{slashes}{}", file.display())).await.unwrap();
            assert!(store.index().is_some());
        }
        assert!(file.is_file());
        connect("sqlite::memory:").await.unwrap();
        let malformed = ConnectErrorKind::Malformed { form: "sqlite:FILE" };
        assert_eq!(kind("sqlite:").await, malformed);
        assert_eq!(kind("sqlite:sessions.db?mode=rwc").await, malformed);
        assert_eq!(kind("sqlite:/dev/null/sessions").await, ConnectErrorKind::Store);
    }

    #[cfg(all(feature = "postgres", feature = "mysql"))]
    #[tokio::test]
    async fn no_password_is_quoted_where_a_server_cannot_be_reached() {
        for url in [
            "postgres://ada:secret@127.0.0.1:1/web",
            "postgresql://ada:sec?ret@127.0.0.1:1/web",
            "mysql://ada:secret@127.0.0.1:1/web",
            "mariadb://ada:sec:ret@127.0.0.1:1:1/web",
        ] {
            let error = connect(url).await.unwrap_err();
            let mut text = format!("{error} {error:?}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(&format!("{error} {error:?}"));
                cause = error.source();
            }
            assert!(!text.contains("sec") && !text.contains("ret@"), "{text}");
        }
    }

    #[cfg(not(feature = "memory"))]
    #[tokio::test]
    async fn a_store_that_is_not_compiled_in_names_its_feature() {
        assert_eq!(kind("memory:").await, ConnectErrorKind::NotCompiled { feature: "memory" });
    }
}
