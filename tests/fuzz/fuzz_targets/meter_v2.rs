#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| prony_tests::fuzz::run("meter_v2", data));
