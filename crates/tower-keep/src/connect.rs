//! A store from a URL: [`connect`].

use std::{error::Error as StdError, fmt, sync::Arc};

use tower_keep_core::Store;

/// The schemes, and the feature that each needs.
const SCHEMES: [(&str, &str); 1] = [("memory", "memory")];

/// Opens the store that a URL names, so that a deployment chooses it by its settings.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `memory:` | [`MemoryStore`](crate::MemoryStore) with its default bounds | `memory` |
///
/// # Errors
///
/// If the URL has no such form, or its store is not compiled in or cannot be opened.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = tower_keep::connect("memory:").await?;
/// let layer = tower_keep::SessionLayer::new(store);
/// # Ok::<(), tower_keep::ConnectError>(()) }).unwrap();
/// ```
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, ConnectError> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).ok_or(Trouble::NoScheme)?;
    match scheme {
        #[cfg(feature = "memory")]
        "memory" if url == "memory:" => Ok(Arc::new(crate::MemoryStore::new())),
        #[cfg(feature = "memory")]
        "memory" => Err(Trouble::Malformed("memory:").into()),
        _ => Err(match SCHEMES.iter().find(|(known, _)| *known == scheme) {
            Some((_, feature)) => Trouble::NotCompiled(feature),
            None => Trouble::UnknownScheme,
        }
        .into()),
    }
}

/// A store could not be opened. Its text does not quote the URL, which may hold a password.
#[derive(Debug)]
pub struct ConnectError(Trouble);

#[derive(Debug)]
enum Trouble {
    NoScheme,
    #[cfg_attr(not(feature = "memory"), allow(dead_code, reason = "no store is compiled in"))]
    Malformed(&'static str),
    NotCompiled(&'static str),
    UnknownScheme,
}

impl From<Trouble> for ConnectError {
    fn from(trouble: Trouble) -> Self {
        Self(trouble)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Trouble::NoScheme => {
                f.write_str("the store's URL has no scheme: begin it with one such as `memory:`")
            }
            Trouble::Malformed(form) => write!(f, "the store's URL is not of the form `{form}`"),
            Trouble::NotCompiled(feature) => write!(
                f,
                "this store is not compiled in: add the feature `{feature}` of tower-keep"
            ),
            Trouble::UnknownScheme => {
                f.write_str("the scheme of the store's URL is unknown: use one such as ")?;
                for (place, (scheme, _)) in SCHEMES.iter().enumerate() {
                    write!(f, "{}`{scheme}:`", if place == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

impl StdError for ConnectError {}
