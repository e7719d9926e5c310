//! What is to be tried.

use std::path::PathBuf;

use prony_tests::vm::{MACHINES, Machine};
use xtask::virtual_machine::{KERNELS, Kernel};

pub(crate) const USAGE: &str = "\
usage: vm-matrix [--kernel NAME]... [--machine NAME]... [--docs FILE] [TEST BINARY]...
  --kernel NAME   only this kernel
  --machine NAME  only this kind of machine
  --docs FILE     write the table into this file, between its marks
  TEST BINARY     is run in every guest too";

/// What is to be tried, and where the table goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) docs: Option<PathBuf>,
    pub(crate) tests: Vec<PathBuf>,
}

impl Options {
    /// Reads the arguments; what is wrong with them is the error.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--kernel" => options.kernels.push(kernel(value()?)?),
                "--machine" => options.machines.push(machine(value()?)?),
                "--docs" => options.docs = Some(value()?.into()),
                unknown if unknown.starts_with('-') => return Err(format!("there is no option {unknown}")),
                test => options.tests.push(test.into()),
            }
        }
        if options.kernels.is_empty() {
            options.kernels = KERNELS.to_vec();
        }
        if options.machines.is_empty() {
            options.machines = MACHINES.to_vec();
        }
        Ok(options)
    }
}

fn kernel(name: &str) -> Result<Kernel, String> {
    let names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
    let found = KERNELS.iter().find(|kernel| kernel.name == name);
    found.copied().ok_or_else(|| format!("there is no kernel {name}; there are: {}", names.join(", ")))
}

fn machine(name: &str) -> Result<Machine, String> {
    let names: Vec<&str> = MACHINES.iter().map(|machine| machine.name).collect();
    let found = Machine::find(name);
    found.copied().ok_or_else(|| format!("there is no machine {name}; there are: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn everything_is_tried_unless_it_is_said_what() {
        let all = parse("").unwrap();
        assert_eq!((all.kernels.len(), all.machines.len()), (KERNELS.len(), MACHINES.len()));
        let some = parse("--kernel 6.12 --machine amd --machine intel a b").unwrap();
        assert_eq!((some.kernels.len(), some.machines.len(), some.tests.len()), (1, 2, 2));
        for wrong in ["--kernel", "--kernel 2.4", "--machine vax", "--fast"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
