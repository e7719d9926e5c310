//! Feeds every fuzz target what its corpus holds: typical input, and all that once broke a promise.

use std::fs;
use std::path::Path;

use prony_tests::fuzz::TARGETS;

#[test]
fn what_fuzzing_found_stays_found() {
    for target in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name);
        let mut cases = 0;
        for case in fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display())) {
            let case = case.unwrap().path();
            eprintln!("{}", case.display());
            (target.run)(&fs::read(&case).unwrap());
            cases += 1;
        }
        assert!(cases > 0, "{} holds nothing to begin with", corpus.display());
    }
}

#[test]
fn every_target_has_its_fuzzer() {
    let mut fuzzers: Vec<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    fuzzers.sort();
    assert!(fuzzers.iter().eq(TARGETS.iter().map(|target| target.name)), "{fuzzers:?}");
}
