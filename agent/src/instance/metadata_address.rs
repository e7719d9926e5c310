//! The address at which a cloud tells its machines of themselves. Only asked where the configuration allows it.

use crate::identity::metadata::http::{HttpError, Question, Server};

/// Asks what type of instance this is.
///
/// # Errors
/// When nobody answers at `url`, or nothing that is a type.
pub(super) async fn instance_type(url: &str, provider: &str) -> Result<String, HttpError> {
    let server = Server::of_url(url, None)?;
    let text = async |question: Question<'_>| -> Result<String, HttpError> {
        let answer = server.ask(&question).await?;
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    };
    let found = match provider {
        "aws" => {
            // Version 2 of the service wants a token first; version 1 knows none, and is often switched off.
            let lifetime = [("x-aws-ec2-metadata-token-ttl-seconds", "60")];
            let token = text(Question { put: true, path: "/latest/api/token", headers: &lifetime }).await?;
            let path = "/latest/meta-data/instance-type";
            text(Question { put: false, path, headers: &[("x-aws-ec2-metadata-token", &token)] }).await?
        }
        "azure" => {
            let path = "/metadata/instance/compute/vmSize?api-version=2021-02-01&format=text";
            let size = text(Question { put: false, path, headers: &[("metadata", "true")] }).await?;
            // Boavizta's servers leave the tier out.
            size.to_lowercase().trim_start_matches("standard_").to_owned()
        }
        "gcp" => {
            let path = "/computeMetadata/v1/instance/machine-type";
            let kind = text(Question { put: false, path, headers: &[("metadata-flavor", "Google")] }).await?;
            // projects/123/machineTypes/n2-standard-4
            kind.rsplit('/').next().unwrap_or_default().to_owned()
        }
        other => {
            return Err(HttpError::Body(format!(
                "it is not known how {other} tells an instance its type: set source.estimate.instance_type"
            )));
        }
    };
    let is_type = !found.is_empty() && found.len() < 64 && found.chars().all(|it| it.is_ascii_graphic() && it != '<');
    if is_type { Ok(found) } else { Err(HttpError::Body(format!("'{found}' is no type of an instance"))) }
}
