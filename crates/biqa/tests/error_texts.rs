//! Every text with which the library refuses a file, weights or a view, each made from a real small
//! input, as snapshots to be read in review; and that no variant of an error is left out.
//! (`error_texts_formats.rs` has what the decoders say.)

mod made;

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use biqa::image::{Alpha, Limits, LoadError, LoadOptions, Rgb8, decode, load};
use biqa::models::entry;
use biqa::resize::{Filter, ResizeError, crop, resize, resize_f32};
use biqa::scorer::{LITE, Scorer, digest};
use biqa::view::{View, ViewError};
use biqa::weights::{
    Array, Arrays, ModelCard, Precision, Scale, WeightsError, read, read_safetensors,
    to_safetensors, write_safetensors,
};
use insta::assert_snapshot;
use made::golden;
use made::qoi::qoi;
use serde_json::json;
use tempfile::TempDir;

/// Cases and their texts, and the variants that were seen.
#[derive(Default)]
struct Texts {
    text: String,
    seen: BTreeSet<String>,
    folder: Option<TempDir>,
}

impl Texts {
    /// A temporary folder has another name in every run; here it is FOLDER.
    fn add(&mut self, case: &str, variant: &str, error: impl std::fmt::Display) {
        let mut text = error.to_string();
        if let Some(folder) = &self.folder {
            text = text.replace(folder.path().to_str().expect("UTF-8"), "FOLDER");
        }
        writeln!(self.text, "{case}\n    {text}").expect("text");
        self.seen.insert(variant.to_owned());
    }

    /// An error whose variant is the first word of its `Debug` form.
    fn debug(&mut self, case: &str, error: impl std::fmt::Display + Debug) {
        let debug = format!("{error:?}");
        let word = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        self.add(case, word, error);
    }

    /// Every variant of the enum `name`, as its source has them, was seen.
    fn has_all_of(&self, name: &str, source: &str) {
        let (_, rest) = source.split_once(&format!("pub enum {name} {{\n")).expect(name);
        let (body, _) = rest.split_once("\n}").expect("an end");
        let line = |line: &str| {
            let word = line.strip_prefix("    ")?;
            let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
            word.starts_with(char::is_uppercase).then(|| word[..end].to_owned())
        };
        let all: BTreeSet<String> = body.lines().filter_map(line).collect();
        assert!(all.len() > 1, "{name}: {all:?}");
        let left_out: Vec<_> = all.difference(&self.seen).collect();
        assert!(left_out.is_empty(), "{name} has no case for {left_out:?}");
    }
}

#[test]
fn pictures() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().to_owned();
    let at = |name: &str| root.join(name);
    let mut texts = Texts { folder: Some(folder), ..Texts::default() };
    let mut add = |case: &str, error: LoadError| texts.add(case, error.kind().as_str(), error);
    let plain = LoadOptions::default();
    let fails = |path: &Path| load(path, &plain).expect_err("an error");
    let limited = |limits: Limits, name: &str| {
        let options = LoadOptions { limits, ..LoadOptions::default() };
        decode(&golden(name), name, &options).expect_err(name)
    };
    let default = Limits::default();

    add("no such file", fails(&at("none.png")));
    add("a file as a folder", {
        std::fs::write(at("file"), b"x").expect("write");
        fails(&at("file/a.png"))
    });
    add("a folder", fails(&root));
    std::fs::write(at("empty.png"), b"").expect("write");
    add("an empty file", fails(&at("empty.png")));
    add("text", decode(b"This is text.", "a.jpg", &plain).expect_err("text"));
    add("three bytes", decode(b"abc", "a\n\"b\".jpg", &plain).expect_err("text"));
    for name in ["photo.heic", "vector.svg"] {
        add(name, decode(&golden(name), name, &plain).expect_err(name));
    }
    #[cfg(not(any(feature = "jxl", feature = "avif")))]
    for (name, bytes) in [("a.jxl", &b"\xFF\x0A\0\0"[..]), ("a.avif", b"\0\0\0\x0cftypavif")] {
        add(name, decode(bytes, name, &plain).expect_err(name));
    }
    for name in ["truncated.jpg", "truncated.png", "bad-crc.png"] {
        add(name, decode(&golden(name), name, &plain).expect_err(name));
    }
    add("max_file_bytes", limited(Limits { max_file_bytes: 10, ..default }, "one-pixel.png"));
    add("max_side", limited(Limits { max_side: 40, ..default }, "gray.jpg"));
    add("max_pixels", limited(Limits { max_pixels: 1000, ..default }, "gray.jpg"));
    add("max_alloc_bytes", limited(Limits { max_alloc_bytes: 4096, ..default }, "rgb.bmp"));
    add("max_alloc_bytes, 1 MiB", {
        let limits = Limits { max_alloc_bytes: 1 << 20, ..default };
        let options = LoadOptions { limits, ..LoadOptions::default() };
        decode(&qoi(3000, 3000, &[]), "a.qoi", &options).expect_err("large")
    });
    add("max_icc_bytes", limited(Limits { max_icc_bytes: 100, ..default }, "icc-p3.png"));
    for name in ["bomb.png", "bomb-long.png", "icc-bomb.png"] {
        add(name, decode(&golden(name), name, &plain).expect_err(name));
    }
    let refuse = LoadOptions { alpha: Alpha::Refuse, ..LoadOptions::default() };
    add("alpha", decode(&golden("rgba.png"), "rgba.png", &refuse).expect_err("alpha"));
    let cancel = Some(Arc::new(AtomicBool::new(true)));
    let cancelled = LoadOptions { cancel, ..LoadOptions::default() };
    add("cancelled", decode(&golden("gray.jpg"), "gray.jpg", &cancelled).expect_err("flag"));
    texts.add("a word for alpha", "", "grey".parse::<Alpha>().expect_err("no such word"));

    // The system's own words; a name longer than any may be.
    let error = fails(&at(&"n".repeat(300)));
    assert!(error.message().starts_with("reading failed: "), "{error}");
    texts.seen.insert(error.kind().as_str().to_owned());
    // A user who may read everything never sees it: image_files.rs tries.
    texts.seen.insert("PermissionDenied".to_owned());
    texts.has_all_of("ErrorKind", include_str!("../src/image/error.rs"));
    let text = texts.text;
    assert_snapshot!(text);
}

