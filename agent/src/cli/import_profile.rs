//! `prony import-profile`: a Boavizta server's answer about a cloud instance as a power profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::clock::{Timestamp, WallAnchor};
use crate::source::estimate::boavizta::{Answer, Instance};

use super::EXIT_USAGE;
use super::output::print;

const EXAMPLES: &str = "\
Examples:
  curl -o m7a.json 'https://boavizta.example.com/v1/cloud/instance?provider=aws&instance_type=m7a.4xlarge&verbose=true'
  prony import-profile m7a.json --name 'aws m7a.4xlarge' --output /etc/prony/power-profile.json
  prony import-profile m7a.json > power-profile.json

The agent estimates by it where source.estimate.profile_file names it. A server answers with a similar instance or processor
where it does not know the one that was asked for: read the warnings.
Exit codes: 0 success, 1 failure, 2 the answer is not good.";

/// What `prony import-profile` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportProfileArgs {
    /// The answer to GET /v1/cloud/instance?provider=...&instance_type=...&verbose=true
    file: PathBuf,
    /// What the instance is called [default: the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The power profile to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Checks the answer, tells what there is to be known of it, and writes the profile.
pub fn run(args: &ImportProfileArgs) -> anyhow::Result<ExitCode> {
    let path = &args.file;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let answer = match Answer::read(&text) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("prony: {} is no answer about a cloud instance: {error}", path.display());
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    for warning in &answer.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("{}", summary(&answer.instance));
    let now = WallAnchor::take().unix_seconds(Timestamp::now());
    let profile = answer.profile(&name(args), format!("Boavizta's answer in {}", file_name(path)), now);
    match &args.output {
        Some(output) => {
            profile.write(output).with_context(|| format!("cannot write {}", output.display()))?;
            eprintln!("The agent estimates by it where source.estimate.profile_file = \"{}\".", output.display());
        }
        None => print(&profile.to_json())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn name(args: &ImportProfileArgs) -> String {
    let stem = || args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    args.name.clone().unwrap_or_else(stem)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the instance draws: `processors 5.6 W idle to 47.6 W at full load, ...`.
fn summary(instance: &Instance) -> String {
    let [idle, full] = [0.0, 100.0].map(|load| instance.processor_power(load).0);
    let ([_, all_idle, _], [least, usual, most]) = (instance.power(0.0), instance.power(100.0));
    format!(
        "processors {idle:.1} W idle to {full:.1} W at full load, memory {:.1} W, the whole instance {:.1} W to {:.1} W \
         ({:.1} W to {:.1} W at full load, by what else its host draws)",
        instance.memory_power().0,
        all_idle.0,
        usual.0,
        least.0,
        most.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::estimate::PowerProfile;

    const ANSWER: &str = include_str!("../../../tests/fixtures/boavizta_m7a_4xlarge.json");

    #[test]
    fn an_answer_becomes_a_profile_that_the_agent_reads() {
        let folder = tempfile::tempdir().unwrap();
        let (file, output) = (folder.path().join("m7a.json"), folder.path().join("profile.json"));
        fs::write(&file, ANSWER).unwrap();
        let args = ImportProfileArgs { file, name: None, output: Some(output.clone()) };
        assert_eq!(run(&args).unwrap(), ExitCode::SUCCESS);
        let profile = PowerProfile::read(&output).unwrap();
        assert_eq!(profile.subject, "m7a on AMD EPYC 9R14");
        assert_eq!(profile.origin, "Boavizta's answer in m7a.json");
        assert_eq!(profile.warnings.len(), 1);
    }

    #[test]
    fn what_is_no_answer_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, output) = (folder.path().join("m7a.json"), folder.path().join("profile.json"));
        fs::write(&file, "{}").unwrap();
        let args = ImportProfileArgs { file, name: None, output: Some(output.clone()) };
        assert_eq!(run(&args).unwrap(), ExitCode::from(EXIT_USAGE));
        assert!(!output.exists());
    }

    #[test]
    fn the_summary_has_the_figures_that_matter() {
        let answer = Answer::read(ANSWER).unwrap();
        assert_eq!(
            summary(&answer.instance),
            "processors 5.6 W idle to 47.6 W at full load, memory 18.2 W, the whole instance 31.6 W to 87.5 W (79.0 W to \
             105.3 W at full load, by what else its host draws)"
        );
    }
}
