#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    nightlatch::fuzz::secret_template(bytes);
});
