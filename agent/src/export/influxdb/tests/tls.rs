//! TLS to the database.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::super::database::{Database, Outcome};
use crate::config::InfluxdbConfig;

type Signed = CertifiedKey<rcgen::KeyPair>;

/// A server that takes one request on each connection, whatever it is.
async fn server(signed: &Signed) -> SocketAddr {
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            // Who does not trust the certificate ends the connection.
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"lines") {
                if connection.read_buf(&mut request).await.expect("a request") == 0 {
                    break;
                }
            }
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("an answer");
        }
    });
    address
}

fn database(address: SocketAddr, authorities: &Path) -> Database {
    let config = InfluxdbConfig {
        database: Some("power".into()),
        ca_file: Some(authorities.to_owned()),
        timeout: Duration::from_mins(1),
        ..InfluxdbConfig::default()
    };
    Database::new(&config, &format!("https://{address}")).expect("a good configuration")
}

fn signed() -> Signed {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate")
}

#[tokio::test]
async fn the_database_is_checked_against_the_authorities_in_the_file() {
    let (own, foreign) = (signed(), signed());
    let address = server(&own).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, own.cert.pem()).expect("written");
    assert_eq!(database(address, &file).send(Bytes::from_static(b"lines")).await, Outcome::Taken);
    std::fs::write(&file, foreign.cert.pem()).expect("written");
    let outcome = database(address, &file).send(Bytes::from_static(b"lines")).await;
    assert!(matches!(&outcome, Outcome::Away { why, .. } if why.contains("certificate")), "{outcome:?}");
}

#[tokio::test]
async fn a_file_without_authorities_is_told_by_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing\n").expect("written");
    let config = InfluxdbConfig { database: Some("power".into()), ca_file: Some(file), ..InfluxdbConfig::default() };
    let error = format!("{:#}", Database::new(&config, "https://127.0.0.1:8086").expect_err("no certificate"));
    assert!(error.starts_with("influxdb.ca_file /") && error.contains("no certificate in PEM"), "{error}");
}
