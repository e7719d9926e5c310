#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| prony_tests::fuzz::run("cri_answers", data));
