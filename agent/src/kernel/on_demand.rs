//! Programs that are attached to nothing: the agent runs them itself (`BPF_PROG_TEST_RUN`, kernel 5.10).

use aya::Ebpf;
use aya::programs::{ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun as _};

/// Frees many slots in one call.
pub(super) const FREE_SLOTS: &str = "free_slots";
/// Makes sure who runs on a CPU.
pub(super) const CHECK_OCCUPANT: &str = "check_occupant";

/// All programs of the object, which are detached when this is dropped.
pub(super) struct OnDemand(Ebpf);

impl OnDemand {
    /// Loads those that are run from here. One that the kernel refuses fails when it is run.
    pub(super) fn load(mut programs: Ebpf) -> Self {
        for name in [FREE_SLOTS, CHECK_OCCUPANT] {
            let loaded = find(&mut programs, name).and_then(RawTracePoint::load);
            if let Err(error) = loaded {
                tracing::debug!("the program {name} cannot be used here: {error}");
            }
        }
        Self(programs)
    }

    /// Runs a program with one argument, on this CPU or on the one given, and returns what it returns.
    pub(super) fn run(&mut self, name: &str, argument: u64, cpu: Option<u32>) -> Result<u32, ProgramError> {
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = argument;
        options.cpu = cpu;
        find(&mut self.0, name)?.test_run(options).map(|run| run.return_value)
    }
}

fn find<'programs>(programs: &'programs mut Ebpf, name: &str) -> Result<&'programs mut RawTracePoint, ProgramError> {
    programs.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?.try_into()
}
