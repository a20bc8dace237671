//! Opens connections: [`dial`].

use std::io;

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, io::tcp::TcpSettings};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{Command, Settings, wire::Wire};

/// What bytes go to and fro on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to a server and signs in.
pub(super) async fn dial(server: &ConnectionInfo, settings: &Settings) -> Result<Wire, RedisError> {
    let wire = Wire::over(open(server, settings).await?, settings.timeout);
    let redis = server.redis_settings();
    if let Some(password) = redis.password() {
        let mut sign_in = Command::new("AUTH");
        sign_in.args(redis.username()).arg(password);
        if let Err(error) = ask(&wire, sign_in).await {
            return Err(match error.is_io_error() {
                true => error,
                // What the server says may quote the user's name.
                false => (ErrorKind::AuthenticationFailed, "the password is refused").into(),
            });
        }
    }
    if redis.db() != 0 {
        let mut select = Command::new("SELECT");
        select.number(redis.db());
        ask(&wire, select).await?;
    }
    Ok(wire)
}

async fn ask(wire: &Wire, command: Command) -> Result<(), RedisError> {
    wire.send(&[command]).await?.ok().map(drop)
}

async fn open(server: &ConnectionInfo, settings: &Settings) -> Result<Box<dyn Stream>, RedisError> {
    match server.addr() {
        ConnectionAddr::Tcp(host, port) => {
            Ok(Box::new(tcp(host, *port, server.tcp_settings()).await?))
        }
        #[cfg(feature = "tls")]
        ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
            let stream = tcp(host, *port, server.tcp_settings()).await?;
            Ok(Box::new(super::tls::encrypted(host, stream, settings.root.as_deref()).await?))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
        _ => {
            let _ = settings;
            Err((ErrorKind::InvalidClientConfig, "a connection of a kind that is left out").into())
        }
    }
}

async fn tcp(host: &str, port: u16, settings: &TcpSettings) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Commands leave in batches of our own making.
    stream.set_nodelay(true)?;
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    if settings.user_timeout().is_some() {
        socket2::SockRef::from(&stream).set_tcp_user_timeout(settings.user_timeout())?;
    }
    let _ = settings;
    Ok(stream)
}
