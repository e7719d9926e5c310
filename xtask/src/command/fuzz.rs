//! `cargo xtask fuzz`: looks for input that breaks what `tests/src/fuzz` promises of the agent's parsers.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use xtask::process::{self, find_on_path, say};
use xtask::{crates, ebpf, nightly, workspace};

const CARGO_FUZZ: crates::Tool = crates::Tool { name: "cargo-fuzz", version: "0.13.2" };
/// The longest that one case may take, in seconds, and the most memory, in MiB: more of either is a finding.
/// What threads hold that are just ending looks like leaks.
const LIMITS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=2048", "-detect_leaks=0"];

/// What is to be fuzzed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    seconds: u32,
    /// A target ends before its time when it has seen so many.
    cases: Option<u32>,
    target: Option<String>,
}

impl Options {
    /// Reads the arguments; what is wrong with them is the error.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { seconds: 60, cases: None, target: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                limit @ ("--seconds" | "--minutes" | "--cases") => {
                    let number = arguments.next().and_then(|number| number.parse().ok()).filter(|&number| number > 0);
                    let number =
                        number.and_then(|number: u32| number.checked_mul(if limit == "--minutes" { 60 } else { 1 }));
                    let number =
                        number.ok_or_else(|| format!("{limit} takes a whole number, for example `{limit} 60`"))?;
                    match limit {
                        "--cases" => options.cases = Some(number),
                        _ => options.seconds = number,
                    }
                }
                unknown if unknown.starts_with('-') => return Err(format!("fuzz has no option `{unknown}`")),
                target if options.target.is_none() => options.target = Some(target.to_owned()),
                more => return Err(format!("fuzz takes one target; `{more}` is one too many")),
            }
        }
        Ok(options)
    }
}

/// Fuzzes one target or all of them, one after the other. What a target has met is kept under `target/fuzz` and is where
/// the next run begins.
pub(super) fn fuzz(options: &Options) -> Result<ExitCode> {
    let folder = workspace::root().join("tests/fuzz");
    let all = targets(&folder)?;
    let wanted = match &options.target {
        None => all,
        Some(target) if all.contains(target) => vec![target.clone()],
        Some(target) => {
            return Ok(super::refuse(&format!("there is no fuzz target `{target}`; there are: {}", all.join(", "))));
        }
    };
    if let Some(reason) = missing_compiler() {
        println!("0 passed, 0 failed, {} skipped\n  {reason}", wanted.len());
        return Ok(ExitCode::SUCCESS);
    }
    let cargo_fuzz = CARGO_FUZZ.find_or_install()?;
    for object in ebpf::Object::OF_AGENT {
        ebpf::build(object, &ebpf::Target::host())?;
    }
    let objects = ebpf::folder(&ebpf::Target::host());
    take_over_lock_file(&folder)?;
    let mut failed = Vec::new();
    for target in &wanted {
        say(format_args!("fuzzing {target} for {} s", options.seconds));
        if let Err(error) = run(&cargo_fuzz, &folder, &objects, target, options) {
            say(format_args!("{error:#}"));
            failed.push(target);
        }
    }
    println!("{} passed, {} failed, 0 skipped", wanted.len() - failed.len(), failed.len());
    for target in &failed {
        println!(
            "  {target}: the case is in tests/fuzz/artifacts/{target}; once it is mended, keep it in \
             tests/fuzz/corpus/{target} under a name that says what it is"
        );
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The targets, in order, by their files.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.join("fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut targets: Vec<String> =
        files.flatten().filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".rs")?.to_owned())).collect();
    targets.sort();
    Ok(targets)
}

/// What has to be installed first, if anything.
fn missing_compiler() -> Option<String> {
    nightly::missing().or_else(|| {
        let missing = find_on_path("c++").is_none();
        missing.then(|| "no C++ compiler is installed, which libFuzzer is built with: `apt-get install g++`".into())
    })
}

/// The fuzzers are a workspace of their own; they are built from the same versions as the agent.
fn take_over_lock_file(folder: &Path) -> Result<()> {
    let (from, to) = (workspace::root().join("Cargo.lock"), folder.join("Cargo.lock"));
    let changed = |file: &Path| file.metadata().and_then(|file| file.modified()).ok();
    if changed(&to) < changed(&from) {
        fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

fn run(cargo_fuzz: &Path, folder: &Path, objects: &Path, target: &str, options: &Options) -> Result<()> {
    let build = workspace::target().join("fuzz");
    let met = build.join("corpus").join(target);
    fs::create_dir_all(&met).with_context(|| format!("cannot create {}", met.display()))?;
    let mut command = nightly::command(&cargo_fuzz.to_string_lossy());
    command.args(["fuzz", "run", "--fuzz-dir"]).arg(folder).arg("--target-dir").arg(&build);
    command.arg(target).arg(&met).arg(folder.join("corpus").join(target)).arg("--").args(LIMITS);
    command.arg(format!("-max_total_time={}", options.seconds));
    command.args(options.cases.map(|cases| format!("-runs={cases}")));
    // The kernel objects are the pinned compiler's.
    command.env("PRONY_PREBUILT_EBPF", objects);
    if Path::new("/dev/shm").is_dir() {
        // Trees of files are made and removed thousands of times a second.
        command.env("TMPDIR", "/dev/shm");
    }
    process::run(command.current_dir(workspace::root()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn seconds_and_target_come_in_any_order() {
        let both = Options { seconds: 5, cases: None, target: Some("config".into()) };
        assert_eq!(parse("--seconds 5 config"), Ok(both.clone()));
        assert_eq!(parse("config --seconds 5"), Ok(both.clone()));
        assert_eq!(parse("config --minutes 5"), Ok(Options { seconds: 300, ..both }));
        assert_eq!(parse("--cases 7"), Ok(Options { seconds: 60, cases: Some(7), target: None }));
        assert_eq!(parse(""), Ok(Options { seconds: 60, cases: None, target: None }));
        for wrong in
            ["--cases many", "--seconds", "--seconds 0", "--seconds x", "--minutes 99999999", "--hours 1", "one two"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_target_has_a_binary_and_something_to_begin_with() {
        let folder = workspace::root().join("tests/fuzz");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for target in targets(&folder).unwrap() {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            assert!(folder.join("corpus").join(&target).is_dir(), "{target}");
        }
    }
}
