#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    nightlatch::fuzz::audit_anchor(bytes);
});
