//! [`connect`].

use std::sync::Arc;

use tower_keep_core::Store;

use crate::{ConnectError, ConnectErrorKind};

/// The schemes, and the feature that each needs.
pub(crate) const SCHEMES: [(&str, &str); 1] = [("memory", "memory")];

/// Opens the store that a URL names, so that a deployment chooses it by its settings.
///
/// | URL | store | feature |
/// |---|---|---|
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

    #[cfg(not(feature = "memory"))]
    #[tokio::test]
    async fn a_store_that_is_not_compiled_in_names_its_feature() {
        assert_eq!(kind("memory:").await, ConnectErrorKind::NotCompiled { feature: "memory" });
    }
}
