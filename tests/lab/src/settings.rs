//! What the environment sets: [`Settings`].

use std::{
    env::{self, VarError},
    error::Error,
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName, header::USER_AGENT};
use tower_keep::{
    Client, ConfigError, Lifetime, Limits, OverLimit, SessionCookie, SessionLayer,
    SessionLayerBuilder, Store, Transport, UserLimit,
};

/// The metadata of gRPC that carries the token, unless `LAB_TRANSPORT` says otherwise.
const GRPC_TOKEN: HeaderName = HeaderName::from_static("session-token");

/// What the environment sets.
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) grpc_address: Option<String>,
    pub(crate) store: String,
    /// Whether everything is logged.
    pub(crate) trace: bool,
    cookie: SessionCookie,
    persistent: bool,
    transports: Option<Vec<Transport>>,
    lifetime: Lifetime,
    renew_after: Option<Duration>,
    store_timeout: Option<Duration>,
    user_limit: Option<UserLimit>,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, InvalidSetting> {
        Self::read(Variables(|name| match env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(InvalidSetting::new(name, "it is not text")),
        }))
    }

    fn read(variables: Variables<impl Fn(&'static str) -> Found>) -> Result<Self, InvalidSetting> {
        let lifetime = Lifetime::default();
        let cookie = cookie(&variables)?;
        if variables.text("LAB_SEAL")?.is_some_and(|seal| seal != "plain") {
            return Err(InvalidSetting::new("LAB_SEAL", "the lab only has `plain` as yet"));
        }
        if variables.text("LAB_KEYS")?.is_some() {
            return Err(InvalidSetting::new("LAB_KEYS", "the lab seals no cookie as yet"));
        }
        Ok(Self {
            address: variables.text("LAB_ADDR")?.unwrap_or_else(|| "127.0.0.1:0".into()),
            grpc_address: variables.text("LAB_GRPC_ADDR")?,
            store: variables.text("LAB_STORE")?.unwrap_or_else(|| "memory:".into()),
            trace: variables.switch("LAB_SLOW_LOG")?.unwrap_or(false),
            persistent: variables
                .one_of("LAB_COOKIE", &[("browser", false), ("persistent", true)])?
                .unwrap_or(true),
            transports: transports(&variables, &cookie)?,
            lifetime: Lifetime::new(
                variables.millis("LAB_IDLE_MS")?.unwrap_or(lifetime.idle),
                variables.millis("LAB_ABSOLUTE_MS")?.unwrap_or(lifetime.absolute),
            ),
            renew_after: variables.millis("LAB_RENEW_AFTER_MS")?,
            store_timeout: variables.millis("LAB_STORE_TIMEOUT_MS")?,
            user_limit: user_limit(&variables)?,
            cookie,
        })
    }

    /// The layer of the HTTP routes.
    pub(crate) fn layer(&self, store: Arc<dyn Store>) -> Result<SessionLayer, ConfigError> {
        let cookie = || vec![Transport::cookie(self.cookie.clone())];
        let transports = self.transports.clone().unwrap_or_else(cookie);
        self.builder(store).transports(transports).build()
    }

    /// The layer of the gRPC service. It shares its sessions with the HTTP routes.
    pub(crate) fn grpc_layer(&self, store: Arc<dyn Store>) -> Result<SessionLayer, ConfigError> {
        if self.transports.is_some() {
            return self.layer(store);
        }
        self.builder(store)
            .transports([Transport::header(GRPC_TOKEN)])
            .name(self.cookie.name())
            .build()
    }

    fn builder(&self, store: Arc<dyn Store>) -> SessionLayerBuilder {
        let mut limits = Limits::default();
        limits.user_sessions = self.user_limit;
        let mut builder =
            SessionLayer::builder(store).lifetime(self.lifetime).limits(limits).client(client);
        if self.persistent {
            builder = builder.persistent();
        }
        if let Some(renew_after) = self.renew_after {
            builder = builder.renew_after(renew_after);
        }
        if let Some(store_timeout) = self.store_timeout {
            builder = builder.store_timeout(store_timeout);
        }
        builder
    }
}

