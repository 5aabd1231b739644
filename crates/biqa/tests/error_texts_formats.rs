//! Every text with which a decoder refuses a picture, each made from a small file that is wrong in
//! one place. The texts are a snapshot, to be read in review as a user would.

mod made;

use std::fmt::Write as _;

use biqa::image::{ErrorKind, Limits, LoadOptions, decode};
use insta::assert_snapshot;
use made::bmp::{PALETTE, bmp, info, with_colors};
use made::gif::gif;
use made::jpeg::{Plain, YCC};
use made::png::{chunk, ihdr, png, six_png};
use made::qoi::qoi;
use made::tiff::{STRIPS, TILES, gray_tags, rgb_tags, tiff};
use made::webp::{riff, riff_chunk, vp8l};
use made::{SIX, golden};

/// Case and text, a line each; a file that is read after all fails.
fn texts(suffix: &str, cases: &[(&str, Vec<u8>)]) -> String {
    let mut out = String::new();
    for (case, bytes) in cases {
        let name = format!("a.{suffix}");
        let error = decode(bytes, &name, &LoadOptions::default()).expect_err(case);
        let kinds = [ErrorKind::Truncated, ErrorKind::Corrupt, ErrorKind::UnsupportedFormat];
        assert!(kinds.contains(&error.kind()), "{case}: {error}");
        assert!(error.hint().is_some(), "{case}: {error}: and what is to be done?");
        writeln!(out, "{case}\n    {error}").expect("text");
    }
    out
}

/// The bytes with those at the first place of `find` replaced, or what follows it by `skip`.
fn patch(bytes: &[u8], find: &[u8], skip: usize, new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(find.len()).position(|w| w == find).expect("there") + skip;
    let mut out = bytes.to_vec();
    out[at..at + new.len()].copy_from_slice(new);
    out
}

const GRAY: [(u8, u8, u8); 1] = [(1, 0x11, 77)];
const SOS: [u8; 2] = [0xFF, 0xDA];

fn framed(marker: u8) -> Vec<u8> {
    let mut plain = Plain::new(&YCC);
    plain.frame_marker = marker;
    plain.bytes()
}

fn restarted() -> Plain {
    let mut plain = Plain::new(&YCC).sized(80, 24);
    plain.restart = 2;
    plain
}

/// A gray JPEG whose only scan stands there 501 times.
fn scans() -> Vec<u8> {
    let bytes = Plain::new(&GRAY).bytes();
    let at = bytes.windows(2).position(|w| w == SOS).expect("a scan");
    let (head, scan) = bytes[..bytes.len() - 2].split_at(at);
    [head, &scan.repeat(501)].concat()
}

#[test]
fn jpeg() {
    let gray = Plain::new(&GRAY).bytes();
    let with = |marker: u8, content: &[u8]| Plain::new(&GRAY).with(marker, content).bytes();
    let scan = |skip, new: &[u8]| patch(&gray, &SOS, skip, new);
    let (mut deep, mut wide) = (Plain::new(&YCC), Plain::new(&YCC));
    (deep.precision, deep.frame_marker) = (12, 0xC1);
    wide.components.iter_mut().for_each(|c| c.1 = 0x22);
    let rst1 = [0xFF, 0xD1];
    let restarted = restarted().bytes();
    let cut = restarted.windows(2).position(|w| w == rst1).expect("RST1");
    let frame = [8, 0, 8, 0, 8, 1, 1, 0x11, 0];
    let edited = |at: usize, v: u8| -> Vec<u8> {
        let mut frame = frame;
        frame[at] = v;
        with(0xC0, &frame)
    };
    let progressive = patch(&gray, &[0xFF, 0xC0], 1, &[0xC2]);
    let text = texts(
        "jpg",
        &[
            ("only the start marker", b"\xFF\xD8\xFF".to_vec()),
            ("nothing between start and end", b"\xFF\xD8\xFF\xD9".to_vec()),
            ("it ends in a segment", gray[..100].to_vec()),
            ("it ends in a scan", restarted[..cut].to_vec()),
            ("a segment of length 1", b"\xFF\xD8\xFF\xE0\0\x01".to_vec()),
            ("a scan before the frame", [&gray[..2], &SOS, &[0, 2]].concat()),
            ("two frames", with(0xC0, &frame)),
            ("a short frame", with(0xC0, &[8])),
            ("a frame without its components", with(0xC0, &frame[..8])),
            ("no component", edited(5, 0)),
            ("two components", Plain::new(&YCC[..2]).bytes()),
            ("sampling", edited(7, 0x51)),
            ("the number of a quantisation table", edited(8, 4)),
            ("components of one name", Plain::new(&[YCC[0], YCC[0], YCC[1]]).bytes()),
            ("height 0", Plain::new(&YCC).sized(8, 0).bytes()),
            ("width 0", Plain::new(&YCC).sized(0, 8).bytes()),
            ("12 bits", deep.bytes()),
            ("lossless", framed(0xC3)),
            ("hierarchical", framed(0xC5)),
            ("arithmetic coding", framed(0xC9)),
            ("lossless arithmetic coding", framed(0xCB)),
            ("JPEG-LS", framed(0xF7)),
            ("a short restart interval", with(0xDD, &[])),
            ("a quantisation table too many", with(0xDB, &[15])),
            ("a short Huffman table", with(0xC4, &[0; 3])),
            ("an empty scan header", [&gray[..2], &with(0xDA, &[])[2..]].concat()),
            ("a scan of no component", scan(4, &[0])),
            ("a short scan header", scan(2, &[0, 4])),
            ("an unknown component", scan(5, &[9])),
            ("a Huffman table above 3", scan(6, &[0x40])),
            ("a Huffman table that is not there", scan(6, &[0x11])),
            ("a quantisation table that is not there", patch(&gray, &[0xFF, 0xC0], 12, &[2])),
            ("blocks", wide.bytes()),
            ("a bad code", scan(10, &[0xEE])),
            ("a restart marker out of turn", patch(&restarted, &rst1, 1, &[0xD3])),
            ("a progressive scan of everything", progressive),
            ("501 scans", scans()),
        ],
    );
    assert_snapshot!(text);
}

