//! The TLS of the listeners, from files in PEM.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A server that shows the certificates in `chain`, the first being its own, and asks clients for one that was signed by
/// those in `authorities`, if there are any.
pub(super) fn server(chain: &[u8], key: &[u8], authorities: Option<&[u8]>) -> anyhow::Result<ServerConfig> {
    let chain = certificates(chain).context("access.certificate_file is not right")?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .context("access.key_file has no private key in PEM (-----BEGIN PRIVATE KEY-----)")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match authorities {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(authorities) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates(authorities).context("access.client_ca_file is not right")? {
                store.add(certificate).context("access.client_ca_file has a certificate that cannot be used")?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                .build()
                .context("access.client_ca_file cannot be used")?
        }
    };
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .context(
            "access.certificate_file and access.key_file do not fit: give the key that the certificate was made for",
        )
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().context("a certificate in it is damaged")?;
    ensure!(!certificates.is_empty(), "there is no certificate in PEM in it (-----BEGIN CERTIFICATE-----)");
    Ok(certificates)
}
