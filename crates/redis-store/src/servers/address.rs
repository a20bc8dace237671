//! What a URL names: [`Url`].

use std::time::Duration;

use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, TlsMode,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

use super::{dial::dial, wire::Wire};
use crate::clock::ServerClock;

/// What all connections of a store share.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    /// How many replicas must have a write before it counts.
    pub(crate) replicas: u32,
    pub(crate) clock: ServerClock,
    /// The certificate that is trusted in place of the system's, as PEM.
    #[cfg(feature = "tls")]
    pub(crate) root: Option<Vec<u8>>,
}

/// What a URL names.
pub(crate) enum Url {
    /// One server, or the primary that sentinels name.
    One(Target),
    /// Nodes of a cluster, one of which tells of all.
    Cluster(Vec<ConnectionInfo>),
}

/// Who to connect to.
pub(crate) enum Target {
    /// A server.
    Fixed(Box<ConnectionInfo>),
    /// Whoever the sentinels name as the primary at this moment.
    Primary(Box<Mutex<SentinelClient>>),
}

impl Url {
    pub(crate) fn read(url: &str, settings: &Settings) -> Result<Self, RedisError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
        let tls = scheme.starts_with("rediss");
        match scheme {
            "redis" | "rediss" => {
                Ok(Self::One(Target::fixed(url.into_connection_info()?, settings)))
            }
            "redis+cluster" | "rediss+cluster" => {
                let (hosts, path) = split(rest);
                // A cluster has one database.
                if !matches!(path, "" | "0") {
                    return Err(malformed());
                }
                Ok(Self::Cluster(infos(tls, hosts, 6379, "")?))
            }
            "redis+sentinel" | "rediss+sentinel" => {
                let (hosts, path) = split(rest);
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(malformed());
                }
                let sentinels = infos(tls, hosts, 26379, database)?;
                Ok(Self::One(Target::primary(&sentinels, service, settings)?))
            }
            _ => Err(malformed()),
        }
    }
}

impl Target {
    /// A server.
    pub(crate) fn fixed(server: ConnectionInfo, settings: &Settings) -> Self {
        // A server that is cut off says nothing: its connection is given up, and made anew.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let server = {
            let tcp = server.tcp_settings().clone();
            server.set_tcp_settings(tcp.set_user_timeout(2 * settings.timeout))
        };
        let _ = settings;
        Self::Fixed(Box::new(server))
    }

    fn primary(
        sentinels: &[ConnectionInfo],
        service: &str,
        settings: &Settings,
    ) -> Result<Self, RedisError> {
        let first = sentinels.first().ok_or_else(malformed)?;
        let addresses = sentinels.iter().map(|sentinel| sentinel.addr().clone());
        let kind = SentinelServerType::Master;
        let mut builder = SentinelClientBuilder::new(addresses, service, kind)?
            .set_client_to_redis_db(first.redis_settings().db());
        // The sentinels are asked with the password of the servers, as most are set up.
        if let Some(user) = first.redis_settings().username() {
            builder =
                builder.set_client_to_redis_username(user).set_client_to_sentinel_username(user);
        }
        if let Some(password) = first.redis_settings().password() {
            builder = builder
                .set_client_to_redis_password(password)
                .set_client_to_sentinel_password(password);
        }
        if matches!(first.addr(), ConnectionAddr::TcpTls { .. }) {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
            #[cfg(feature = "tls")]
            if let Some(certificates) = settings.certificates() {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
        }
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        {
            let tcp = first.tcp_settings().clone().set_user_timeout(2 * settings.timeout);
            builder = builder.set_client_to_redis_tcp_settings(tcp);
        }
        let _ = settings;
        Ok(Self::Primary(Box::new(Mutex::new(builder.build()?))))
    }

    /// Makes a connection, for as long as its caller waits.
    pub(super) async fn connect(&self, settings: &Settings) -> Result<Wire, RedisError> {
        match self {
            Self::Fixed(server) => dial(server, settings).await,
            Self::Primary(sentinels) => {
                // Each time anew: the server that was the primary is not to be trusted to be it still.
                let mut sentinels = sentinels.lock().await;
                let primary = loop {
                    match sentinels.async_get_client().await {
                        // Each question of the client waits for half a second, whatever we were told.
                        Err(error) if error.is_timeout() => {}
                        found => break found?,
                    }
                };
                drop(sentinels);
                dial(primary.get_connection_info(), settings).await
            }
        }
    }
}

impl Settings {
    /// Those of a test, which sets a timeout alone.
    #[cfg(test)]
    pub(crate) fn within(timeout: Duration) -> Self {
        Self {
            timeout,
            replicas: 0,
            clock: ServerClock::new(None),
            #[cfg(feature = "tls")]
            root: None,
        }
    }

    #[cfg(feature = "tls")]
    fn certificates(&self) -> Option<redis::TlsCertificates> {
        let root_cert = Some(self.root.clone()?);
        Some(redis::TlsCertificates { client_tls: None, root_cert })
    }
}

/// The hosts, with what stands before them, and the path, without a slash at its ends.
fn split(rest: &str) -> (&str, &str) {
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    (hosts, path.trim_end_matches('/'))
}

/// The servers of `[[user]:password@]host[:port],host[:port]`.
fn infos(
    tls: bool,
    hosts: &str,
    port: u16,
    database: &str,
) -> Result<Vec<ConnectionInfo>, RedisError> {
    let (before, hosts) = match hosts.rsplit_once('@') {
        Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
        None => (String::new(), hosts),
    };
    let scheme = if tls { "rediss" } else { "redis" };
    let each = hosts.split(',').map(|host| {
        // The brackets of an IPv6 address have colons of their own.
        let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let port = if has_port { String::new() } else { format!(":{port}") };
        format!("{scheme}://{before}{host}{port}/{database}").into_connection_info()
    });
    each.collect()
}

fn malformed() -> RedisError {
    (ErrorKind::InvalidClientConfig, "the URL is of no known form").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::within(Duration::from_secs(1))
    }

    #[test]
    fn nodes_of_a_cluster_are_read_with_their_ports_and_password() {
        let url = "redis+cluster://:pass%40word@one:7000,two,[::1],[::2]:7001";
        let Ok(Url::Cluster(seeds)) = Url::read(url, &settings()) else { panic!("no cluster") };
        let places: Vec<_> = seeds
            .iter()
            .map(|seed| match seed.addr() {
                ConnectionAddr::Tcp(host, port) => (host.as_str(), *port),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(places, [("one", 7000), ("two", 6379), ("::1", 6379), ("::2", 7001)]);
        assert!(seeds.iter().all(|seed| seed.redis_settings().password() == Some("pass@word")));
    }

    #[test]
    fn urls_of_other_forms_are_refused() {
        for url in [
            "redis",
            "http://host",
            "redis+cluster://",
            "redis+cluster://host/1",
            "redis+sentinel://host",
            "redis+sentinel://host/",
            "redis+sentinel:///service",
            "redis+sentinel://host,,other/service",
            "redis+sentinel://host/service/x",
        ] {
            let error = Url::read(url, &settings()).err();
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::InvalidClientConfig), "{url}");
        }
        for url in ["redis+sentinel://host/service", "redis+sentinel://a:1,b:2/service/3"] {
            assert!(
                matches!(Url::read(url, &settings()), Ok(Url::One(Target::Primary(_)))),
                "{url}"
            );
        }
    }
}
