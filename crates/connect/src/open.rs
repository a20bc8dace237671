//! [`connect`].

use std::sync::Arc;

use tower_keep_core::Store;

use crate::{ConnectError, ConnectErrorKind};

/// The schemes, and the feature that each needs.
pub(crate) const SCHEMES: [(&str, &str); 2] = [("file", "file"), ("memory", "memory")];

/// Opens the store that a URL names, so that a deployment chooses it by its settings.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `file:DIR` | `FileStore` with its default settings in this directory, which is made if it is missing | `file` |
/// | `memory:` | `MemoryStore` with its default bounds | `memory` |
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
    let (scheme, rest) = url.split_once(':').ok_or(ConnectErrorKind::NoScheme)?;
    match scheme {
        #[cfg(feature = "file")]
        "file" => file(rest).await,
        #[cfg(feature = "memory")]
        "memory" => memory(rest),
        _ => {
            let _ = rest;
            Err(match SCHEMES.iter().find(|(known, _)| *known == scheme) {
                Some((_, feature)) => ConnectErrorKind::NotCompiled { feature },
                None => ConnectErrorKind::UnknownScheme,
            }
            .into())
        }
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

    #[cfg(not(feature = "memory"))]
    #[tokio::test]
    async fn a_store_that_is_not_compiled_in_names_its_feature() {
        assert_eq!(kind("memory:").await, ConnectErrorKind::NotCompiled { feature: "memory" });
    }
}
