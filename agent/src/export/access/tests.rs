use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::authority::{Authority, Signed};
use super::{Access, Door, Gate, Wire};
use crate::config::AccessConfig;

const TOKEN: &str = "0123456789abcdef";

/// Files of `[access]`.
struct Files {
    folder: TempDir,
    config: AccessConfig,
}

impl Files {
    fn new(signed: &Signed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| Some(folder.path().join(name));
        let config = AccessConfig {
            certificate_file: file("certificate"),
            key_file: file("key"),
            client_ca_file: None,
            token_file: file("tokens"),
        };
        let files = Self { folder, config };
        files.write("certificate", &signed.certificate);
        files.write("key", &signed.key);
        files.write("tokens", TOKEN);
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn error(&self) -> String {
        format!("{:#}", Access::open(&self.config).expect_err("it is not right"))
    }
}

fn gate(access: &Access, door: Door) -> Gate {
    Gate::new(access, door, ([127, 0, 0, 1], 0).into())
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_key() {
    let authority = Authority::new("one");
    let (signed, other) = (authority.sign("127.0.0.1"), authority.sign("127.0.0.1"));
    for (name, text, told) in [
        ("certificate", "", "access.certificate_file is not right: there is no certificate in PEM"),
        ("key", &*signed.certificate, "access.key_file has no private key in PEM"),
        ("key", &*other.key, "access.certificate_file and access.key_file do not fit"),
        ("ca", "nothing", "access.client_ca_file is not right: there is no certificate in PEM"),
        ("tokens", "short", "access.token_file is not right: the token in line 1 has 5 characters: write at least 16"),
    ] {
        let mut files = Files::new(&signed);
        files.config.client_ca_file = (name == "ca").then(|| files.folder.path().join("ca"));
        files.write(name, text);
        let error = files.error();
        assert!(error.starts_with(told), "{error}");
    }
    let files = Files::new(&signed);
    fs::remove_file(files.folder.path().join("key")).unwrap();
    let error = files.error();
    assert!(error.starts_with("access.key_file ") && error.contains("cannot be read: name a file"), "{error}");
}

#[test]
fn new_files_are_taken_up_and_bad_ones_leave_what_was_there() {
    let files = Files::new(&Authority::new("one").sign("127.0.0.1"));
    let access = Access::open(&files.config).unwrap();
    let gate = gate(&access, Door::Http);
    let lets_in = |token: &str| gate.check(Some(format!("Bearer {token}").as_bytes())).is_ok();
    assert!(lets_in(TOKEN) && !lets_in("another-token-of-mine"));

    files.write("tokens", "another-token-of-mine\n");
    access.look(false);
    assert!(lets_in("another-token-of-mine") && !lets_in(TOKEN));

    files.write("tokens", TOKEN);
    files.write("key", "nothing");
    access.look(false);
    assert!(lets_in("another-token-of-mine") && !lets_in(TOKEN), "one bad file holds all back");

    let renewed = Authority::new("two").sign("127.0.0.1");
    files.write("certificate", &renewed.certificate);
    files.write("key", &renewed.key);
    access.look(false);
    assert!(lets_in(TOKEN));
}

#[test]
fn a_listener_is_open_where_others_reach_it_and_nobody_is_asked() {
    let files = Files::new(&Authority::new("one").sign("127.0.0.1"));
    let only_tls = AccessConfig { token_file: None, ..files.config.clone() };
    for (config, address, is_open) in [
        (&AccessConfig::default(), [127, 0, 0, 1], false),
        (&AccessConfig::default(), [0, 0, 0, 0], true),
        (&only_tls, [0, 0, 0, 0], true),
        (&files.config, [0, 0, 0, 0], false),
    ] {
        let access = Access::open(config).unwrap();
        assert_eq!(Gate::new(&access, Door::Grpc, (address, 0).into()).is_open(), is_open, "{address:?}");
    }
}

/// Both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

fn client(trusted: &Authority, shown: Option<&Signed>, protocol: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(signed) => {
            let chain = vec![CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn hands_are_shaken_by_reading_and_clients_show_their_certificate() {
    let (authority, stranger) = (Authority::new("one"), Authority::new("two"));
    let mut files = Files::new(&authority.sign("127.0.0.1"));
    files.write("ca", &authority.pem);
    files.config.client_ca_file = Some(files.folder.path().join("ca"));
    let access = Access::open(&files.config).unwrap();
    let (known, unknown) = (authority.sign("client"), stranger.sign("client"));
    for (shown, is_good) in [(Some(&known), true), (Some(&unknown), false), (None, false)] {
        let (ours, theirs) = connection().await;
        let mut wire = gate(&access, Door::Grpc).take(theirs);
        let served = tokio::spawn(async move {
            let mut said = [0; 5];
            let read = wire.read_exact(&mut said).await.map(|_| said);
            let again = wire.read(&mut [0]).await;
            assert!(read.is_ok() || again.is_err(), "who failed once fails again");
            read
        });
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut ours = client(&authority, shown, b"h2").connect(name, ours).await.unwrap();
        assert_eq!(ours.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        // To one whose certificate is not good that may fail already.
        let _ = ours.write_all(b"hello").await;
        let _ = ours.shutdown().await;
        let said = served.await.unwrap();
        assert_eq!(said.ok(), is_good.then_some(*b"hello"));
    }
}

#[tokio::test]
async fn who_does_not_shake_hands_is_left_after_a_while() {
    let files = Files::new(&Authority::new("one").sign("127.0.0.1"));
    let access = Access::open(&files.config).unwrap();
    let (_ours, theirs) = connection().await;
    let limit = Duration::from_millis(50);
    let mut wire = Wire::new(theirs, access.now().tls(Door::Http), Door::Http, limit);
    let began = Instant::now();
    let error = wire.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= limit);
}