#[test]
fn png_texts() {
    let rows = [&[0], &SIX[..9], &[0], &SIX[9..]].concat();
    let header = |rest: [u8; 5]| png(&ihdr(3, 2, rest), &[], &rows);
    let whole = six_png(&[]);
    let signature = &whole[..8];
    let (head, iend) = (ihdr(3, 2, [8, 2, 0, 0, 0]), chunk(*b"IEND", &[]));
    let short = png(&head, &[], &[&[0], &SIX[..9]].concat());
    let filter = png(&head, &[], &[&[7], &SIX[..9], &[0], &SIX[9..]].concat());
    let text = texts(
        "png",
        &[
            ("only the signature", signature.to_vec()),
            ("no chunk", [signature, b"\0\0\0\0\xFF\xFF\xFF\xFF"].concat()),
            ("another first chunk", [signature, &iend].concat()),
            ("it ends in the data", whole[..50].to_vec()),
            ("it ends before the data", whole[..35].to_vec()),
            ("a row too few", short),
            ("an unknown filter", filter),
            ("width 0", png(&ihdr(0, 2, [8, 2, 0, 0, 0]), &[], &rows)),
            ("3 bits", header([3, 0, 0, 0, 0])),
            ("compression 1", header([8, 2, 1, 0, 0])),
            ("two headers", six_png(std::slice::from_ref(&head))),
            ("an unknown chunk", six_png(&[chunk(*b"CgBI", &[0; 4])])),
            ("no data", [signature, &head, &iend].concat()),
            ("no palette", header([8, 3, 0, 0, 0])),
            ("a changed byte of the header", patch(&whole, b"IHDR", 17, &[1])),
            ("a changed byte of the data", golden("bad-crc.png")),
            (
                "data that are not packed",
                [signature, &head, &chunk(*b"IDAT", b"no"), &iend].concat(),
            ),
        ],
    );
    assert_snapshot!(text);
}

