//! From the books to the database. The books never wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::{Timestamp, WallAnchor};
use crate::config::{InfluxdbConfig, PowerapiSchema};
use crate::notice::Notice;
use crate::snapshot::{Generation, Snapshot, SnapshotHandle, Stopped};
use crate::telemetry;

use super::backlog::{Backlog, Batch};
use super::database::{Database, Outcome};
use super::intervals::Intervals;
use super::lines;
use super::pace::Pace;
use super::series::Series;
use super::wall::Wall;

/// The pause after a first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long what is left is tried to be sent when the agent stops.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often a whole picture is taken, so that what is no longer there is forgotten.
const WHOLE_EVERY: Duration = Duration::from_mins(10);

static FULL: Notice = Notice::new("influxdb_points_dropped");
static AWAY: Notice = Notice::new("influxdb_unavailable");
static NOT_ALLOWED: Notice = Notice::new("influxdb_not_allowed");
static REFUSED: Notice = Notice::new("influxdb_refuses_points");

/// Follows the books and writes to a database.
#[derive(Clone, Debug)]
pub struct Exporter {
    database: Arc<Database>,
    waiting: Arc<Waiting>,
    config: InfluxdbConfig,
    sensor: String,
}

/// What the two ends share.
#[derive(Debug)]
struct Waiting {
    backlog: Mutex<Backlog>,
    is_there: Notify,
}

impl Exporter {
    /// To the database of `config`, if there is one; `node` is this node's name.
    ///
    /// # Errors
    /// Where the address, the certificates or the credentials cannot be used; the text names the key.
    pub fn new(config: &InfluxdbConfig, node: &str) -> anyhow::Result<Option<Self>> {
        let Some(url) = &config.url else { return Ok(None) };
        let database = Arc::new(Database::new(config, url)?);
        let backlog = Mutex::new(Backlog::new(config.buffer_kibibytes << 10));
        info!("power to InfluxDB at {url}");
        Ok(Some(Self {
            database,
            waiting: Arc::new(Waiting { backlog, is_there: Notify::new() }),
            config: config.clone(),
            sensor: config.sensor.clone().unwrap_or_else(|| node.to_owned()),
        }))
    }

    /// Runs until `shutdown`, and a second longer for what is left.
    ///
    /// # Errors
    /// None: what fails is told of, and tried again.
    pub async fn run(self, snapshots: SnapshotHandle, shutdown: CancellationToken) -> anyhow::Result<()> {
        for reason in ["buffer_full", "refused"] {
            count_dropped(reason, 0);
        }
        let following = shutdown.run_until_cancelled(self.follow(snapshots));
        let sending = self.send(&shutdown);
        tokio::join!(following, sending);
        Ok(())
    }

    /// Follows the books for as long as they are kept.
    async fn follow(&self, mut snapshots: SnapshotHandle) -> Result<(), Stopped> {
        snapshots.window_closed().await?;
        let mut books = Following::new(&self.config, &self.sensor);
        let mut latest = snapshots.whole().await?;
        books.take(&latest, |_| {});
        let (mut pace, mut whole_at) = (Pace::new(self.config.interval, latest.at), latest.at);
        loop {
            snapshots.window_closed().await?;
            let now = Timestamp::now();
            if !pace.is_due(latest.at, now) {
                continue;
            }
            latest = if now.since(whole_at) < WHOLE_EVERY.into() {
                snapshots.changed(latest.generation).await?
            } else {
                whole_at = now;
                snapshots.whole().await?
            };
            self.take_in(&mut books, &latest);
        }
    }

    fn take_in(&self, books: &mut Following, snapshot: &Snapshot) {
        let mut backlog = self.waiting.backlog();
        let mut dropped = 0;
        books.take(snapshot, |line| dropped += backlog.push(line));
        drop(backlog);
        self.changed(dropped);
    }

    fn changed(&self, dropped: u64) {
        self.waiting.tell_size();
        if dropped > 0 {
            count_dropped("buffer_full", dropped);
            FULL.warn(format_args!(
                "the oldest {dropped} points are dropped because too much waits for InfluxDB: is it up and fast enough? \
                 Else raise influxdb.buffer_kibibytes"
            ));
        }
        self.waiting.is_there.notify_one();
    }