/// The built-in model with another card.
fn with_card(change: impl FnOnce(&mut ModelCard)) -> Vec<u8> {
    with(|_, card| change(card))
}

/// The built-in model with other arrays and another card.
fn with(change: impl FnOnce(&mut Arrays, &mut ModelCard)) -> Vec<u8> {
    let (mut arrays, card) = read_safetensors(LITE, "lite").expect("readable");
    let mut card = card.expect("a card");
    change(&mut arrays, &mut card);
    to_safetensors(&arrays, Some(&card), Precision::F16)
}

/// A safetensors file of one tensor of no bytes, of this type.
fn of_type(dtype: &str) -> Vec<u8> {
    let header = json!({ "w": { "dtype": dtype, "shape": [0], "data_offsets": [0, 0] } });
    framed(&header.to_string())
}

fn framed(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn weights() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().to_owned();
    let at = |name: &str| root.join(name);
    let mut texts = Texts { folder: Some(folder), ..Texts::default() };
    let from = |bytes: &[u8]| -> WeightsError {
        match Scorer::from_bytes(bytes, "own.safetensors") {
            Ok(_) => panic!("it was opened"),
            Err(error) => error,
        }
    };
    texts.debug("no such file", read(&at("none.safetensors")).expect_err("none"));
    let nothing = Arrays::new();
    let unwritable = write_safetensors(&at("none/a"), &nothing, None, Precision::F32);
    texts.debug("a folder that is not there", unwritable.expect_err("no folder"));
    texts.debug("an empty file", from(b""));
    texts.debug("text", from(b"This is no model."));
    texts.debug("a header that is too long", from(&LITE[..1000]));
    texts.debug("cut", from(&LITE[..LITE.len() - 1]));
    texts.debug("a header that is no JSON", from(&framed("{no}")));
    for name in ["a.zip", "a.pickle"] {
        let bytes: &[u8] = if name == "a.zip" { b"PK\x03\x04 and no more" } else { b"\x80\x02." };
        std::fs::write(at(name), bytes).expect("write");
        texts.debug(name, read(&at(name)).expect_err(name));
    }
    texts.debug("whole numbers", from(&of_type("I32")));
    let one = Arrays::from([("a".to_owned(), Array { shape: vec![1], data: vec![1.0] })]);
    texts.debug("no card", from(&to_safetensors(&one, None, Precision::F32)));
    texts.debug("a card of other words", {
        let header = json!({ "__metadata__": { "biqa": "{\"name\": 1}" } });
        from(&framed(&header.to_string()))
    });
    texts.debug("no such model", entry("nima").expect_err("unknown"));
    texts.debug(
        "a model without weights",
        match Scorer::named("vit") {
            Ok(_) => panic!("it was opened"),
            Err(error) => error,
        },
    );
    texts.debug(
        "a changed number",
        from(&with(|arrays, _| {
            arrays.get_mut("head.fc2.bias").expect("there").data[0] += 1.0;
        })),
    );
    let sealed = |change: &dyn Fn(&mut Arrays)| {
        with(|arrays, card| {
            change(arrays);
            card.weights_digest = digest(arrays);
        })
    };
    texts.debug(
        "a tensor too few",
        from(&sealed(&|arrays| {
            arrays.remove("head.fc2.bias");
        })),
    );
    texts.debug("a tensor too many", from(&sealed(&|arrays| arrays.extend(one.clone()))));
    texts.debug(
        "another shape, and four too many",
        from(&sealed(&|arrays| {
            arrays.get_mut("head.fc2.bias").expect("there").shape = vec![1, 1];
            arrays.extend((0..4).map(|i| (format!("more.{i}"), one["a"].clone())));
        })),
    );
    texts.debug("an unknown method", from(&with_card(|c| c.method = "nima".to_owned())));
    texts.debug("a backbone", from(&with_card(|c| c.method = "vit".to_owned())));
    texts.debug("a config of other words", from(&with_card(|c| c.config = json!({"a": 1}))));
    texts.debug("taps that fall", from(&with_card(|c| c.config["taps"] = json!([3, 1]))));
    texts.debug(
        "a size too few",
        from(&with_card(|c| {
            if let biqa::view::Policy::Whole { sizes, .. } = &mut c.view.policy {
                sizes.truncate(1);
            }
        })),
    );
    texts.debug("a view out of range", from(&with_card(|c| c.view.std[0] = 0.0)));

    texts.has_all_of("WeightsError", include_str!("../src/weights/mod.rs"));
    let text = without_digests(&texts.text);
    assert_snapshot!(text);
}