#[test]
fn gif_and_webp() {
    let whole = gif(&[], (2, 1), false, &[0, 2]);
    let bare = patch(&whole, b"GIF89a", 10, &[1]);
    let size = whole.len() - 6;
    let gif_text = texts(
        "gif",
        &[
            ("only the signature", whole[..6].to_vec()),
            ("the end before a picture", [&whole[..25], &[0x3B]].concat()),
            ("an unknown block", [&whole[..25], &[0x99]].concat()),
            ("no colours", [&bare[..13], &bare[25..]].concat()),
            ("a code size of 0", {
                let mut bytes = whole.clone();
                let at = bytes.len() - 2 - usize::from(bytes[size]);
                bytes[at.min(35)] = 0;
                bytes
            }),
            ("pixels too few", gif(&[], (2, 2), false, &[1, 2, 1])),
            ("it ends in the pixels", whole[..whole.len() - 4].to_vec()),
        ],
    );
    assert_snapshot!("gif", gif_text);

    let six = vp8l(&SIX, 3, 2);
    let extended = |w: u8, h: u8| riff_chunk(*b"VP8X", &[2, 0, 0, 0, w - 1, 0, 0, h - 1, 0, 0]);
    let image = riff_chunk(*b"VP8L", &six);
    let head = |w: u8| [1, 0, 0, 1, 0, 0, w - 1, 0, 0, 1, 0, 0, 10, 0, 0, 0];
    let frame = |w: u8, image: &[u8]| riff_chunk(*b"ANMF", &[&head(w), image].concat());
    let still = riff(std::slice::from_ref(&image));
    let lossy = golden("lossy.webp");
    let webp_text = texts(
        "webp",
        &[
            ("nothing in it", riff(&[])),
            ("it ends in the picture", still[..still.len() - 6].to_vec()),
            ("a short extended header", riff(&[riff_chunk(*b"VP8X", &[0; 4]), image.clone()])),
            ("a short frame", riff(&[extended(6, 4), riff_chunk(*b"ANMF", &[0; 4])])),
            ("a frame without a picture", riff(&[extended(6, 4), frame(3, &[])])),
            ("a frame of another size", riff(&[extended(6, 4), frame(2, &image)])),
            ("a frame beyond the canvas", riff(&[extended(4, 4), frame(3, &image)])),
            ("a lossless header", riff(&[riff_chunk(*b"VP8L", &[0; 5])])),
            ("a lossy header", riff(&[riff_chunk(*b"VP8 ", &[0; 10])])),
            ("no key frame", patch(&lossy, b"VP8 ", 8, &[1])),
            ("changed pixels", riff(&[riff_chunk(*b"VP8L", &[&six[..5], &[0xFF; 40]].concat())])),
        ],
    );
    assert_snapshot!("webp", webp_text);
}

