//! Files as users have them: wrong suffixes, folders, odd names; and the options
//! (papers/images.md, section 11, items 9, 14, 15, and sections 4 to 7).

mod made;

use std::path::Path;

use biqa::image::{Alpha, ErrorKind, Limits, LoadOptions, Picture, WarningKind, decode, load};
use made::golden;
use made::qoi::qoi;

fn shown(bytes: &[u8], options: &LoadOptions) -> Picture {
    decode(bytes, "a", options).expect("a picture")
}

#[test]
fn a_wrong_suffix_is_a_warning() {
    let picture =
        decode(&golden("gray.jpg"), "gray.PNG", &LoadOptions::default()).expect("picture");
    let kinds: Vec<_> = picture.warnings.iter().map(|w| w.kind).collect();
    assert_eq!(kinds, [WarningKind::ExtensionMismatch]);
    for name in ["gray.jpg", "gray.JPEG", "gray", "gray.dat", "gray.jpg.bak"] {
        let picture = decode(&golden("gray.jpg"), name, &LoadOptions::default()).expect("picture");
        assert!(picture.warnings.is_empty(), "{name}");
    }
}

#[test]
fn what_is_no_file_has_its_kind() {
    let folder = tempfile::tempdir().expect("folder");
    let options = LoadOptions::default();
    let kind = |path: &Path| load(path, &options).expect_err("an error").kind();
    assert_eq!(kind(folder.path()), ErrorKind::NotAFile);
    assert_eq!(kind(&folder.path().join("none.png")), ErrorKind::NotFound);
    let empty = folder.path().join("empty.jpg");
    std::fs::write(&empty, b"").expect("write");
    assert_eq!(kind(&empty), ErrorKind::Empty);
    #[cfg(unix)]
    assert_eq!(kind(Path::new("/dev/null")), ErrorKind::NotAFile);
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_says_where_it_leads() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.png");
    std::os::unix::fs::symlink("gone\n.png", &path).expect("a link");
    let error = load(&path, &LoadOptions::default()).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.hint(), Some("it is a link to \"gone\\x0a.png\", which is not there"));
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("locked.png");
    std::fs::write(&path, golden("one-pixel.png")).expect("write");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("mode");
    if std::fs::File::open(&path).is_ok() {
        eprintln!("NOTE: this user may read everything; PermissionDenied is not tested");
        return;
    }
    let error = load(&path, &LoadOptions::default()).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[cfg(unix)]
#[test]
fn odd_names_work_and_are_shown_escaped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let cases: [(&[u8], &str); 5] = [
        (b"a b.png", "a b.png"),
        (b"it's \"x\".png", "it's \\\"x\\\".png"),
        ("\u{e4}\u{1F600}.png".as_bytes(), "\u{e4}\u{1F600}.png"),
        (b"\xff\xfe.png", "\\xff\\xfe.png"),
        (b"line\nbreak\x1b.png", "line\\x0abreak\\x1b.png"),
    ];
    for (name, as_shown) in cases {
        let path = folder.path().join(OsStr::from_bytes(name));
        std::fs::write(&path, golden("one-pixel.png")).expect("write");
        load(&path, &LoadOptions::default()).expect(as_shown);
        std::fs::write(&path, b"").expect("write");
        let error = load(&path, &LoadOptions::default()).expect_err(as_shown).to_string();
        assert!(error.contains(as_shown), "{error}");
    }
}

#[test]
fn a_file_above_the_limit_is_not_read() {
    let limits = Limits { max_file_bytes: 10, ..Limits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.png");
    std::fs::write(&path, golden("one-pixel.png")).expect("write");
    let error = load(&path, &options).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    assert!(error.message().contains("69 bytes") && error.message().contains("10"), "{error}");
}

#[test]
fn memory_is_judged_before_the_pixels() {
    let limits = Limits { max_alloc_bytes: 4096, ..Limits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    for name in ["rgb16.png", "progressive.jpg", "lossy.webp", "animated.gif", "lzw.tif", "rgb.bmp"]
    {
        let error = decode(&golden(name), name, &options).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::TooMuchMemory, "{error}");
        assert!(error.message().contains("max_alloc_bytes"), "{error}");
    }
}

#[test]
fn full_opacity_equals_the_opaque_picture_in_every_mode() {
    let pixels = [[10, 20, 30, 255], [200, 100, 0, 255]];
    let file = qoi(2, 1, &pixels);
    for alpha in [
        Alpha::Gray,
        Alpha::White,
        Alpha::Black,
        Alpha::Color([1, 2, 3]),
        Alpha::Drop,
        Alpha::Refuse,
    ] {
        let options = LoadOptions { alpha, ..LoadOptions::default() };
        assert_eq!(shown(&file, &options).rgb.data(), [10, 20, 30, 200, 100, 0], "{alpha}");
    }
}

#[test]
fn every_alpha_mode_has_its_background() {
    let file = qoi(3, 1, &[[200, 0, 255, 0], [200, 200, 200, 128], [200, 0, 255, 255]]);
    let with = |alpha| {
        let options = LoadOptions { alpha, ..LoadOptions::default() };
        decode(&file, "a.qoi", &options)
    };
    assert_eq!(&with(Alpha::Gray).unwrap().rgb.data()[..6], [128, 128, 128, 164, 164, 164]);
    assert_eq!(&with(Alpha::White).unwrap().rgb.data()[..3], [255; 3]);
    assert_eq!(&with(Alpha::Black).unwrap().rgb.data()[..3], [0; 3]);
    assert_eq!(&with(Alpha::Color([1, 2, 3])).unwrap().rgb.data()[..3], [1, 2, 3]);
    assert_eq!(with(Alpha::Drop).unwrap().rgb.data(), [200, 0, 255, 200, 200, 200, 200, 0, 255]);
    assert_eq!(with(Alpha::Refuse).unwrap_err().kind(), ErrorKind::HasAlpha);
    assert_eq!(with(Alpha::Gray).unwrap().notes(), ["alpha over gray"]);
}

#[test]
fn the_content_hash_is_of_the_pixels() {
    let options = LoadOptions::default();
    let a = shown(&golden("rgb.qoi"), &options);
    let b = shown(&golden("rgb.bmp"), &options);
    let c = shown(&golden("topdown.bmp"), &options);
    assert_eq!(b.content_hash(), c.content_hash());
    assert_eq!(a.content_hash() == b.content_hash(), a.rgb == b.rgb);
    let wide = shown(b"P2 2 1 255 7 7", &options).content_hash();
    let high = shown(b"P2 1 2 255 7 7", &options).content_hash();
    assert_ne!(wide, high);
    assert_eq!(wide.len(), 64);
}

#[cfg(not(feature = "jxl"))]
#[test]
fn a_missing_feature_is_named() {
    let error = decode(b"\xFF\x0A\0\0", "a.jxl", &LoadOptions::default()).expect_err("no jxl");
    assert_eq!(error.kind(), ErrorKind::UnsupportedFormat);
    assert_eq!(
        error.to_string(),
        "cannot read \"a.jxl\": JPEG XL pictures are not supported by this build \
         (rebuild with --features jxl, or convert it to PNG or JPEG)"
    );
}
