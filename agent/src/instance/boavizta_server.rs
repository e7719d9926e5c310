//! A Boavizta server.

use crate::clock::{Timestamp, WallAnchor};
use crate::identity::metadata::http::{HttpError, Question, Server};
use crate::source::estimate::PowerProfile;
use crate::source::estimate::boavizta::{Answer, NotAnAnswer, request};

use super::name::InstanceName;

/// Why a server gave no profile.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoProfile {
    #[error("the Boavizta server at {url} is not reached: {error}")]
    Unreached { url: String, error: HttpError },
    #[error("the Boavizta server at {url} has no answer about {name}: {error}")]
    Unusable { url: String, name: InstanceName, error: NotAnAnswer },
}

/// What is asked of the server for an instance: the whole address, by which a profile is known again.
pub(super) fn question(url: &str, name: &InstanceName) -> String {
    format!("{}{}", url.trim_end_matches('/'), request(&name.provider, &name.instance_type))
}

/// Asks for the profile of an instance.
pub(super) async fn ask(
    url: &str,
    authorities: Option<&std::path::Path>,
    name: &InstanceName,
) -> Result<PowerProfile, NoProfile> {
    let unreached = |error| NoProfile::Unreached { url: url.into(), error };
    let server = Server::of_url(url, authorities).map_err(unreached)?;
    let path = request(&name.provider, &name.instance_type);
    let answer = server.ask(&Question { put: false, path: &path, headers: &[] }).await.map_err(unreached)?;
    let answer = Answer::read(&String::from_utf8_lossy(&answer)).map_err(|error| NoProfile::Unusable {
        url: url.into(),
        name: name.clone(),
        error,
    })?;
    let now = WallAnchor::take().unix_seconds(Timestamp::now());
    Ok(answer.profile(&name.to_string(), question(url, name), now))
}