/// The RGB picture of 3 x 2 with other tags.
fn page(tags: &[(u16, &'static [u32])]) -> Vec<u8> {
    let mut all = rgb_tags();
    all.retain(|(tag, _)| tags.iter().all(|(other, _)| other != tag));
    all.extend(tags.iter().filter(|(_, values)| !values.is_empty()));
    tiff(false, &all, STRIPS, &[SIX.to_vec()])
}

#[test]
fn tiff_texts() {
    let deflated = |data: &[u8], compression: &'static [u32]| {
        let mut tags = gray_tags(&[8], &[1]);
        tags.retain(|t| t.0 != 259);
        tags.push((259, compression));
        tiff(false, &tags, STRIPS, &[data.to_vec()])
    };
    let whole = page(&[]);
    let jpeg = golden("gray.jpg");
    let text = texts(
        "tif",
        &[
            ("only the signature", whole[..4].to_vec()),
            ("the directory is not there", whole[..whole.len() - 20].to_vec()),
            ("a directory in the header", patch(&whole, b"II*\0", 4, &[2, 0, 0, 0])),
            ("no width", page(&[(256, &[])])),
            ("no height", page(&[(257, &[])])),
            ("no sense of the values", page(&[(262, &[])])),
            ("width 0", page(&[(256, &[0])])),
            ("65 samples", page(&[(277, &[65])])),
            ("a tag of another type", patch(&whole, &[0, 1, 4, 0, 1, 0], 2, &[2])),
            ("too few samples", page(&[(277, &[2])])),
            ("strips of no row", page(&[(278, &[0])])),
            ("too few strips", page(&[(278, &[1])])),
            ("no tile height", page(&[(322, &[2])])),
            ("no colours", tiff(false, &gray_tags(&[8], &[3]), STRIPS, &[vec![0; 4]])),
            ("a row too few", tiff(false, &rgb_tags(), STRIPS, &[SIX[..9].to_vec()])),
            ("no strips but tiles", tiff(false, &rgb_tags(), TILES, &[SIX.to_vec()])),
            ("broken deflate", deflated(&[9; 9], &[8])),
            ("broken LZW", deflated(&[0xFF; 9], &[5])),
            ("a strip that is no JPEG", deflated(&[1; 9], &[7])),
            ("a JPEG strip of another size", page(&[(259, &[7])])),
            ("a JPEG strip of one component", {
                let mut tags = rgb_tags();
                tags.retain(|t| t.0 != 259);
                tags.push((259, &[7]));
                tiff(false, &tags, STRIPS, &[jpeg])
            }),
            ("floating point", page(&[(339, &[3, 3, 3])])),
            ("signed samples", page(&[(339, &[2, 2, 2])])),
            ("an unknown sample format", page(&[(339, &[9, 9, 9])])),
            ("different depths", page(&[(258, &[8, 8, 4])])),
            ("32 bits", page(&[(258, &[32, 32, 32])])),
            ("fax", page(&[(259, &[4])])),
            ("Zstandard", page(&[(259, &[50000])])),
            ("an unknown compression", page(&[(259, &[9])])),
            ("other inks", {
                let tags: [(u16, &[u32]); 7] = [
                    (256, &[1]),
                    (257, &[1]),
                    (258, &[8; 4]),
                    (259, &[1]),
                    (262, &[5]),
                    (277, &[4]),
                    (332, &[2]),
                ];
                tiff(false, &tags, STRIPS, &[vec![0; 4]])
            }),
            ("YCbCr", page(&[(262, &[6])])),
            ("Lab", page(&[(262, &[8])])),
            ("LogLuv", page(&[(262, &[32845])])),
            ("a raw sensor", page(&[(262, &[32803])])),
            ("an unknown sense of the values", page(&[(262, &[77])])),
            ("a floating-point predictor", page(&[(259, &[8]), (317, &[3])])),
            ("16-bit JPEG", page(&[(259, &[7]), (258, &[16, 16, 16])])),
        ],
    );
    assert_snapshot!(text);
}

#[test]
fn bmp_pnm_and_qoi() {
    let masks = [0u8; 12];
    let file = |bits, compression, length| {
        bmp(&info((2, 1), bits, compression, length, &[]), &masks, &[0; 8])
    };
    let packed = with_colors(info((4, -3), 8, 1, 40, &[]), 4);
    let whole = bmp(&info((3, 2), 24, 0, 40, &[]), &[], &[7; 24]);
    let bmp_text = texts(
        "bmp",
        &[
            ("only the signature", b"BM".to_vec()),
            ("it ends in the pixels", whole[..whole.len() - 12].to_vec()),
            ("a header of 13 bytes", bmp(&[0; 9], &[], &[])),
            ("a width below 0", bmp(&info((-2, 1), 24, 0, 40, &[]), &[], &[0; 8])),
            ("height 0", bmp(&info((2, 0), 24, 0, 40, &[]), &[], &[0; 8])),
            ("7 bits", file(7, 0, 40)),
            ("2 bits", file(2, 0, 40)),
            ("Huffman", file(1, 3, 64)),
            ("RLE24", file(24, 4, 64)),
            ("JPEG", file(0, 4, 40)),
            ("PNG", file(0, 5, 40)),
            ("run lengths from the top", bmp(&packed, &PALETTE, &[0; 8])),
            ("masks of zero", file(16, 3, 40)),
        ],
    );
    assert_snapshot!("bmp", bmp_text);
    let pnm_text = texts(
        "pnm",
        &[
            ("only the signature", b"P2 ".to_vec()),
            ("no values", b"P5 1 1 255".to_vec()),
            ("it ends in the values", b"P5 1 2 255 x".to_vec()),
            ("maxval 0", b"P2 1 1 0 0".to_vec()),
            ("maxval 65536", b"P2 1 1 65536 0".to_vec()),
            ("a value above the maxval", b"P2 1 1 100 101".to_vec()),
            ("a letter in the header", b"P2 1 x 255 0".to_vec()),
            ("a digit in a bitmap", b"P1 1 1 2".to_vec()),
            ("width 0", b"P2 0 1 255 0".to_vec()),
        ],
    );
    assert_snapshot!("pnm", pnm_text);
    let four = qoi(2, 2, &[[1, 2, 3, 4]; 4]);
    let qoi_text = texts(
        "qoi",
        &[
            ("only the signature", b"qoif".to_vec()),
            ("5 channels", patch(&four, b"qoif", 12, &[5])),
            ("it ends in the pixels", four[..four.len() - 14].to_vec()),
            ("height 0", qoi(2, 0, &[])),
        ],
    );
    assert_snapshot!("qoi", qoi_text);
}

/// What stands in more chunks than the limit is refused by every format that has chunks.
#[test]
fn too_many_parts() {
    let limits = Limits { max_chunks: 2, ..Limits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    let mut out = String::new();
    for name in ["rgba.png", "icc-p3.jpg", "animated.webp", "animated.gif", "lzw.tif"] {
        let error = decode(&golden(name), name, &options).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        writeln!(out, "{error}").expect("text");
    }
    assert_snapshot!(out);
}
