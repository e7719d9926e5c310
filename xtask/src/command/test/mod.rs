//! `cargo xtask test`: everything that is checked, with one count at the end.

mod libtest;
mod report;
mod skip_log;
mod step;

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use xtask::process::say;
use xtask::{ebpf, pypi, servers, virtual_machine};

use super::agent::{self, Profile};
use super::vm_test;
use report::Report;
use skip_log::SkipLog;

/// What is to be tested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    install: bool,
    filter: Option<String>,
}

impl Options {
    /// Reads the arguments; what is wrong with them is the error.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--install" => options.install = true,
                unknown if unknown.starts_with('-') => return Err(format!("test has no option `{unknown}`")),
                filter if options.filter.is_none() => options.filter = Some(filter.to_owned()),
                more => return Err(format!("test takes one filter; `{more}` is one too many")),
            }
        }
        Ok(options)
    }

    fn wants(&self, step: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| step.contains(filter.as_str()))
    }
}

/// Runs every step, whatever the others say, and closes with the count.
pub(super) fn test(options: &Options) -> Result<ExitCode> {
    let mut report = Report::default();
    if options.install {
        for installed in [servers::install_missing(), pypi::install_missing(), virtual_machine::install_missing()] {
            // Not a failure of the project: the tests that need the server say so.
            let _ = installed.inspect_err(|error| say(format_args!("not everything could be installed: {error:#}")));
        }
    }
    check_sources(options, &mut report);
    run_tests(options, &mut report)?;
    if report.is_empty()
        && let Some(filter) = &options.filter
    {
        report.add_failure(&format!("no test has `{filter}` in its name"));
    }
    print!("{report}");
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_sources(options: &Options, report: &mut Report) {
    if options.wants("fmt") {
        let mut fmt = agent::cargo();
        fmt.args(["fmt", "--all", "--check"]);
        report.add_check("fmt", step::component_check("rustfmt", &mut fmt));
    }
    // The agent's build script builds it too, but shows nothing of what it does.
    say("building the kernel object");
    if let Err(error) = ebpf::build(ebpf::Object::Agent, &ebpf::Target::host()) {
        say(format_args!("{error:#}"));
        report.add_failure("the kernel object does not build");
    }
    if options.wants("clippy") {
        let mut clippy = agent::cargo();
        clippy.args(["clippy", "--all-targets", "--", "-D", "warnings"]);
        report.add_check("clippy", step::component_check("clippy", &mut clippy));
    }
    if options.wants("clippy-ebpf") {
        report.add_check("clippy-ebpf", step::component("clippy", "clippy-ebpf", || ebpf::lint(&ebpf::Target::host())));
    }
}

fn run_tests(options: &Options, report: &mut Report) -> Result<()> {
    let skips = SkipLog::create()?;
    let mut units = cargo_test(&["--workspace", "--exclude", "agent-ebpf", "--exclude", "prony-tests"]);
    report.add_tests("unit and property tests", step::libtest(with_filter(&mut units, options), &skips)?);
    let mut shared = cargo_test(&["--package", "agent-ebpf", "--lib"]);
    report.add_tests("agent-ebpf's tests", step::libtest(with_filter(&mut shared, options), &skips)?);

    say("building the agent for the kernel and end-to-end tests");
    match agent::build(Profile::Dev).and_then(|agent| Ok((agent, vm_test::build_plugin()?))) {
        Ok((binary, plugin)) => {
            // One at a time: they load programs into the kernel and burn CPU time that they then look for.
            let mut end_to_end = cargo_test(&["--package", "prony-tests"]);
            end_to_end.env("PRONY_BIN", binary).env(vm_test::PLUGIN, plugin);
            end_to_end.args(["--", "--test-threads=1"]).args(&options.filter);
            report.add_tests("kernel and end-to-end tests", step::libtest(&mut end_to_end, &skips)?);
        }
        Err(error) => {
            say(format_args!("{error:#}"));
            report.add_failure("kernel and end-to-end tests: the agent does not build");
        }
    }
    skips.remove().context("cannot remove the list of skipped tests")
}

fn cargo_test(selection: &[&str]) -> Command {
    let mut cargo = agent::cargo();
    cargo.args(["test", "--no-fail-fast"]).args(selection);
    cargo
}

fn with_filter<'a>(cargo: &'a mut Command, options: &Options) -> &'a mut Command {
    cargo.arg("--").args(&options.filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_and_filter_come_in_any_order() {
        let both = Options { install: true, filter: Some("books".into()) };
        assert_eq!(parse("--install books"), Ok(both.clone()));
        assert_eq!(parse("books --install"), Ok(both));
        assert_eq!(parse(""), Ok(Options::default()));
        assert!(parse("--instal").is_err());
        assert!(parse("one two").is_err());
    }

    #[test]
    fn a_filter_is_for_the_checks_too() {
        assert!(parse("").unwrap().wants("fmt"));
        assert!(parse("clippy").unwrap().wants("clippy-ebpf"));
        assert!(!parse("books").unwrap().wants("fmt"));
    }
}
