//! JPEG 2000 at a compression ratio (`papers/degradations.md`, section 2, number 9): irreversible 9/7
//! with the colour transform, one quality layer. The codec is OpenJPEG in Rust, whose safe interface
//! writes to files only, so the code stream passes through a temporary one. Called through the table
//! only.

use std::env;
use std::path::Path;

use biqa::image::Rgb8;
use openjp2::openjpeg::{OPJ_CLRSPC_SRGB, OPJ_CODEC_J2K};
use openjp2::{
    Codec, Stream, opj_cparameters_t, opj_dparameters_t, opj_image, opj_image_comptparm,
};

use super::DegradeError;

/// Bytes that go to the file at once.
const BUFFER: usize = 1 << 16;
/// What the codec's calls return when they are done.
const DONE: i32 = 1;
/// As long as what OpenJPEG writes itself, whose bytes count; given, because the port allocates its own
/// text with Rust's allocator and frees it with C's.
const COMMENT: &str = "Created by OpenJPEG version 2.5.0";

/// The picture after coding at `ratio` (bytes of the picture over bytes of the code stream; at 1 or
/// less all that the quantisation leaves is kept) with at most `resolutions` resolution levels.
///
/// # Errors
/// [`DegradeError::Codec`] with the step that failed: the temporary file can't be made, written or
/// read, or the codec refuses.
pub(super) fn jpeg2000(picture: &Rgb8, ratio: f64, resolutions: u32) -> Result<Rgb8, DegradeError> {
    let folder = env::temp_dir();
    let failed = |step: String| DegradeError::Codec {
        op: "jpeg2000".to_owned(),
        reason: format!(
            "{step}; the code stream passes through a file in {} (TMPDIR names another folder)",
            folder.display()
        ),
    };
    let file = tempfile::Builder::new().prefix("biqa-").suffix(".j2k").tempfile();
    let file = file.map_err(|e| failed(format!("no temporary file: {e}")))?;
    encode(picture, ratio, resolutions, file.path()).map_err(failed)?;
    decode(picture.width(), picture.height(), file.path()).map_err(failed)
}

fn encode(picture: &Rgb8, ratio: f64, resolutions: u32, path: &Path) -> Result<(), String> {
    let (w, h) = (picture.width(), picture.height());
    let part = opj_image_comptparm { dx: 1, dy: 1, w, h, x0: 0, y0: 0, prec: 8, bpp: 8, sgnd: 0 };
    let pixels = picture.data().as_chunks::<3>().0;
    let [r, g, b] = [0, 1, 2].map(|c| pixels.iter().map(|p| i32::from(p[c])).collect::<Vec<_>>());
    let mut image = opj_image::create(&[part; 3], OPJ_CLRSPC_SRGB)
        .ok_or("no memory for the encoder's picture")?;
    (image.x1, image.y1) = (w, h);
    step("take the picture", image.set_rgb(w as usize, h as usize, &r, &g, &b))?;
    let mut parameters = opj_cparameters_t::default();
    parameters.tcp_rates[0] = ratio as f32;
    parameters.cp_disto_alloc = 1; // a layer ends at its rate
    parameters.tcp_numlayers = 1;
    parameters.tcp_mct = 1;
    parameters.irreversible = 1;
    parameters.set_comment(COMMENT);
    // A resolution level halves the sides, and none may vanish.
    parameters.numresolution = resolutions.min(1 + w.min(h).ilog2()) as i32;
    let mut codec = Codec::new_encoder(OPJ_CODEC_J2K).ok_or("no memory for the encoder")?;
    let mut stream = Stream::new_file(path, BUFFER, false).map_err(|e| e.to_string())?;
    step("set up the encoder", codec.setup_encoder(&mut parameters, &mut image) == DONE)?;
    step("begin", codec.start_compress(&mut image, &mut stream) == DONE)?;
    step("encode", codec.encode(&mut stream) == DONE)?;
    step("end the code stream", codec.end_compress(&mut stream) == DONE)?;
    stream.flush().map_err(|e| e.to_string())
}

