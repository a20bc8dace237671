//! How a store is set up: [`RedisStoreBuilder`].

use std::{
    fmt,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use redis::{Client, IntoConnectionInfo};
use tower_keep_core::{SessionId, StoreError};

use crate::{RedisStore, clock::ServerClock, error::failed, keep::Keep, key::Keys, link::Link};

/// What can be set of a [`RedisStore`].
#[derive(Clone)]
pub struct RedisStoreBuilder {
    prefix: Box<str>,
    timeout: Duration,
    turned: Option<Arc<AtomicI64>>,
}

impl RedisStoreBuilder {
    pub(crate) fn new() -> Self {
        Self { prefix: "tower-keep:".into(), timeout: Duration::from_secs(2), turned: None }
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

    /// Turns the server's clock by the milliseconds in a cell, so that tests need not sleep.
    #[cfg(feature = "conformance")]
    #[doc(hidden)]
    #[must_use]
    pub fn turned_by(mut self, turned: Arc<AtomicI64>) -> Self {
        self.turned = Some(turned);
        self
    }

    /// Connects to the server of a URL: `redis://[[user]:password@]host[:port][/database]`, or
    /// `rediss:` for TLS, which needs the feature `tls`.
    ///
    /// # Errors
    ///
    /// `Misconfigured` for a URL of another form and for a password that is refused, `Unavailable`
    /// or `TimedOut` if the server cannot be reached. No error quotes the URL.
    pub async fn connect(self, url: &str) -> Result<RedisStore, StoreError> {
        let server = url.into_connection_info().map_err(failed)?;
        // A server that is cut off says nothing: its connection is given up, and made anew.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let server = {
            let settings = server.tcp_settings().clone();
            server.set_tcp_settings(settings.set_user_timeout(2 * self.timeout))
        };
        let client = Client::open(server).map_err(failed)?;
        let clock = ServerClock::new(self.turned);
        let link = Link::connect(client, clock, self.timeout).await?;
        let keys = Arc::new(Keys::new(&self.prefix));
        // Whether the server answers us: a connection is also made without the password that it wants.
        link.read(&keys.session(&SessionId::from_bytes([0; 32]))).await?;
        Ok(RedisStore::new(Keep { link, keys }))
    }
}

/// Shows no URL: it holds the password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
