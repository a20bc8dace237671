//! How a store is set up: [`RedisStoreBuilder`].

use std::{
    fmt,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

#[cfg(feature = "tls")]
use tower_keep_core::StoreErrorKind;
use tower_keep_core::{SessionId, StoreError};

use crate::{
    RedisStore,
    cache::Cache,
    clock::ServerClock,
    error::failed,
    keep::Keep,
    key::Keys,
    link::Link,
    servers::{Servers, Settings, Url},
};

/// What a certificate in PEM begins with.
#[cfg(feature = "tls")]
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What can be set of a [`RedisStore`].
#[derive(Clone)]
pub struct RedisStoreBuilder {
    prefix: Box<str>,
    timeout: Duration,
    replicas: u32,
    cache: usize,
    #[cfg(feature = "tls")]
    root: Option<Vec<u8>>,
    turned: Option<Arc<AtomicI64>>,
}

impl RedisStoreBuilder {
    pub(crate) fn new() -> Self {
        Self {
            prefix: "tower-keep:".into(),
            timeout: Duration::from_secs(2),
            replicas: 0,
            cache: 16 * 1_024 * 1_024,
            #[cfg(feature = "tls")]
            root: None,
            turned: None,
        }
    }

    /// What all keys begin with: `tower-keep:` unless told.
    ///
    /// Stores of one server share their sessions if they share the prefix, and see nothing of each
    /// other if neither prefix begins with the other.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long the server may take to take a connection or to answer a command: 2 seconds unless
    /// told. The layer's own deadline of a store call is apart from it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many replicas must have a write before it counts: none unless told.
    ///
    /// With any, each write is followed by `WAIT` for half of the [`timeout`](Self::timeout), on a connection
    /// of its own. One that too few replicas have by then is `TimedOut`: it may have been carried out, and may
    /// be undone by a failover. It narrows what a failover loses, and does not make Redis one that never
    /// does: see the [crate](crate#what-an-acknowledged-write-means).
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// How many bytes of records are kept in this process: 16 MiB unless told, some 16,000 sessions of a
    /// kilobyte; none for 0. A record of more than a sixteenth of it is not kept.
    ///
    /// A read of one of them asks the server for the session's state alone, a line of some fifty bytes, and
    /// uses the record if that is unchanged, so what others changed or ended by a store is seen at once. What
    /// somebody wrote into the hash by hand, without the state, is seen after ten seconds at most. See the
    /// [crate](crate#what-is-kept-in-the-process).
    #[must_use]
    pub fn cache(mut self, bytes: usize) -> Self {
        self.cache = bytes;
        self
    }

    /// The certificates, as PEM, of who may sign for the server, in place of those that the system trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root = Some(pem.into());
        self
    }

    /// Turns the server's clock by the milliseconds in a cell, so that tests need not sleep.
    #[cfg(feature = "conformance")]
    #[doc(hidden)]
    #[must_use]
    pub fn turned_by(mut self, turned: Arc<AtomicI64>) -> Self {
        self.turned = Some(turned);
        self
    }

    /// Connects to the servers of a URL.
    ///
    /// | URL | servers |
    /// |---|---|
    /// | `redis://[[user]:password@]host[:port][/database]` | one |
    /// | `redis+sentinel://[[user]:password@]host[:port],host[:port]/service[/database]` | the primary of the service, as these sentinels name it; user and password are those of both |
    /// | `redis+cluster://[[user]:password@]host[:port],host[:port]` | a cluster, of which these are some nodes |
    ///
    /// `rediss` in place of `redis` is TLS, which needs the feature `tls`. Sessions are only ever read from
    /// primaries.
    ///
    /// # Errors
    ///
    /// `Misconfigured` for a URL of another form and for a password that is refused, `Unavailable`
    /// or `TimedOut` if no server can be reached. No error quotes the URL.
    pub async fn connect(self, url: &str) -> Result<RedisStore, StoreError> {
        #[cfg(feature = "tls")]
        if self.root.as_deref().is_some_and(|pem| !pem.windows(BEGIN.len()).any(|at| at == BEGIN)) {
            let what = "the certificates for the server are not PEM";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, what));
        }
        let clock = ServerClock::new(self.turned);
        let settings = Settings {
            timeout: self.timeout,
            replicas: self.replicas,
            clock: clock.clone(),
            #[cfg(feature = "tls")]
            root: self.root,
        };
        let url = Url::read(url, &settings).map_err(failed)?;
        let link = Link::new(Servers::connect(url, settings).await.map_err(failed)?, clock);
        let keys = Arc::new(Keys::new(&self.prefix));
        // Whether the server answers us: a connection is also made without the password that it wants.
        link.read(&keys.session(&SessionId::from_bytes([0; 32]))).await?;
        Ok(RedisStore::new(Keep { link, keys, cache: Cache::of(self.cache) }))
    }
}

/// Shows no URL: it holds the password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("replicas", &self.replicas)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
