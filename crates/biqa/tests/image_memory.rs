//! A bomb costs neither memory nor time (papers/images.md, section 11, item 3): the allocator of
//! this test counts. One test only, so that nothing else allocates meanwhile.

#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait; it only forwards")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use biqa::image::{LoadOptions, load};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator with its own arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn golden_bombs_cost_little() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    for name in ["bomb.png", "bomb-long.png", "bomb.gif", "icc-bomb.png", "text-bomb.png"] {
        let start = NOW.load(Ordering::Relaxed);
        PEAK.store(start, Ordering::Relaxed);
        let clock = Instant::now();
        let result = load(&folder.join(name), &LoadOptions::default());
        let took = clock.elapsed();
        let peak = PEAK.load(Ordering::Relaxed) - start;
        assert_eq!(result.is_ok(), name == "text-bomb.png", "{name}");
        assert!(peak < 16 << 20, "{name}: {peak} bytes");
        assert!(took < Duration::from_millis(50), "{name}: {took:?}");
    }

    // A header that promises 90 megapixels and brings no data takes no buffer of that size for long;
    // one above the memory limit takes none at all.
    let start = NOW.load(Ordering::Relaxed);
    PEAK.store(start, Ordering::Relaxed);
    let mut tiff = b"qoif".to_vec();
    tiff.extend(9_900u32.to_be_bytes());
    tiff.extend(9_900u32.to_be_bytes());
    tiff.extend([4, 0]);
    let error =
        biqa::image::decode(&tiff, "big.qoi", &LoadOptions::default()).expect_err("too big");
    assert_eq!(error.kind().as_str(), "TooMuchMemory", "{error}");
    assert!(PEAK.load(Ordering::Relaxed) - start < 1 << 20);
}