#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = with_card(|_| ());
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    for second in [2, 5] {
        // Spaces behind the header's JSON are allowed and give it the wanted length.
        let wanted = (length / 65536 + 1) * 65536 + second * 256 + 0x80;
        let mut padded = (wanted as u64).to_le_bytes().to_vec();
        padded.extend(&bytes[8..8 + length]);
        padded.resize(8 + wanted, b' ');
        padded.extend(&bytes[8 + length..]);
        assert_eq!(padded[..2], [0x80, second as u8]);
        let path = folder.path().join("own.safetensors");
        std::fs::write(&path, padded).expect("written");
        Scorer::open(&path).expect("a model");
    }
}

/// Digests change with every release of the weights; the sentences around them don't.
fn without_digests(text: &str) -> String {
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut out = String::new();
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_digest(word) {
            out.push_str("DIGEST");
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out
}

#[test]
fn views_scales_and_sizes() {
    let mut texts = Texts::default();
    let view = |policy: serde_json::Value| -> View {
        let view = json!({ "policy": policy, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] });
        serde_json::from_value(view).expect("a view")
    };
    let whole = |sizes: &[u32], smallest: u32| {
        view(json!({ "whole": { "sizes": sizes, "smallest": smallest } }))
    };
    let grid = |side: u32, columns: u32| {
        view(json!({ "grid": { "short_side": null, "crop": side, "columns": columns, "rows": 2 } }))
    };
    let mut details = whole(&[64], 16);
    if let biqa::view::Policy::Whole { details, .. } = &mut details.policy {
        *details = Some(biqa::view::Details { from: 10, crop: 20, columns: 2, rows: 1 });
    }
    let good = whole(&[64], 16);
    for (case, view) in [
        ("no size", whole(&[], 16)),
        ("a size of 5000", whole(&[5000], 16)),
        ("a smallest of 0", whole(&[64], 0)),
        ("close looks at small pictures", details),
        ("a crop of 0", grid(0, 2)),
        ("no columns", grid(224, 0)),
        ("crops without number", grid(224, 1000)),
        ("std 0", View { std: [0.5, 0.0, 0.5], ..good.clone() }),
        ("no mean", View { mean: [f32::NAN; 3], ..good }),
    ] {
        texts.debug(case, view.check().expect_err(case));
    }

    let picture = Rgb8::new(2, 1, vec![7; 6]).expect("two pixels");
    for (case, error) in [
        ("to nothing", resize(&picture, 0, 1, Filter::Bicubic).map(drop)),
        ("to very much", resize(&picture, 20_000, 20_000, Filter::Bicubic).map(drop)),
        ("a crop outside", crop(&picture, 1, 0, 2, 1).map(drop)),
        ("floats too few", resize_f32(&[0.0; 5], (2, 1), 3, (1, 1), Filter::Bicubic).map(drop)),
    ] {
        let error = error.expect_err(case);
        texts.debug(case, error);
    }
    let nothing = ResizeError::ZeroSize { width: 0, height: 1 };
    texts.debug("a view that makes nothing", ViewError::from(nothing));
    for knots in [vec![(0.0, 0.0)], vec![(0.0, 0.0), (1.0, 2.0), (2.0, 1.0)]] {
        texts.debug("knots", Scale::new(knots).expect_err("no scale"));
    }
    texts.has_all_of("ViewError", include_str!("../src/view.rs"));
    texts.has_all_of("ResizeError", include_str!("../src/resize/mod.rs"));
    let text = texts.text;
    assert_snapshot!(text);
}
