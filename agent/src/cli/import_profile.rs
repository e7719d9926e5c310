//! `prony import-profile`: a Boavizta server's answer about a cloud instance as a power profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::clock::{Timestamp, WallAnchor};
use crate::identity::metadata::http::{Question, Server};
use crate::source::estimate::boavizta::{Answer, Instance};

use super::EXIT_USAGE;
use super::output::print;

const EXAMPLES: &str = "\
Examples:
  curl -o m7a.json 'https://boavizta.example.com/v1/cloud/instance?provider=aws&instance_type=m7a.4xlarge&verbose=true'
  prony import-profile m7a.json --name 'aws m7a.4xlarge' --output /etc/prony/power-profile.json
  prony import-profile m7a.json > power-profile.json
  prony import-profile 'http://127.0.0.1:5000/v1/cloud/instance?provider=aws&instance_type=m7a.4xlarge&verbose=true'

The agent estimates by it where source.estimate.profile_file names it. A server answers with a similar instance or processor
where it does not know the one that was asked for: read the warnings.
Exit codes: 0 success, 1 failure, 2 the answer is not good.";

/// What `prony import-profile` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportProfileArgs {
    /// A server's answer about an instance, with verbose=true: its file, or where to ask for it
    #[arg(value_name = "FILE|URL")]
    from: String,
    /// What the instance is called [default: the file's name, or what the address asks for]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The power profile to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Checks the answer, tells what there is to be known of it, and writes the profile.
pub fn run(args: &ImportProfileArgs) -> anyhow::Result<ExitCode> {
    let From { text, name, origin } = From::open(&args.from)?;
    let answer = match Answer::read(&text) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("prony: {} is no answer about a cloud instance: {error}", args.from);
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    for warning in &answer.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("{}", summary(&answer.instance));
    let now = WallAnchor::take().unix_seconds(Timestamp::now());
    let profile = answer.profile(args.name.as_deref().unwrap_or(&name), origin, now);
    match &args.output {
        Some(output) => {
            profile.write(output).with_context(|| format!("cannot write {}", output.display()))?;
            eprintln!("The agent estimates by it where source.estimate.profile_file = \"{}\".", output.display());
        }
        None => print(&profile.to_json())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An answer, and what is known of it.
struct From {
    text: String,
    name: String,
    origin: String,
}

impl From {
    /// Reads a file, or asks a server.
    fn open(from: &str) -> anyhow::Result<Self> {
        if from.starts_with("http://") || from.starts_with("https://") {
            let text = fetch(from).with_context(|| format!("{from} gives no answer"))?;
            return Ok(Self { text, name: asked_for(from), origin: from.to_owned() });
        }
        let path = Path::new(from);
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {from}"))?;
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let origin = format!("Boavizta's answer in {}", part(path.file_name()));
        Ok(Self { text, name: part(path.file_stem()), origin })
    }
}

fn fetch(url: &str) -> anyhow::Result<String> {
    let uri: hyper::Uri = url.parse()?;
    let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = Server::of_url(url, None)?;
    let answer = runtime.block_on(Box::pin(server.ask(&Question { put: false, path, headers: &[] })))?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The provider and the type that a query asks for.
fn asked_for(url: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let values = ["provider", "instance_type"].into_iter().filter_map(|wanted| {
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    });
    values.collect::<Vec<_>>().join(" ")
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
        let from = file.to_str().unwrap().to_owned();
        let args = ImportProfileArgs { from, name: None, output: Some(output.clone()) };
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
        let from = file.to_str().unwrap().to_owned();
        let args = ImportProfileArgs { from, name: None, output: Some(output.clone()) };
        assert_eq!(run(&args).unwrap(), ExitCode::from(EXIT_USAGE));
        assert!(!output.exists());
    }

    #[test]
    fn an_address_says_what_it_asks_for() {
        assert_eq!(asked_for("http://h/v1/cloud/instance?verbose=true&instance_type=m7a&provider=aws"), "aws m7a");
        assert_eq!(asked_for("http://h/answer.json"), "");
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
