//! Encrypts connections: [`encrypted`].

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Makes sure of the server's name, by the certificates of who may sign for it: those given as PEM, or those
/// that the system trusts.
pub(super) async fn encrypted(
    host: &str,
    stream: TcpStream,
    root: Option<&[u8]>,
) -> io::Result<TlsStream<TcpStream>> {
    // Named, since an application may have compiled in several.
    let provider = match CryptoProvider::get_default() {
        Some(chosen) => Arc::clone(chosen),
        None => Arc::new(ring::default_provider()),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(trusted(root)?)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    connector.connect(name, stream).await
}

fn trusted(root: Option<&[u8]>) -> io::Result<RootCertStore> {
    let mut trusted = RootCertStore::empty();
    match root {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                trusted.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // One that cannot be read does not stand in the way of the others.
            trusted.add_parsable_certificates(found.certs);
        }
    }
    Ok(trusted)
}