/// Whom the lists of sessions name.
fn client(headers: &HeaderMap, extensions: &Extensions) -> Client {
    let client = Client::new().with_agent_header(headers.get(USER_AGENT));
    match extensions.get() {
        Some(ConnectInfo::<SocketAddr>(address)) => client.with_address(address.ip()),
        None => client,
    }
}

fn cookie(
    variables: &Variables<impl Fn(&'static str) -> Found>,
) -> Result<SessionCookie, InvalidSetting> {
    let name = variables.text("LAB_COOKIE_NAME")?;
    let is_secure = variables.switch("LAB_SECURE")?.unwrap_or(true);
    let named = |unless: &'static str| match name {
        Some(name) => SessionCookie::named(name),
        None => SessionCookie::named(unless),
    };
    Ok(if is_secure { named("__Host-id") } else { named("id").insecure_over_plain_http() })
}

fn transports(
    variables: &Variables<impl Fn(&'static str) -> Found>,
    cookie: &SessionCookie,
) -> Result<Option<Vec<Transport>>, InvalidSetting> {
    const NAME: &str = "LAB_TRANSPORT";
    let one = |word: &str| match word.split_once(':') {
        None if word == "cookie" => Ok(Transport::cookie(cookie.clone())),
        None if word == "bearer" => Ok(Transport::bearer()),
        Some(("header", name)) => HeaderName::from_str(name)
            .map(Transport::header)
            .map_err(|_| InvalidSetting::new(NAME, "the header has no valid name")),
        _ => Err(InvalidSetting::new(NAME, "use a list of `cookie`, `header:NAME` and `bearer`")),
    };
    let list = variables.text(NAME)?;
    list.map(|list| list.split(',').map(|word| one(word.trim())).collect()).transpose()
}

fn user_limit(
    variables: &Variables<impl Fn(&'static str) -> Found>,
) -> Result<Option<UserLimit>, InvalidSetting> {
    let words = [("evict", OverLimit::EvictOldest), ("refuse", OverLimit::Refuse)];
    let over = variables.one_of("LAB_OVER_LIMIT", &words)?;
    let most = variables.number("LAB_MAX_PER_USER")?;
    Ok(most.map(|most| UserLimit::new(most, over.unwrap_or(OverLimit::EvictOldest))))
}

type Found = Result<Option<String>, InvalidSetting>;

/// Where settings are found. An empty one counts as not set.
struct Variables<F>(F);

impl<F: Fn(&'static str) -> Found> Variables<F> {
    fn text(&self, name: &'static str) -> Found {
        Ok((self.0)(name)?.filter(|value| !value.is_empty()))
    }

    fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, InvalidSetting> {
        let parse = |value: String| {
            value.parse().map_err(|_| InvalidSetting::new(name, "use a whole number"))
        };
        self.text(name)?.map(parse).transpose()
    }

    fn millis(&self, name: &'static str) -> Result<Option<Duration>, InvalidSetting> {
        Ok(self.number(name)?.map(Duration::from_millis))
    }

    fn switch(&self, name: &'static str) -> Result<Option<bool>, InvalidSetting> {
        self.one_of(name, &[("0", false), ("1", true)])
    }

    fn one_of<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, InvalidSetting> {
        let Some(value) = self.text(name)? else {
            return Ok(None);
        };
        let found = words.iter().find(|(word, _)| *word == value);
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        match found {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(InvalidSetting::new(name, format!("use one of: {}", known.join(", ")))),
        }
    }
}

/// A variable of the environment that cannot be used.
#[derive(Debug)]
pub(crate) struct InvalidSetting {
    name: &'static str,
    why: String,
}

impl InvalidSetting {
    fn new(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, why: why.into() }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used: {}", self.name, self.why)
    }
}

impl Error for InvalidSetting {}
