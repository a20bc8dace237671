//! Connecting, with TLS where it is compiled in: [`Tls`].

use tokio_postgres::{Client, Config, Socket, tls::MakeTlsConnect};
use tower_keep_core::{StoreError, StoreErrorKind};

use super::error::failed;

/// How connections are protected.
#[derive(Clone)]
pub(crate) struct Tls {
    #[cfg(feature = "tls")]
    connector: tokio_postgres_rustls::MakeRustlsConnect,
}

impl Tls {
    /// Trusts the certificates of these authorities, in PEM, or those that browsers trust if there
    /// are none.
    #[cfg(feature = "tls")]
    pub(crate) fn new(authorities: Option<&[u8]>) -> Result<Self, StoreError> {
        use rustls::{
            ClientConfig, RootCertStore,
            pki_types::{CertificateDer, pem::PemObject},
        };

        let wrong = |error: rustls::Error| StoreError::new(StoreErrorKind::Misconfigured, error);
        let mut roots = RootCertStore::empty();
        match authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|_| {
                        let cause = "the certificates of the authorities are not in PEM";
                        StoreError::new(StoreErrorKind::Misconfigured, cause)
                    })?;
                    roots.add(certificate).map_err(wrong)?;
                }
            }
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: tokio_postgres_rustls::MakeRustlsConnect::new(config) })
    }

    /// No protection is compiled in.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(_: Option<&[u8]>) -> Result<Self, StoreError> {
        Ok(Self {})
    }

    pub(crate) async fn connect(&self, config: &Config) -> Result<Client, StoreError> {
        #[cfg(feature = "tls")]
        return open(config, self.connector.clone()).await;
        #[cfg(not(feature = "tls"))]
        {
            if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
                let cause = "the URL asks for TLS, which is not compiled in: add the feature `tls`";
                return Err(StoreError::new(StoreErrorKind::Misconfigured, cause));
            }
            open(config, tokio_postgres::NoTls).await
        }
    }
}

async fn open<T>(config: &Config, tls: T) -> Result<Client, StoreError>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await.map_err(failed)?;
    tokio::spawn(async move {
        // Whoever has a statement under way gets the error; here is nobody to tell.
        drop(connection.await);
    });
    Ok(client)
}
