//! Who gets in at the listeners: over real TLS, with certificates that the test signs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prony_proto::energy::v1 as pb;
use prony_proto::energy::v1::energy_client::EnergyClient;
use prony_tests::{
    Agent, AgentBuilder, Authority, FakeRapl, Prometheus, Samples, Signed, TlsClient, assert_books, free_tcp_address,
    get, needs_server, skip, wait_until,
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::bench::{PATIENCE, needs_bench};

const TOKEN: &str = "the-token-of-this-test";
const WRONG: &str = "some-other-token-here";

/// The agent's files, and who signs.
struct Files {
    folder: TempDir,
    authority: Authority,
    client: Signed,
}

impl Files {
    fn new() -> Result<Self> {
        let authority = Authority::new("the test's")?;
        let client = authority.sign("client")?;
        let files = Self { folder: tempfile::tempdir()?, authority, client };
        files.write("ca.crt", files.authority.pem())?;
        files.write("tokens", &format!("# for the test\n{TOKEN}\n"))?;
        files.write("client.crt", &files.client.certificate)?;
        files.write("client.key", &files.client.key)?;
        files.renew(&files.authority)?;
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path(name), text)?)
    }

    /// A certificate for the listeners.
    fn renew(&self, authority: &Authority) -> Result<()> {
        let signed = authority.sign("127.0.0.1")?;
        self.write("tls.crt", &signed.certificate)?;
        self.write("tls.key", &signed.key)
    }

    fn config(&self, asks_for_certificates: bool) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        let client_ca =
            if asks_for_certificates { format!("client_ca_file = '{}'\n", path("ca.crt")) } else { String::new() };
        format!(
            "[access]\ncertificate_file = '{}'\nkey_file = '{}'\ntoken_file = '{}'\n{client_ca}",
            path("tls.crt"),
            path("tls.key"),
            path("tokens")
        )
    }

    /// Starts an agent, and waits until it answers who comes with all that is asked for.
    fn start(&self, builder: AgentBuilder, asks_for_certificates: bool) -> Result<Agent> {
        let client = TlsClient::new(&self.authority, Some(&self.client))?;
        let builder = builder.config(&self.config(asks_for_certificates));
        builder.start_until(|agent| client.get(here(agent.metrics_address()), "/healthz", &[]).is_ok())
    }
}

/// By the loopback, wherever it listens.
fn here(address: SocketAddr) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, address.port()).into()
}

