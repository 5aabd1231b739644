//! Any bytes as a file of weights: no panic, and no array whose numbers don't fill its shape.
//!
//! Run from `fuzz/`: `cargo fuzz run weights corpus/weights seeds/weights`. The seeds are small
//! safetensors files (with and without a card, every type) and PyTorch checkpoints.

#![no_main]

use biqa::scorer::Scorer;
use biqa::weights::{read_pth, read_safetensors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((arrays, _)) = read_safetensors(data, "fuzz") {
        for array in arrays.values() {
            assert_eq!(array.shape.iter().product::<usize>(), array.data.len());
        }
    }
    // A file whose card names a network must fit it in every tensor, or be refused.
    let _ = Scorer::from_bytes(data, "fuzz");
    if data.starts_with(b"PK") || data.first() == Some(&0x80) {
        // The reader of PyTorch's containers takes files only.
        let path = std::env::temp_dir().join(format!("biqa-fuzz-{}.pth", std::process::id()));
        if std::fs::write(&path, data).is_ok() {
            let _ = read_pth(&path);
        }
    }
});
