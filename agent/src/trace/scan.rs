//! A look through a trace before it is replayed: which cgroups run functions.
//!
//! What a function's cgroup has used is kept until its invocations are told, which costs; that of others need not be.

use std::io::BufRead;

use memchr::memmem;
use rustc_hash::FxHashSet;

use super::line::Line;

/// The cgroups that have a function or an invocation somewhere in a trace. What cannot be read is left to the replay, which
/// says what is wrong with it.
pub(super) fn cgroups_with_functions(mut trace: impl BufRead) -> FxHashSet<Box<str>> {
    let (mut text, mut found) = (Vec::new(), FxHashSet::default());
    let keys = [memmem::Finder::new("\"invocation\""), memmem::Finder::new("\"function\"")];
    while trace.read_until(b'\n', &mut text).is_ok_and(|length| length > 0) {
        if keys.iter().any(|key| has_object(&text, key)) {
            let line: Line<'_> = serde_json::from_slice(&text).unwrap_or_default();
            let invoked = line.invocation.and_then(|invocation| invocation.cgroup);
            found
                .extend(line.function.map(|function| function.cgroup).or(invoked).map(|cgroup| cgroup.as_ref().into()));
        }
        text.clear();
    }
    found
}

/// Whether a line has an object under this key.
fn has_object(text: &[u8], key: &memmem::Finder<'_>) -> bool {
    key.find_iter(text).any(|at| {
        let value = text[at + key.needle().len()..].trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"{"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_of_functions_and_invocations_are_found() {
        let trace = concat!(
            "{\"prony_trace\":1,\"cpus\":[]}\n",
            "{\"at_ns\":1,\"activity\":{\"from_ns\":0,\"to_ns\":1,\"consumers\":[{\"cgroup\":\"/no\",\"comm\":\"function\",\"cpu_ns\":[]}]}}\n",
            "{\"at_ns\":1,\"function\" : {\"cgroup\":\"/a\",\"name\":\"f\"}}\n",
            "not a line with \"invocation\":{\n",
            "{\"at_ns\":1,\"invocation\":{\"id\":\"i\",\"function\":\"f\",\"start_ns\":0,\"end_ns\":1}}\n",
            "{\"at_ns\":1,\"invocation\":{\"id\":\"i\",\"cgroup\":\"/b\",\"start_ns\":0,\"end_ns\":1}}\n",
        );
        let found = cgroups_with_functions(trace.as_bytes());
        assert_eq!(found, FxHashSet::from_iter(["/a".into(), "/b".into()]));
    }
}
