//! Keeps up with the files of `[access]`.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::AccessConfig;
use crate::notice::Notice;

use super::material::Material;

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(3);

static NOT_TAKEN_UP: Notice = Notice::new("access_files");

/// Who may come in, as the files of `[access]` say now. Clones are the same.
#[derive(Clone, Debug)]
pub struct Access(Arc<Held>);

#[derive(Debug)]
struct Held {
    config: AccessConfig,
    now: RwLock<Arc<Material>>,
    /// What the files looked like when they were last read.
    seen: Mutex<Vec<Mark>>,
}

/// What tells a file from another one and from itself before it was written; `None` where there is none.
type Mark = Option<[i64; 7]>;

impl Access {
    /// As the files say.
    ///
    /// # Errors
    /// Where one cannot be read or used. The text names what to do.
    pub fn open(config: &AccessConfig) -> anyhow::Result<Self> {
        let seen = Mutex::new(marks(config));
        let now = RwLock::new(Arc::new(Material::read(config)?));
        Ok(Self(Arc::new(Held { config: config.clone(), now, seen })))
    }

    /// Keeps up with the files until `shutdown`: looks at them every few seconds, and reads them at SIGHUP.
    ///
    /// # Errors
    /// Where signals cannot be listened for.
    pub async fn keep_up(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        if self.0.config.files().next().is_none() {
            shutdown.cancelled().await;
            return Ok(());
        }
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            let is_asked = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => false,
                _ = hangup.recv() => true,
            };
            let access = self.clone();
            // Files may lie where reading takes long.
            tokio::task::spawn_blocking(move || access.look(is_asked)).await?;
        }
    }

    /// Reads the files if they have changed or if `is_asked`. What cannot be used leaves everything as it was.
    pub(super) fn look(&self, is_asked: bool) {
        let marks = marks(&self.0.config);
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == marks && !is_asked {
            return;
        }
        match Material::read(&self.0.config) {
            Ok(material) => {
                *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
                tracing::info!("the files of [access] were read anew");
            }
            Err(error) => NOT_TAKEN_UP.warn(format!("{error:#}; what was there before stays in effect")),
        }
        *seen = marks;
    }

    /// What the files said last.
    pub(super) fn now(&self) -> Arc<Material> {
        Arc::clone(&self.0.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether clients have to say who they are.
    pub(super) fn authenticates(&self) -> bool {
        self.0.config.authenticates()
    }
}

fn marks(config: &AccessConfig) -> Vec<Mark> {
    config.files().map(|(_, file)| mark(file)).collect()
}

/// Links are followed: Kubernetes puts a new version of a secret in place by them.
fn mark(file: &Path) -> Mark {
    let of = std::fs::metadata(file).ok()?;
    Some([
        of.dev().cast_signed(),
        of.ino().cast_signed(),
        of.len().cast_signed(),
        of.mtime(),
        of.mtime_nsec(),
        of.ctime(),
        of.ctime_nsec(),
    ])
}