fn decode(width: u32, height: u32, path: &Path) -> Result<Rgb8, String> {
    let mut codec = Codec::new_decoder(OPJ_CODEC_J2K).ok_or("no memory for the decoder")?;
    let mut stream = Stream::new_file(path, BUFFER, true).map_err(|e| e.to_string())?;
    step("set up the decoder", codec.setup_decoder(&mut opj_dparameters_t::default()) == DONE)?;
    let mut image = codec.read_header(&mut stream).ok_or("could not read the header again")?;
    step("decode", codec.decode(&mut stream, &mut image) == DONE)?;
    step("end decoding", codec.end_decompress(&mut stream) == DONE)?;
    let parts = image.comps().unwrap_or_default();
    let data: Vec<&[i32]> = parts.iter().filter_map(|part| part.data()).collect();
    let [r, g, b] = data[..] else { return Err("could not decode three channels".to_owned()) };
    let level = |v: i32| v.clamp(0, 255) as u8;
    let pixels = r.iter().zip(g).zip(b);
    Rgb8::new(width, height, pixels.flat_map(|((&r, &g), &b)| [r, g, b].map(level)).collect())
        .ok_or_else(|| "what was decoded has another size".to_owned())
}

fn step(what: &str, done: bool) -> Result<(), String> {
    if done { Ok(()) } else { Err(format!("could not {what}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waves, edges and noise; none of the codec's special cases.
    fn picture(width: u32, height: u32) -> Rgb8 {
        let mut state = 7_u32;
        let mut data = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for c in 0..3 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let wave = (x as f32 * 0.11 + y as f32 * 0.07 * (c + 1) as f32).sin() * 60.0;
                    let edge = if (x / 37 + y / 29) % 2 == 0 { 40.0 } else { -40.0 };
                    data.push((128.0 + wave + edge + (state >> 28) as f32) as u8);
                }
            }
        }
        Rgb8::new(width, height, data).expect("sizes fit")
    }

    fn psnr(a: &Rgb8, b: &Rgb8) -> f64 {
        let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
        let sum: f64 = a.data().iter().zip(b.data()).map(square).sum();
        10.0 * (255.0 * 255.0 * a.data().len() as f64 / sum).log10()
    }

    /// Check 12 of the specification.
    #[test]
    fn the_ratio_is_reached_and_the_psnr_falls() {
        let picture = picture(256, 256);
        let mut before = f64::INFINITY;
        for ratio in [16.0, 32.0, 45.0, 120.0, 400.0] {
            let file = tempfile::NamedTempFile::new().expect("a file");
            encode(&picture, ratio, 6, file.path()).expect("encoded");
            let bytes = file.as_file().metadata().expect("there").len();
            let reached = picture.data().len() as f64 / bytes as f64;
            if ratio < 400.0 {
                assert!((reached / ratio - 1.0).abs() < 0.1, "{reached} for {ratio}");
            }
            let found = psnr(&picture, &jpeg2000(&picture, ratio, 6).expect("coded"));
            assert!(found < before, "{ratio}: {found} after {before}");
            before = found;
        }
    }

    #[test]
    fn pictures_of_any_size_keep_it() {
        for (width, height) in [(1, 1), (1, 9), (2, 2), (20, 7), (63, 65), (200, 3)] {
            for (ratio, resolutions) in [(1.0, 6), (16.0, 6), (400.0, 8)] {
                let picture = picture(width, height);
                let found = jpeg2000(&picture, ratio, resolutions).expect("coded");
                assert_eq!((found.width(), found.height()), (width, height));
            }
        }
    }

    #[test]
    fn little_compression_leaves_the_picture_nearly_as_it_is() {
        let picture = picture(64, 48);
        assert!(psnr(&picture, &jpeg2000(&picture, 1.0, 6).expect("coded")) > 45.0);
    }
}
