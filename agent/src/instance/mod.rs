//! What this cloud instance draws, by the Boavizta server that the configuration names; nobody is asked without one.
//!
//! Which instance this is, is configured, or found by the machine's firmware, or asked for at the cloud's metadata address where
//! that is allowed. An answer is kept in the state's folder and asked for again when it is old. While there is none, power is
//! estimated by what else is known, and the server is asked again, ever more rarely.

mod boavizta_server;
mod cache;
mod metadata_address;
mod name;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::config::EstimateConfig;
use crate::confine::Confinement;
use crate::notice::Notice;
use crate::source::estimate::PowerProfile;

use cache::Cache;
use name::{InstanceName, Known};

/// How long the start of the agent may be held up.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);
/// The pauses between two attempts: the first, which doubles, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

static NO_ANSWER: Notice = Notice::new("boavizta_unavailable");

/// Who asks, and how far it has come.
#[derive(Debug)]
pub(crate) struct InstanceProfile {
    config: EstimateConfig,
    /// The server's address.
    url: String,
    sysfs: PathBuf,
    cache: Option<Cache>,
    /// What was asked, once it was known about which instance.
    question: Option<String>,
    pause: Duration,
    is_answered: bool,
}

impl InstanceProfile {
    /// By the configuration; `None` where it names no server, or a profile of its own. Answers are kept in the folder `state`.
    pub(crate) fn new(
        config: &EstimateConfig,
        sysfs: &Path,
        state: Option<&Path>,
        confinement: &Arc<Confinement>,
    ) -> Option<Self> {
        let is_wanted = config.enabled != Some(false) && config.profile_file.is_none();
        let url = config.boavizta_url.clone().filter(|_| is_wanted)?;
        let cache = state.and_then(|folder| Cache::open(folder, confinement));
        let (config, sysfs) = (config.clone(), sysfs.to_owned());
        Some(Self { config, url, sysfs, cache, question: None, pause: FIRST_PAUSE, is_answered: false })
    }

    /// What there is to begin with: what was kept, else an answer that comes soon.
    pub(crate) async fn begin(&mut self) -> Option<PowerProfile> {
        let slow = |_| Err(format!("no answer within {} s", FIRST_PATIENCE.as_secs()));
        let found = tokio::time::timeout(FIRST_PATIENCE, self.find()).await.unwrap_or_else(slow);
        found.inspect_err(|error| tell(error)).ok().or_else(|| self.kept_before())
    }

    /// Asks until there is an answer, and hands it over.
    pub(crate) async fn go_on(mut self, take: impl FnOnce(PowerProfile)) {
        while !self.is_answered {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            match self.find().await {
                Ok(profile) => return take(profile),
                Err(error) => tell(&error),
            }
        }
    }

    /// What was kept, where it is not old; else the server's answer.
    async fn find(&mut self) -> Result<PowerProfile, String> {
        let name = self.name().await?;
        let question = self.question.insert(boavizta_server::question(&self.url, &name));
        if let Some(kept) = self.cache.as_ref().and_then(|cache| cache.fresh(question)) {
            info!("the power profile of {} is the one that was kept", kept.subject);
            self.is_answered = true;
            return Ok(kept);
        }
        let authorities = self.config.ca_file.as_deref();
        let profile = boavizta_server::ask(&self.url, authorities, &name).await.map_err(|error| error.to_string())?;
        self.is_answered = true;
        info!("{} has answered about {name}", self.url);
        for warning in &profile.warnings {
            warn!("the Boavizta server's answer about {name}: {warning}");
        }
        if let Some(cache) = &self.cache {
            cache.keep(profile.clone());
        }
        Ok(profile)
    }

    /// The answer to the same question that was kept, however old it is.
    fn kept_before(&self) -> Option<PowerProfile> {
        let kept = self.cache.as_ref()?.any(self.question.as_deref()?)?;
        warn!("an old power profile of {} is used until the server answers", kept.subject);
        Some(kept)
    }

    async fn name(&self) -> Result<InstanceName, String> {
        let configured =
            Known { provider: self.config.provider.clone(), instance_type: self.config.instance_type.clone() };
        let known = configured.or(Known::by_firmware(&self.sysfs));
        if let Some(name) = known.whole() {
            return Ok(name);
        }
        let unknown = |what: &str| {
            format!("it is not known {what} this is: set source.estimate.provider and source.estimate.instance_type")
        };
        let provider = known.provider.ok_or_else(|| unknown("in which cloud"))?;
        if !self.config.ask_metadata {
            return Err(unknown("what type of instance") + ", or source.estimate.ask_metadata = true");
        }
        let url = &self.config.metadata_url;
        let found = metadata_address::instance_type(url, &provider).await;
        let instance_type =
            found.map_err(|error| format!("the metadata address {url} does not tell the type: {error}"))?;
        Ok(InstanceName { provider, instance_type })
    }
}

fn tell(error: &str) {
    let fix =
        "power is estimated by what else is known until there is an answer; 'prony import-profile' needs no server";
    NO_ANSWER.warn(format_args!("{error}; {fix}"));
}
