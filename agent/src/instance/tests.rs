//! Against servers of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::{get, put};
use tokio::net::TcpListener;

use super::*;
use crate::source::estimate::boavizta::Answer;

const ANSWER: &str = include_str!("../../../tests/fixtures/boavizta_m7a_4xlarge.json");

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A Boavizta server that knows one instance, and how often it was asked. It fails while it is told to.
#[derive(Clone, Default)]
struct Boavizta {
    asked: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl Boavizta {
    async fn serve(&self) -> String {
        let Self { asked, fails } = self.clone();
        let answer = async move |uri: Uri| {
            asked.fetch_add(1, Ordering::Relaxed);
            let knows = uri.query() == Some("provider=aws&instance_type=m7a.4xlarge&verbose=true");
            match (fails.load(Ordering::Relaxed), knows) {
                (true, _) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
                (false, true) => (StatusCode::OK, ANSWER.to_owned()),
                (false, false) => (StatusCode::NOT_FOUND, r#"{"detail": "not found"}"#.to_owned()),
            }
        };
        serve(Router::new().route("/v1/cloud/instance", get(answer))).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn config(url: &str, instance_type: Option<&str>) -> EstimateConfig {
    EstimateConfig {
        boavizta_url: Some(url.into()),
        provider: Some("aws".into()),
        instance_type: instance_type.map(str::to_owned),
        ..EstimateConfig::default()
    }
}

fn asking(config: &EstimateConfig, state: Option<&Path>) -> InstanceProfile {
    InstanceProfile::new(config, Path::new("/nonexistent"), state, &Confinement::none()).expect("a server is named")
}

/// Waits for a file that another thread writes.
fn written(path: &Path) -> PowerProfile {
    for _ in 0..3_000 {
        if let Ok(profile) = PowerProfile::read(path) {
            return profile;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} is not written", path.display());
}

#[tokio::test]
async fn an_answer_is_kept_and_the_server_not_asked_again() {
    let (server, state) = (Boavizta::default(), tempfile::tempdir().unwrap());
    let url = server.serve().await;
    let config = config(&url, Some("m7a.4xlarge"));
    let found = asking(&config, Some(state.path())).begin().await.unwrap();
    assert_eq!(found.subject, "aws m7a.4xlarge on AMD EPYC 9R14");
    assert_eq!(found.zones, Answer::read(ANSWER).unwrap().profile("", String::new(), found.made_at).zones);
    assert_eq!(written(&state.path().join("instance-profile.json")), found);
    assert_eq!((asking(&config, Some(state.path())).begin().await, server.asked()), (Some(found), 1));
    let other = EstimateConfig { instance_type: Some("c7a.large".into()), ..config };
    assert_eq!((asking(&other, Some(state.path())).begin().await, server.asked()), (None, 2), "it is of another type");
}

#[tokio::test]
async fn an_old_answer_is_used_while_the_server_fails() {
    let (server, state) = (Boavizta::default(), tempfile::tempdir().unwrap());
    let config = config(&server.serve().await, Some("m7a.4xlarge"));
    let path = state.path().join("instance-profile.json");
    let mut old = asking(&config, None).begin().await.unwrap();
    old.made_at.0 -= 40 * 86_400;
    old.write(&path).unwrap();
    server.fails.store(true, Ordering::Relaxed);
    let mut again = asking(&config, Some(state.path()));
    assert_eq!(again.begin().await.as_ref(), Some(&old));
    server.fails.store(false, Ordering::Relaxed);
    again.pause = Duration::from_millis(1);
    let mut taken = None;
    again.go_on(|profile| taken = Some(profile)).await;
    assert!(taken.unwrap().made_at > old.made_at);
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_ever_more_rarely() {
    let server = Boavizta::default();
    server.fails.store(true, Ordering::Relaxed);
    let mut asking = asking(&config(&server.serve().await, Some("m7a.4xlarge")), None);
    assert_eq!(asking.begin().await, None);
    asking.pause = Duration::from_millis(1);
    let (fails, asked) = (Arc::clone(&server.fails), Arc::clone(&server.asked));
    let mend = tokio::spawn(async move {
        while asked.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fails.store(false, Ordering::Relaxed);
    });
    let mut taken = None;
    asking.go_on(|profile| taken = Some(profile)).await;
    mend.await.unwrap();
    assert_eq!(taken.unwrap().cpus, 16);
}

#[tokio::test]
async fn nobody_is_asked_who_is_not_named() {
    let none = |config: &EstimateConfig| {
        InstanceProfile::new(config, Path::new("/nonexistent"), None, &Confinement::none()).is_none()
    };
    let named = config("http://127.0.0.1:1", Some("m7a.4xlarge"));
    assert!(none(&EstimateConfig::default()) && !none(&named));
    assert!(none(&EstimateConfig { profile_file: Some("/profile.json".into()), ..named.clone() }));
    assert!(none(&EstimateConfig { enabled: Some(false), ..named.clone() }));
    let unnamed = EstimateConfig { instance_type: None, ..named };
    assert!(asking(&unnamed, None).find().await.unwrap_err().contains("source.estimate.ask_metadata = true"));
}

#[tokio::test]
async fn firmware_is_enough_of_a_name() {
    let (server, sysfs) = (Boavizta::default(), tempfile::tempdir().unwrap());
    let folder = sysfs.path().join("class/dmi/id");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in [("sys_vendor", "Amazon EC2\n"), ("product_name", "m7a.4xlarge\n")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let config = EstimateConfig { boavizta_url: Some(server.serve().await), ..EstimateConfig::default() };
    let mut asking = InstanceProfile::new(&config, sysfs.path(), None, &Confinement::none()).unwrap();
    assert_eq!(asking.begin().await.map(|profile| profile.cpus), Some(16));
}

/// The metadata addresses of three clouds, each as strict as its own.
fn metadata() -> Router {
    fn given<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name)?.to_str().ok()
    }
    fn to_those(entitled: bool, text: &'static str) -> Result<&'static str, StatusCode> {
        if entitled { Ok(text) } else { Err(StatusCode::UNAUTHORIZED) }
    }
    let token = async |headers: HeaderMap| {
        to_those(given(&headers, "x-aws-ec2-metadata-token-ttl-seconds").is_some(), "a-token")
    };
    let aws = async |headers: HeaderMap| {
        to_those(given(&headers, "x-aws-ec2-metadata-token") == Some("a-token"), "m7a.4xlarge")
    };
    let azure = async |headers: HeaderMap, uri: Uri| {
        let asked = uri.query() == Some("api-version=2021-02-01&format=text");
        to_those(asked && given(&headers, "metadata") == Some("true"), "Standard_D2s_v3")
    };
    let gcp = async |headers: HeaderMap| {
        to_those(given(&headers, "metadata-flavor") == Some("Google"), "projects/1/machineTypes/n2-standard-4")
    };
    Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/instance-type", get(aws))
        .route("/metadata/instance/compute/vmSize", get(azure))
        .route("/computeMetadata/v1/instance/machine-type", get(gcp))
}

#[tokio::test]
async fn clouds_tell_an_instance_its_type_where_that_may_be_asked() {
    let url = serve(metadata()).await;
    for (provider, expected) in [("aws", "m7a.4xlarge"), ("azure", "d2s_v3"), ("gcp", "n2-standard-4")] {
        assert_eq!(metadata_address::instance_type(&url, provider).await.unwrap(), expected);
    }
    let error = metadata_address::instance_type(&url, "scaleway").await.unwrap_err().to_string();
    assert!(error.contains("set source.estimate.instance_type"), "{error}");

    let server = Boavizta::default();
    let config = EstimateConfig { ask_metadata: true, metadata_url: url, ..config(&server.serve().await, None) };
    assert_eq!(asking(&config, None).begin().await.map(|profile| profile.cpus), Some(16));
}
