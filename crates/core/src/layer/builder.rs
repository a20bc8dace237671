//! The settings of a layer, and their checks: [`SessionLayerBuilder`].

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Limits, SessionLayer};
use crate::{Client, LayerName, Lifetime, SessionCookie, Store, Transport};

/// How often at most a session that is only read is written back, unless the idle timeout asks for
/// more.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// The shortest part of the idle timeout after which a session is renewed by default.
const RENEWALS_IN_IDLE_TIME: u32 = 4;

/// How long a call of the store may take unless told.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most transports of one layer.
const MAX_TRANSPORTS: usize = 8;

type FindClient = dyn Fn(&HeaderMap, &Extensions) -> Client + Send + Sync;
type IsDiscarded = dyn Fn(StatusCode) -> bool + Send + Sync;

/// The settings of a layer, checked.
pub(crate) struct Settings {
    pub(crate) name: LayerName,
    pub(crate) transports: Box<[Transport]>,
    /// The request header of each transport.
    pub(crate) token_headers: Box<[HeaderName]>,
    /// What `Vary` says of a response that depends on the session.
    pub(crate) vary: HeaderValue,
    pub(crate) lifetime: Lifetime,
    pub(crate) remember_lifetime: Lifetime,
    pub(crate) renew_after: Option<Duration>,
    pub(crate) persistent: bool,
    pub(crate) store_timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) client: Option<Arc<FindClient>>,
    pub(crate) discard: Option<Arc<IsDiscarded>>,
}

impl Settings {
    pub(crate) fn lifetime(&self, remembered: bool) -> Lifetime {
        if remembered { self.remember_lifetime } else { self.lifetime }
    }

    pub(crate) fn renew_after(&self, remembered: bool) -> Duration {
        self.renew_after.unwrap_or_else(|| {
            RENEW_AFTER.min(self.lifetime(remembered).idle / RENEWALS_IN_IDLE_TIME)
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::of_transports(vec![Transport::cookie(SessionCookie::default())])
    }
}

impl Settings {
    fn of_transports(transports: Vec<Transport>) -> Self {
        let token_headers: Box<[HeaderName]> =
            transports.iter().map(Transport::request_header).collect();
        let mut vary: Vec<&str> = token_headers.iter().map(HeaderName::as_str).collect();
        vary.dedup();
        let vary = match *vary {
            // Most layers have this one, and a static value is copied without counting.
            ["cookie"] => HeaderValue::from_static("cookie"),
            // Names of headers are always values of headers; `*` would be true as well.
            _ => HeaderValue::try_from(vary.join(", "))
                .unwrap_or_else(|_| HeaderValue::from_static("*")),
        };
        Self {
            name: LayerName::from(transports.first().map_or("", Transport::name)),
            token_headers,
            vary,
            transports: transports.into(),
            lifetime: Lifetime::default(),
            remember_lifetime: Lifetime::REMEMBER,
            renew_after: None,
            persistent: false,
            store_timeout: STORE_TIMEOUT,
            limits: Limits::default(),
            client: None,
            discard: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("transports", &self.transports)
            .field("lifetime", &self.lifetime)
            .field("remember_lifetime", &self.remember_lifetime)
            .field("renew_after", &self.renew_after)
            .field("persistent", &self.persistent)
            .field("store_timeout", &self.store_timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Builds a [`SessionLayer`] with other settings than the default ones.
///
/// ```
/// # use std::time::Duration;
/// # use tower_keep_core::{SessionCookie, SessionLayer, Store};
/// # fn build(store: impl Store + Clone) {
/// let layer = SessionLayer::builder(store.clone())
///     .cookie(SessionCookie::named("id").insecure_over_plain_http())
///     .idle_timeout(Duration::from_secs(15 * 60))
///     .build();
/// assert!(layer.is_ok());
///
/// // Browsers would refuse this cookie, so the builder does.
/// let cookie = SessionCookie::default().domain("example.com");
/// assert!(SessionLayer::builder(store).cookie(cookie).build().is_err());
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder makes no layer before `build`"]
pub struct SessionLayerBuilder {
    store: Arc<dyn Store>,
    settings: Settings,
    name: Option<LayerName>,
}

impl SessionLayerBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, settings: Settings::default(), name: None }
    }

    /// Sends the token in this cookie, and by no other way.
    pub fn cookie(self, cookie: SessionCookie) -> Self {
        self.transports([Transport::cookie(cookie)])
    }

    /// Looks for the token in these ways, in order, and sends it the way it came; to a client that
    /// sent none, the first way.
    ///
    /// The first one names the layer, unless [`name`](Self::name) does: give a name before another
    /// transport comes first, or sessions of the old name open no more.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        let transports = Settings::of_transports(transports.into_iter().collect());
        self.settings = Settings {
            name: transports.name,
            transports: transports.transports,
            token_headers: transports.token_headers,
            vary: transports.vary,
            ..self.settings
        };
        self
    }

    /// Names the layer. Its sessions are bound to the name, so that layers of different names never
    /// share data, even on one store; those of one name do, in several processes too. Layers that
    /// are to share sessions by different transports, such as HTTP and gRPC, need one name.
    ///
    /// Unless told it is the name of the first transport's cookie or header, so that two cookies
    /// are two kinds of sessions.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets both clocks of a session: 30 minutes idle and 24 hours in all unless told.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// Sets how long a session may go unused: 30 minutes unless told.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.settings.lifetime.idle = idle;
        self
    }

    /// Sets how long a session may live in all: 24 hours unless told.
    pub fn absolute_timeout(mut self, absolute: Duration) -> Self {
        self.settings.lifetime.absolute = absolute;
        self
    }

    /// Sets the lifetime of sessions that [`remember`](crate::Session::remember) their user: 14 days
    /// idle and 60 in all unless told.
    pub fn remember_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.settings.remember_lifetime = lifetime;
        self
    }

