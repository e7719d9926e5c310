//! One file per command.

mod agent;
mod bench;
mod deny;
mod fuzz;
mod miri;
mod run;
mod sbom;
mod test;
mod vm_test;

use std::process::ExitCode;

use anyhow::Result;
use xtask::ebpf;

const USAGE: &str = "\
Prony's build, test and benchmark commands.

Usage: cargo xtask <COMMAND>

  build-ebpf                Build the kernel objects and print their paths. What is needed for it (bpf-linker, the
                            sources of Rust's library) is fetched first and kept under target/tools.
  run [--] [ARGUMENTS]      Build the agent (release) and start it, through sudo when not root. ARGUMENTS are those of
                            `prony`; `run` is its command where they name none.
  test [--install] [FILTER] Formatting, clippy, unit, property, kernel and end-to-end tests. What cannot run here is
                            listed with its reason; the last line is `N passed, N failed, N skipped`.
                            --install  first fetch the servers that tests talk to (under target/tools, no system
                                       package); FILTER  only what has this in its name.
  bench [NAME] [ARGUMENTS]  Run a benchmark, or list them.
  soak [--minutes N]        Put real load on the agent for N minutes (60), and say what grows: memory, descriptors,
                            threads, errors in the books.
  vm-test [--kernel NAME] [--machine NAME] [--docs FILE]
                            Boot kernels of Debian's in virtual machines of QEMU, with and without RAPL, and try the
                            agent in each. QEMU and kernels are fetched first, under target/tools.
  fuzz [--seconds N | --minutes N] [--cases N] [TARGET]
                            Look for input that breaks a parser, N seconds (60) or minutes for each target. Needs a
                            nightly compiler beside the pinned one, and says how to get it.
  miri                      Run the unit tests of what has `unsafe` on Miri, which sees what is undefined. Needs a
                            nightly compiler with Miri, and says how to get it.
  deny                      Check licences, sources and duplicates of all dependencies, and known vulnerabilities, as
                            deny.toml says. cargo-deny is built first, once.
  sbom                      Write what is linked into the agent as CycloneDX JSON and print the file's path.
                            cargo-cyclonedx is built first, once.
  help                      This text.

Examples:
  cargo xtask run
  cargo xtask run -- --window 10ms --metrics-listen 127.0.0.1:9190
  cargo xtask run -- doctor
  cargo xtask test books
  cargo xtask bench switch
  cargo xtask soak --minutes 10
  cargo xtask fuzz --minutes 10 config
  cargo xtask vm-test --kernel 6.12 --machine intel
";

/// Exit status for a command line that is not understood.
const USAGE_ERROR: u8 = 2;

/// Runs the command that the arguments name.
pub(crate) fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        eprint!("{USAGE}");
        return Ok(ExitCode::from(USAGE_ERROR));
    };
    match command.as_str() {
        "build-ebpf" if rest.is_empty() => {
            for object in ebpf::Object::OF_AGENT {
                println!("{}", ebpf::build(object, &ebpf::Target::host())?.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        "run" => run::run(rest),
        "test" => match test::Options::parse(rest) {
            Ok(options) => test::test(&options),
            Err(problem) => Ok(refuse(&problem)),
        },
        "bench" => bench::bench(rest),
        "soak" => bench::run("soak", rest),
        "fuzz" => match fuzz::Options::parse(rest) {
            Ok(options) => fuzz::fuzz(&options),
            Err(problem) => Ok(refuse(&problem)),
        },
        "vm-test" => vm_test::vm_test(rest),
        "deny" if rest.is_empty() => deny::deny(),
        "miri" if rest.is_empty() => miri::miri(),
        "sbom" if rest.is_empty() => sbom::sbom(),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        "build-ebpf" | "deny" | "miri" | "sbom" => Ok(refuse(&format!("{command} takes no arguments"))),
        other => Ok(refuse(&format!("there is no command `{other}`"))),
    }
}

fn refuse(problem: &str) -> ExitCode {
    eprint!("xtask: {problem}\n\n{USAGE}");
    ExitCode::from(USAGE_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(line: &str) -> bool {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        dispatch(&arguments).unwrap() == ExitCode::from(USAGE_ERROR)
    }

    #[test]
    fn every_command_is_in_the_usage_and_takes_nothing_that_it_does_not_know() {
        for command in ["build-ebpf", "deny", "fuzz", "miri", "sbom", "test"] {
            assert!(USAGE.contains(&format!("\n  {command} ")), "{command}");
            assert!(refuses(&format!("{command} --no-such-option")), "{command}");
        }
        assert!(refuses("sboms"));
    }
}
