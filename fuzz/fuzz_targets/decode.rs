//! Any bytes into `image::decode`: no panic, no more than the limits, and a picture that is whole.
//!
//! Run from `fuzz/`: `cargo fuzz run decode corpus/decode seeds/decode`. The seeds are small files
//! of every format and variant; `corpus/` is the fuzzer's own.

#![no_main]

use std::sync::LazyLock;

use biqa::image::{Limits, LoadOptions, TruncatedPolicy, decode};
use libfuzzer_sys::fuzz_target;

/// Small enough that a header cannot make one run slow.
static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
    max_file_bytes: 1 << 20,
    max_pixels: 4_000_000,
    max_side: 16_384,
    max_alloc_bytes: 64 << 20,
    max_icc_bytes: 1 << 20,
    ..Limits::default()
});

fuzz_target!(|data: &[u8]| {
    let options = LoadOptions { limits: *LIMITS, ..LoadOptions::default() };
    let gray = LoadOptions { truncated: TruncatedPolicy::Gray, ..options.clone() };
    let pillow = LoadOptions { limits: *LIMITS, ..LoadOptions::pillow() };
    let plain = decode(data, "fuzz", &options);
    for result in [&plain, &decode(data, "fuzz", &gray), &decode(data, "fuzz", &pillow)] {
        match result {
            Ok(picture) => {
                let (width, height) = (picture.rgb.width(), picture.rgb.height());
                let pixels = u64::from(width) * u64::from(height);
                assert!(width > 0 && height > 0 && pixels <= LIMITS.max_pixels);
                assert_eq!(picture.rgb.data().len() as u64, 3 * pixels);
                let stored = (picture.source.stored_width, picture.source.stored_height);
                assert!(stored == (width, height) || stored == (height, width));
                assert!((1..=8).contains(&picture.source.orientation));
            }
            // Nothing in a codec may panic, even where the panic would be caught.
            Err(error) => assert!(!error.message().contains("the decoder failed"), "{error}"),
        }
    }
    // What is whole by default is the same picture with the switch for cut files.
    if let (Ok(a), Ok(b)) = (&plain, &decode(data, "fuzz", &gray)) {
        assert_eq!(a.rgb, b.rgb);
    }
});