fn everywhere() -> Result<SocketAddr> {
    Ok((Ipv4Addr::UNSPECIFIED, free_tcp_address()?.port()).into())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The status of a page, for who comes with this token.
fn status(client: &TlsClient, agent: &Agent, path: &str, token: Option<&str>) -> Result<u16> {
    let header = token.map(bearer);
    let headers: Vec<_> = header.iter().map(|header| ("Authorization", header.as_str())).collect();
    Ok(client.get(here(agent.metrics_address()), path, &headers)?.status)
}

/// A client of gRPC.
struct Grpc {
    runtime: Runtime,
    endpoint: Endpoint,
    token: Option<&'static str>,
}

impl Grpc {
    fn plain(agent: &Agent) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{}", here(agent.grpc_address())))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, endpoint: endpoint.timeout(PATIENCE), token: None })
    }

    fn tls(agent: &Agent, trusted: &Authority, shown: Option<&Signed>, token: Option<&'static str>) -> Result<Self> {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted.pem()));
        if let Some(Signed { certificate, key }) = shown {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", here(agent.grpc_address())))?.tls_config(tls)?;
        Ok(Self { endpoint: endpoint.timeout(PATIENCE), token, ..Self::plain(agent)? })
    }

    fn connect(&self) -> Result<Channel, Status> {
        self.runtime.block_on(self.endpoint.connect()).map_err(|error| Status::unavailable(error.to_string()))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = self.token {
            let value: AsciiMetadataValue = bearer(token).parse().expect("a header");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    fn snapshot(&self, granularity: pb::Granularity) -> Result<pb::Picture, Status> {
        let request = pb::SnapshotRequest { granularity: granularity as i32, filter: None };
        let mut client = EnergyClient::new(self.connect()?);
        let answer = self.runtime.block_on(client.snapshot(self.request(request)))?;
        answer.into_inner().picture.ok_or_else(|| Status::internal("no picture"))
    }

    /// The finest resolution that is given.
    fn resolution(&self) -> Result<prost_types::Duration> {
        let resolution = Some(prost_types::Duration { seconds: 0, nanos: 1 });
        let granularity = pb::Granularity::Cgroup as i32;
        let request = pb::WatchRequest { granularity, filter: None, resolution };
        let mut client = EnergyClient::new(self.connect()?);
        let first = async {
            let mut stream = client.watch(self.request(request)).await?.into_inner();
            stream.message().await
        };
        let first = self.runtime.block_on(first)?.context("a message")?;
        first.resolution.context("a resolution")
    }

    fn health(&self) -> Result<(), Status> {
        let request = HealthCheckRequest { service: String::new() };
        let mut client = HealthClient::new(self.connect()?);
        self.runtime.block_on(client.check(request)).map(drop)
    }

    fn reflection(&self) -> Result<(), Status> {
        let mut client = ServerReflectionClient::new(self.connect()?);
        let nothing = self.request(tokio_stream::empty::<ServerReflectionRequest>());
        self.runtime.block_on(client.server_reflection_info(nothing)).map(drop)
    }
}

fn top(agent: &Agent, scheme: &str, arguments: &[&str]) -> Result<Output> {
    let endpoint = format!("{scheme}://{}", here(agent.grpc_address()));
    let mut command = Command::new(std::env::var_os("PRONY_BIN").context("PRONY_BIN")?);
    command.args(["top", "--once", "--interval", "200ms", "--endpoint", &endpoint]);
    Ok(command.args(arguments).output()?)
}

#[test]
fn who_has_the_certificate_and_the_token_gets_in_and_nobody_else() {
    if let Some(reason) = needs_bench() {
        return skip("access::who_has_the_certificate_and_the_token_gets_in_and_nobody_else", &reason);
    }
    over_http().unwrap();
    over_grpc().unwrap();
}

fn over_http() -> Result<()> {
    let (files, stranger) = (Files::new()?, Authority::new("a stranger's")?);
    let agent = files.start(Agent::builder(), true)?;
    let known = TlsClient::new(&files.authority, Some(&files.client))?;
    assert_eq!(status(&known, &agent, "/metrics", Some(TOKEN))?, 200);
    assert_eq!(status(&known, &agent, "/metrics", Some(WRONG))?, 401);
    assert_eq!(status(&known, &agent, "/", None)?, 200, "the page's files hold no figures, and ask for the token");
    for path in ["/metrics", "/live/about", "/live/stream?level=cgroup&after=0", "/nonsense"] {
        let answer = known.get(agent.metrics_address(), path, &[])?;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
        assert!(answer.text()?.contains("access.token_file"), "it says what to do: {}", answer.text()?);
    }
    assert_eq!(status(&known, &agent, "/healthz", None)?, 200);

    let unknown = stranger.sign("client")?;
    for shown in [None, Some(&unknown)] {
        let client = TlsClient::new(&files.authority, shown)?;
        assert!(status(&client, &agent, "/healthz", Some(TOKEN)).is_err(), "{shown:?}");
    }
    let deceived = TlsClient::new(&stranger, Some(&files.client))?;
    assert!(status(&deceived, &agent, "/healthz", Some(TOKEN)).is_err(), "it is not the server that it trusts");
    assert!(get(agent.metrics_address(), "/healthz", &[]).is_err(), "without TLS nobody is answered");

    let page = known.get(agent.metrics_address(), "/metrics", &[("Authorization", &bearer(TOKEN))])?;
    let samples = Samples::parse(page.text()?)?;
    let refused = |listener: &str, reason: &str| {
        samples.sum("prony_access_refused_total", &[("listener", listener), ("reason", reason)])
    };
    assert!((refused("http", "no_token") - 4.0).abs() < 0.1 && (refused("http", "wrong_token") - 1.0).abs() < 0.1);
    assert!(refused("http", "handshake") >= 4.0 && refused("grpc", "handshake") < 0.1);

    // Those who do not go on keep nobody waiting.
    let idle: Vec<_> = (0..8).map(|_| TcpStream::connect(agent.metrics_address())).collect::<Result<_, _>>()?;
    let asked = Instant::now();
    assert_eq!(status(&known, &agent, "/metrics", Some(TOKEN))?, 200);
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    drop(idle);
    Ok(())
}

fn over_grpc() -> Result<()> {
    let (files, stranger) = (Files::new()?, Authority::new("a stranger's")?);
    let agent = files.start(Agent::builder(), true)?;
    let ours = &files.authority;
    let idle: Vec<_> = (0..8).map(|_| TcpStream::connect(agent.grpc_address())).collect::<Result<_, _>>()?;
    let known = |token| Grpc::tls(&agent, ours, Some(&files.client), token);
    known(Some(TOKEN))?.snapshot(pb::Granularity::Process)?;
    known(None)?.health()?;
    for token in [None, Some(WRONG)] {
        let client = known(token)?;
        for refused in [client.snapshot(pb::Granularity::Zone).map(drop), client.reflection()] {
            let refused = refused.expect_err("no good token");
            assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
            assert!(refused.message().contains("access.token_file"), "{refused}");
        }
    }
    let unknown = stranger.sign("client")?;
    for (trusted, shown) in [(ours, None), (ours, Some(&unknown)), (&stranger, Some(&files.client))] {
        assert!(Grpc::tls(&agent, trusted, shown, Some(TOKEN))?.health().is_err(), "{shown:?}");
    }
    assert!(Grpc::plain(&agent)?.health().is_err(), "without TLS nobody is answered");
    drop(idle);

    let paths = ["ca.crt", "client.crt", "client.key", "tokens"].map(|name| files.path(name).display().to_string());
    let [ca, certificate, key, token] = paths.each_ref().map(String::as_str);
    let shown = top(&agent, "https", &["--ca", ca, "--certificate", certificate, "--key", key, "--token-file", token])?;
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    for (scheme, arguments, fix) in [
        ("https", &["--ca", ca, "--certificate", certificate, "--key", key][..], "--token-file"),
        ("https", &["--ca", ca, "--token-file", token][..], "--certificate"),
        ("https", &["--token-file", token][..], "--ca"),
        ("http", &["--token-file", token][..], "https://"),
    ] {
        let refused = top(&agent, scheme, arguments)?;
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(fix), "{arguments:?}: {text}");
    }
    Ok(())
}

#[test]
fn a_real_prometheus_gets_in() {
    if let Some(reason) = needs_bench().or_else(|| needs_server("prometheus")) {
        return skip("access::a_real_prometheus_gets_in", &reason);
    }
    scrape().unwrap();
}

fn scrape() -> Result<()> {
    let files = Files::new()?;
    let agent = files.start(Agent::builder(), true)?;
    files.write("token", TOKEN)?;
    let [ca, certificate, key, token] =
        ["ca.crt", "client.crt", "client.key", "token"].map(|name| files.path(name).display().to_string());
    let settings = format!(
        "  scheme: https\n  tls_config: {{ ca_file: {ca}, cert_file: {certificate}, key_file: {key} }}\n  \
         authorization: {{ credentials_file: {token} }}\n"
    );
    let prometheus = Prometheus::start_with(agent.metrics_address(), None, &settings)?;
    prometheus.until("/api/v1/targets", |answer| {
        let target = &answer["data"]["activeTargets"][0];
        assert!(target["lastError"].as_str().is_none_or(str::is_empty), "{target}");
        (target["health"] == "up").then_some(())
    })?;
    assert!(prometheus.query("sum(prony_command_cpu_seconds_total)")?[0].1 > 0.0);
    let refused = prometheus.query("sum(prony_access_refused_total)")?;
    assert!(refused[0].1 < 0.1, "{refused:?}");
    Ok(())
}

#[test]
fn new_certificates_and_tokens_are_taken_up_while_it_runs() {
    if let Some(reason) = needs_bench() {
        return skip("access::new_certificates_and_tokens_are_taken_up_while_it_runs", &reason);
    }
    rotate().unwrap();
}

fn rotate() -> Result<()> {
    let files = Files::new()?;
    let agent = files.start(Agent::builder(), false)?;
    let client = TlsClient::new(&files.authority, None)?;
    let until = |client: &TlsClient, token: &str| {
        wait_until(PATIENCE, || (status(client, &agent, "/metrics", Some(token)).ok()? == 200).then_some(()))
    };

    files.write("tokens", WRONG)?;
    until(&client, WRONG).context("the new token is taken up")?;
    assert_eq!(status(&client, &agent, "/metrics", Some(TOKEN))?, 401, "the old one is no longer good");

    files.write("tokens", "short\n")?;
    let told = || agent.log().matches("kind=\"access_files\"").count();
    wait_until(PATIENCE, || (told() > 0).then_some(())).context("the bad file is told of")?;
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(told(), 1, "once");
    assert_eq!(status(&client, &agent, "/metrics", Some(WRONG))?, 200, "what was there before stays");
    files.write("tokens", TOKEN)?;
    until(&client, TOKEN).context("a good one is taken up again")?;

    let other = Authority::new("another")?;
    let of_other = TlsClient::new(&other, None)?;
    assert!(status(&of_other, &agent, "/healthz", None).is_err());
    files.renew(&other)?;
    until(&of_other, TOKEN).context("the new certificate is taken up")?;
    assert!(status(&client, &agent, "/healthz", None).is_err(), "the old one is no longer shown");
    Grpc::tls(&agent, &other, None, Some(TOKEN))?.snapshot(pb::Granularity::Zone)?;

    let read = || agent.log().matches("the files of [access] were read anew").count();
    let before = read();
    agent.signal(Signal::HUP)?;
    wait_until(PATIENCE, || (read() > before).then_some(())).context("it reads them at SIGHUP")?;
    Ok(())
}

#[test]
fn beyond_loopback_names_are_for_those_who_are_known() {
    if let Some(reason) = needs_bench() {
        return skip("access::beyond_loopback_names_are_for_those_who_are_known", &reason);
    }
    withhold().unwrap();
    give_to_the_known().unwrap();
}

/// The first page with cgroups on it.
fn page(read: impl Fn() -> Result<String>) -> Result<Samples> {
    let page = wait_until(PATIENCE, || {
        let samples = Samples::parse(&read().ok()?).ok()?;
        (samples.sum("prony_cgroup_cpu_seconds_total", &[]) > 0.0).then_some(samples)
    });
    page.context("cgroups in time")
}

fn withhold() -> Result<()> {
    let rapl = FakeRapl::new()?;
    let builder = Agent::builder().metrics_at(everywhere()?).grpc_at(everywhere()?).arguments(rapl.arguments());
    let agent = builder.start()?;
    let samples = page(|| agent.metrics())?;
    assert_books(&samples)?;
    let text = agent.metrics()?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(!["comm=\"", "exe=\"", "pid=\""].iter().any(|label| line.contains(label)), "{line}");
    }
    let client = Grpc::plain(&agent)?;
    for granularity in [pb::Granularity::Process, pb::Granularity::Command] {
        let refused = client.snapshot(granularity).expect_err("names");
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        assert!(refused.message().contains("access.token_file"), "{refused}");
    }
    assert!(!client.snapshot(pb::Granularity::Cgroup)?.lines.is_empty());
    assert_eq!(client.resolution()?, prost_types::Duration { seconds: 1, nanos: 0 });
    assert!(agent.log().contains("access.token_file"), "the agent warns, and says what to do");
    Ok(())
}

fn give_to_the_known() -> Result<()> {
    let files = Files::new()?;
    let agent = files.start(Agent::builder().metrics_at(everywhere()?).grpc_at(everywhere()?), false)?;
    let client = TlsClient::new(&files.authority, None)?;
    let samples = page(|| {
        let answer = client.get(here(agent.metrics_address()), "/metrics", &[("Authorization", &bearer(TOKEN))])?;
        Ok(answer.text()?.to_owned())
    })?;
    assert!(samples.matching("prony_command_cpu_seconds_total", &[]).count() > 0);
    let known = Grpc::tls(&agent, &files.authority, None, Some(TOKEN))?;
    assert!(!known.snapshot(pb::Granularity::Process)?.lines.is_empty());
    assert_eq!(known.resolution()?, prost_types::Duration { seconds: 0, nanos: 100_000_000 });
    Ok(())
}

#[test]
fn what_is_missing_or_wrong_is_told_at_the_start() {
    if let Some(reason) = needs_bench() {
        return skip("access::what_is_missing_or_wrong_is_told_at_the_start", &reason);
    }
    refuse_to_start().unwrap();
}

fn refuse_to_start() -> Result<()> {
    let files = Files::new()?;
    let without_key = files.config(false).replace("key_file", "#key_file");
    let ended = Agent::builder().config(&without_key).run_to_its_end()?;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    assert!(ended.log.contains("name the file of the certificate's private key"), "{}", ended.log);

    let in_the_clear = format!("[access]\ntoken_file = '{}'\n", files.path("tokens").display());
    let ended = Agent::builder().config(&in_the_clear).grpc_at(everywhere()?).run_to_its_end()?;
    assert!(ended.log.contains("tokens would cross the network in the clear"), "{}", ended.log);

    files.write("tokens", "short")?;
    let ended = Agent::builder().config(&files.config(false)).run_to_its_end()?;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(
        ended.log.contains("access.token_file is not right: the token in line 1 has 5 characters"),
        "{}",
        ended.log
    );

    fs::remove_file(files.path("tls.key"))?;
    let ended = Agent::builder().config(&files.config(false)).run_to_its_end()?;
    assert!(ended.log.contains("access.key_file") && ended.log.contains("cannot be read"), "{}", ended.log);
    Ok(())
}