    /// Sends one batch after the other, until `shutdown`; then what is left.
    async fn send(&self, shutdown: &CancellationToken) {
        let forever = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let next = self.waiting.backlog().take();
                let Some(batch) = next else {
                    self.waiting.is_there.notified().await;
                    continue;
                };
                let Err(wait) = self.try_to_send(batch).await else {
                    pause = FIRST_PAUSE;
                    continue;
                };
                // Not all nodes come back at the same moment.
                let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
                tokio::time::sleep(wait.map_or(jittered, |wait| jittered.max(wait.min(LONGEST_PAUSE)))).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        shutdown.run_until_cancelled(forever).await;
        let rest = async {
            loop {
                let next = self.waiting.backlog().take();
                let Some(batch) = next else { return };
                if self.try_to_send(batch).await.is_err() {
                    return;
                }
            }
        };
        // What is not sent by then is lost with the agent.
        let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    }

    /// Whether it has gone, or never will; else it is put back, and the error is how long the database asks to wait.
    async fn try_to_send(&self, batch: Batch) -> Result<(), Option<Duration>> {
        let under_way = UnderWay { exporter: self, batch: Some(batch) };
        let Some(Batch { body, lines }) = under_way.batch.clone() else { return Ok(()) };
        let outcome = self.database.send(body).await;
        match outcome {
            Outcome::Taken => {
                under_way.done();
                count_written(lines);
                Ok(())
            }
            Outcome::Refused { lines: refused, why } => {
                under_way.done();
                let refused = refused.unwrap_or(lines).min(lines);
                count_written(lines - refused);
                count_dropped("refused", refused);
                REFUSED.warn(format_args!("InfluxDB does not take {refused} points, which are dropped: {why}"));
                Ok(())
            }
            Outcome::NotAllowed { why } => {
                NOT_ALLOWED.warn(format_args!("InfluxDB does not let the agent write, points wait: {why}"));
                if let Err(error) = self.database.read_credentials().await {
                    NOT_ALLOWED.warn(format_args!("{error:#}; what was read before stays in effect"));
                }
                Err(None)
            }
            Outcome::Away { wait, why } => {
                AWAY.warn(format_args!(
                    "InfluxDB does not answer, points wait: {why}. Is it up, and is influxdb.url right?"
                ));
                Err(wait)
            }
        }
    }
}

/// A batch that is being sent. It goes back unless that is done, also when sending is given up.
struct UnderWay<'a> {
    exporter: &'a Exporter,
    batch: Option<Batch>,
}

impl UnderWay<'_> {
    fn done(mut self) {
        self.batch = None;
        self.exporter.waiting.tell_size();
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            let dropped = self.exporter.waiting.backlog().put_back(batch);
            self.exporter.changed(dropped);
        }
    }
}

impl Waiting {
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_size(&self) {
        metrics::gauge!(telemetry::INFLUXDB_WAITING_BYTES.name).set(self.backlog().bytes() as f64);
    }
}

/// From pictures to lines.
struct Following {
    intervals: Intervals,
    series: Series,
    wall: Wall,
    schema: PowerapiSchema,
    latest: Option<Generation>,
}

impl Following {
    fn new(config: &InfluxdbConfig, sensor: &str) -> Self {
        Self {
            intervals: Intervals::new(sensor, config.functions),
            series: Series::default(),
            wall: Wall::new(WallAnchor::take()),
            schema: config.schema,
            latest: None,
        }
    }

    /// Tells the lines of the interval that ends with a picture.
    fn take(&mut self, snapshot: &Snapshot, mut tell: impl FnMut(&str)) {
        if self.latest.replace(snapshot.generation) == Some(snapshot.generation) {
            return;
        }
        let was_set = self.wall.follow(WallAnchor::take(), Timestamp::now());
        let Some(interval) = self.intervals.next(snapshot) else { return };
        let (wall, schema) = (self.wall, self.schema);
        self.series.points(&interval, was_set, |point| {
            lines::of_point(schema, point.tags, point.power, wall.unix(point.at)).for_each(|line| tell(&line));
        });
    }
}

fn count_written(points: u64) {
    metrics::counter!(telemetry::INFLUXDB_POINTS_WRITTEN.name).increment(points);
}

fn count_dropped(reason: &'static str, points: u64) {
    metrics::counter!(telemetry::INFLUXDB_POINTS_DROPPED.name, "reason" => reason).increment(points);
}
