//! Books, the exporter and a database together.

use std::path::PathBuf;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::Exporter;
use super::fake::{Books, Fake};
use crate::config::{InfluxdbConfig, InfluxdbVersion, PowerapiSchema};
use crate::units::Nanoseconds;

struct Setup {
    books: Books,
    database: Fake,
    _stop: DropGuard,
}

impl Setup {
    /// With a database that first gives these answers.
    async fn start(answers: &[(u16, &'static str)], config: InfluxdbConfig) -> Self {
        let database = Fake::start(answers.iter().copied()).await;
        let url = Some(format!("http://{}", database.address));
        let config = InfluxdbConfig { url, interval: Duration::from_millis(1), ..config };
        let exporter = Exporter::new(&config, "node-1").expect("a good configuration").expect("a database");
        let (books, stop) = (Books::new(), CancellationToken::new());
        tokio::spawn(exporter.run(books.handle(), stop.clone()));
        Self { books, database, _stop: stop.drop_guard() }
    }

    /// Closes windows until there are lines of the container.
    async fn lines(&mut self) -> Vec<String> {
        loop {
            self.books.close_window();
            let taken = tokio::time::timeout(Duration::from_millis(50), self.database.next()).await;
            let lines = taken.map(|taken| taken.lines).unwrap_or_default();
            if lines.iter().any(|line| line.contains("target=main")) {
                return lines;
            }
        }
    }
}

fn version_1() -> InfluxdbConfig {
    InfluxdbConfig { database: Some("power & more".into()), ..InfluxdbConfig::default() }
}

fn secret(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, text).expect("written");
    (folder, file)
}

/// Joules of a series: all its powers times the time since the point before.
fn joules(lines: &[String], series: &str) -> f64 {
    let points = lines.iter().filter_map(|line| {
        let (tags, rest) = line.rsplit_once(" power=")?;
        let (power, at) = rest.split_once(' ')?;
        let point: (f64, u64) = (power.parse().ok()?, at.parse().ok()?);
        tags.ends_with(series).then_some(point)
    });
    let points: Vec<_> = points.collect();
    points.windows(2).map(|two| two[1].0 * (two[1].1 - two[0].1) as f64 / 1e9).sum()
}

#[tokio::test]
async fn version_1_gets_a_database_a_user_and_both_measurements() {
    let (_folder, file) = secret("s3cret\n");
    let config = InfluxdbConfig {
        user: Some("prony".into()),
        password_file: Some(file),
        schema: PowerapiSchema::Both,
        sensor: Some("shelf 3".into()),
        ..version_1()
    };
    let mut setup = Setup::start(&[], config).await;
    setup.books.close_window();
    let began = setup.lines().await;
    let expected = "formula=prony,k8s_container_name=main,k8s_pod_name=pay-1,k8s_pod_namespace=shop,kind=container,scope=cpu,\
                    sensor=shelf\\ 3,socket=0,target=main";
    for (measurement, field) in [("power_consumption", "power"), ("powerrep", "power_estimation")] {
        let wanted = [format!("{measurement},{expected} {field}=0 "), format!("{measurement},{expected} {field}=1 ")];
        for wanted in wanted {
            assert!(began.iter().any(|line| line.starts_with(&wanted)), "{wanted}: {began:#?}");
        }
    }
    let rapl =
        "power_consumption,formula=RAPL_ENERGY_PKG,kind=zone,scope=cpu,sensor=shelf\\ 3,socket=0,target=rapl power=1 ";
    assert!(began.iter().any(|line| line.starts_with(rapl)), "{began:#?}");
    setup.books.close_window();
    let taken = setup.database.next().await;
    assert_eq!(taken.method_and_uri, "POST /write?db=power+%26+more&precision=ns");
    assert_eq!(taken.authorization.as_deref(), Some("Basic cHJvbnk6czNjcmV0"));
}

#[tokio::test]
async fn version_2_gets_an_organisation_a_bucket_and_a_token() {
    let (_folder, file) = secret("t0ken==\n");
    let config = InfluxdbConfig {
        version: InfluxdbVersion::Two,
        org: Some("my org".into()),
        bucket: Some("power/é".into()),
        token_file: Some(file),
        ..InfluxdbConfig::default()
    };
    let mut setup = Setup::start(&[], config).await;
    setup.lines().await;
    setup.books.close_window();
    let taken = setup.database.next().await;
    assert_eq!(taken.method_and_uri, "POST /api/v2/write?org=my+org&bucket=power%2F%C3%A9&precision=ns");
    assert_eq!(taken.authorization.as_deref(), Some("Token t0ken=="));
    assert!(taken.lines.iter().all(|line| line.starts_with("power_consumption,formula=")), "{taken:?}");
}

#[tokio::test]
async fn what_could_not_be_sent_comes_later_with_its_own_times() {
    let mut setup = Setup::start(&[(503, "busy"), (500, "timeout"), (429, "")], version_1()).await;
    // One after the other is seen: what has begun is in the first batch, which is refused.
    let mut windows = 0;
    while setup.database.answers_left() > 0 {
        setup.books.close_window();
        windows += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut lines = setup.database.next().await.lines;
    let span = |lines: &[String]| {
        let at = |line: &String| line.rsplit_once(' ').and_then(|(_, at)| at.parse::<u64>().ok());
        let [first, last] = [lines.iter().filter_map(at).min(), lines.iter().filter_map(at).max()];
        last.unwrap_or(0) - first.unwrap_or(0)
    };
    // The first window or two may have been before the exporter's first picture.
    while span(&lines) < (windows - 2) * Nanoseconds::SECOND.0 {
        lines.extend(setup.database.next().await.lines);
    }
    let written = span(&lines) as f64 / 1e9;
    for series in [",target=main", ",socket=0,target=rapl", ",socket=0,target=global"] {
        assert!(
            (joules(&lines, series) - written).abs() < 1e-6,
            "{series}: {} J of {written} J",
            joules(&lines, series)
        );
    }
}

#[tokio::test]
async fn a_secret_that_was_changed_is_read_anew_when_the_old_one_is_refused() {
    let (_folder, file) = secret("old");
    let config = InfluxdbConfig {
        version: InfluxdbVersion::Two,
        org: Some("o".into()),
        bucket: Some("b".into()),
        token_file: Some(file.clone()),
        ..InfluxdbConfig::default()
    };
    let mut setup = Setup::start(&[(401, "{\"code\":\"unauthorized\"}")], config).await;
    std::fs::write(&file, "new\n").expect("written");
    while setup.database.answers_left() > 0 {
        setup.books.close_window();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(setup.database.next().await.authorization.as_deref(), Some("Token new"));
}

#[test]
fn what_is_refused_for_ever_is_dropped_and_counted_and_holds_up_nothing() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let refused =
        [(400, "{\"error\":\"partial write: points beyond retention policy dropped=2\"}"), (400, "unable to parse")];
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let mut setup = Setup::start(&refused, version_1()).await;
            while setup.database.answers_left() > 0 {
                setup.books.close_window();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            setup.books.close_window();
            setup.database.next().await;
        });
    });
    let page = recorder.handle().render();
    let value = |series: &str| -> u64 {
        let line = page.lines().find_map(|line| line.strip_prefix(series)).expect("it is there");
        line.trim().parse().expect("a number")
    };
    // The second batch is refused as a whole.
    assert!(value("prony_influxdb_points_dropped_total{reason=\"refused\"}") > 2, "{page}");
    assert_eq!(value("prony_influxdb_points_dropped_total{reason=\"buffer_full\"}"), 0);
    assert!(value("prony_influxdb_points_written_total") > 0);
    assert!(page.contains("prony_problems_total{kind=\"influxdb_refuses_points\"} 2"), "{page}");
}

#[test]
fn without_an_address_there_is_no_exporter() {
    assert!(Exporter::new(&InfluxdbConfig::default(), "node-1").expect("good").is_none());
}