    /// Sets how often at most a session that is only read is written back to move its idle deadline:
    /// once a minute unless told, or four times in a shorter idle timeout. Zero writes on every
    /// request.
    pub fn renew_after(mut self, renew_after: Duration) -> Self {
        self.settings.renew_after = Some(renew_after);
        self
    }

    /// Makes cookies that outlive the browser, as long as the session lives, instead of such that end
    /// with it.
    pub fn persistent(mut self) -> Self {
        self.settings.persistent = true;
        self
    }

    /// Sets how long one call of the store may take: 5 seconds unless told. A response waits at most
    /// a few of them.
    pub fn store_timeout(mut self, store_timeout: Duration) -> Self {
        self.settings.store_timeout = store_timeout;
        self
    }

    /// Sets how much sessions may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Tells how to learn the client of a request, for listings and for the limit of new sessions.
    ///
    /// It runs for every request, so it should only pick what is there. Behind a proxy the address of
    /// the connection is the proxy's; take a forwarded one only from a proxy that you trust.
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// # use tower_keep_core::{Client, SessionLayer, Store};
    /// # fn build(store: impl Store) {
    /// # #[derive(Clone)] struct ConnectInfo<T>(T);
    /// // With axum: `use axum::extract::ConnectInfo`, and serve the app by
    /// // `into_make_service_with_connect_info::<SocketAddr>()`.
    /// SessionLayer::builder(store).client(|headers, extensions| {
    ///     let client = Client::new().with_agent_header(headers.get("user-agent"));
    ///     match extensions.get::<ConnectInfo<SocketAddr>>() {
    ///         Some(ConnectInfo(address)) => client.with_address(address.ip()),
    ///         None => client,
    ///     }
    /// });
    /// # }
    /// ```
    pub fn client(
        mut self,
        find: impl Fn(&HeaderMap, &Extensions) -> Client + Send + Sync + 'static,
    ) -> Self {
        self.settings.client = Some(Arc::new(find));
        self
    }

    /// Drops a request's changes where its response has such a status. Unless told, what a handler
    /// changed is committed whatever its status.
    pub fn discard_on(
        mut self,
        status: impl Fn(StatusCode) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.discard = Some(Arc::new(status));
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// For settings that could not work: a cookie that browsers refuse, no transport, a lifetime of
    /// zero, a limit that the store cannot keep.
    pub fn build(mut self) -> Result<SessionLayer, ConfigError> {
        if let Some(name) = self.name {
            self.settings.name = name;
        }
        let Settings { transports, token_headers, lifetime, remember_lifetime, limits, .. } =
            &self.settings;
        for transport in transports {
            transport.check().map_err(|why| ConfigError::new("a cookie", why))?;
        }
        let renew_after = self.settings.renew_after.unwrap_or_default();
        let is_binary = |name: &HeaderName| name.as_str().ends_with("-bin");
        let broken = [
            (transports.is_empty(), "transports", "give at least one"),
            (transports.len() > MAX_TRANSPORTS, "transports", "give at most eight"),
            (
                (1..transports.len())
                    .any(|n| transports[..n].iter().any(|t| t.same_as(&transports[n]))),
                "transports",
                "each may be given once",
            ),
            (
                token_headers.iter().any(is_binary),
                "transports",
                "a header whose name ends in `-bin` carries binary metadata in gRPC: name it otherwise",
            ),
            (
                [lifetime, remember_lifetime]
                    .iter()
                    .any(|l| l.idle.is_zero() || l.absolute.is_zero()),
                "the lifetime",
                "no session could live: make idle and absolute timeout longer than zero",
            ),
            (
                renew_after >= lifetime.idle.min(remember_lifetime.idle),
                "renew_after",
                "sessions in use would expire: make it shorter than the idle timeout",
            ),
            (self.settings.store_timeout.is_zero(), "store_timeout", "make it longer than zero"),
            (
                limits.user_sessions.is_some_and(|limit| limit.sessions == 0),
                "the limit of a user's sessions",
                "nobody could sign in: allow at least one",
            ),
            (
                limits.user_sessions.is_some() && self.store.index().is_none(),
                "the limit of a user's sessions",
                "this store cannot find the sessions of a user: choose one that has an index",
            ),
            (
                limits.new_sessions.is_some() && self.settings.client.is_none(),
                "the limit of new sessions",
                "nobody's address is known: say by `client` how to learn it",
            ),
        ];
        if let Some((_, what, why)) = broken.into_iter().find(|(broken, ..)| *broken) {
            return Err(ConfigError::new(what, why));
        }
        Ok(SessionLayer::with(self.settings, self.store))
    }
}

/// Settings of a layer that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    what: &'static str,
    why: &'static str,
}

impl ConfigError {
    const fn new(what: &'static str, why: &'static str) -> Self {
        Self { what, why }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the session layer cannot work: {}", self.what, self.why)
    }
}

impl std::error::Error for ConfigError {}
