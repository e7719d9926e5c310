//! An authority of a test's own, and clients that trust it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::http::{LIMIT, Response, ask};

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its private key, in PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// One with a key of its own.
    ///
    /// # Errors
    /// When there is no randomness for a key.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for this address or name.
    ///
    /// # Errors
    /// When the name is none.
    pub fn sign(&self, name: &str) -> Result<Signed> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok(Signed { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// A client of HTTP over TLS.
#[derive(Clone, Debug)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// It trusts servers whose certificates `authority` has signed, and shows them `shown`, if that is given.
    ///
    /// # Errors
    /// When a certificate is none.
    pub fn new(authority: &Authority, shown: Option<&Signed>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some(Signed { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// As [`get`](crate::get), over TLS.
    ///
    /// # Errors
    /// Also when either side does not accept the other's certificate.
    pub fn get(&self, server: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        ask(self.connect(server)?, server, path, headers)
    }

    fn connect(&self, server: SocketAddr) -> Result<impl Read + Write + use<>> {
        let connection = TcpStream::connect_timeout(&server, LIMIT).with_context(|| format!("nobody at {server}"))?;
        connection.set_read_timeout(Some(LIMIT))?;
        connection.set_write_timeout(Some(LIMIT))?;
        let tls = ClientConnection::new(Arc::clone(&self.0), ServerName::from(server.ip()))?;
        Ok(StreamOwned::new(tls, connection))
    }
}
