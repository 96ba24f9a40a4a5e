#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    nightlatch_audit::properties::audit_directory(bytes);
});
