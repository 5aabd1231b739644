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
/// What OpenJPEG writes itself, whose bytes count; given, because the port allocates its own text with
/// Rust's allocator and frees it with C's.
const COMMENT: &str = "Created by OpenJPEG version 2.5.0";

/// The picture after coding at `ratio` (bytes of the picture over bytes of the code stream; at 1 or
/// less all that the quantisation leaves is kept) with at most `resolutions` resolution levels.
///
/// # Errors
/// [`DegradeError::Codec`] when the temporary file can't be written.
pub(super) fn jpeg2000(picture: &Rgb8, ratio: f64, resolutions: u32) -> Result<Rgb8, DegradeError> {
    let failed = |reason: String| DegradeError::Codec { op: "jpeg2000".to_owned(), reason };
    let folder = env::temp_dir();
    let file = tempfile::NamedTempFile::new().map_err(|e| {
        failed(format!("no temporary file in {}: {e} (TMPDIR names another)", folder.display()))
    })?;
    encode(picture, ratio, resolutions, file.path()).ok_or_else(|| {
        let folder = folder.display();
        failed(format!(
            "the encoder could not write to {folder} (is it full? TMPDIR names another)"
        ))
    })?;
    decode(picture.width(), picture.height(), file.path())
        .ok_or_else(|| failed(format!("what was written to {} is not there", folder.display())))
}

fn encode(picture: &Rgb8, ratio: f64, resolutions: u32, path: &Path) -> Option<()> {
    let (w, h) = (picture.width(), picture.height());
    let part = opj_image_comptparm { dx: 1, dy: 1, w, h, x0: 0, y0: 0, prec: 8, bpp: 8, sgnd: 0 };
    let mut image = opj_image::create(&[part; 3], OPJ_CLRSPC_SRGB)?;
    (image.x1, image.y1) = (w, h);
    let pixels = picture.data().as_chunks::<3>().0;
    let [r, g, b] = [0, 1, 2].map(|c| pixels.iter().map(|p| i32::from(p[c])).collect::<Vec<_>>());
    if !image.set_rgb(w as usize, h as usize, &r, &g, &b) {
        return None;
    }
    let mut parameters = opj_cparameters_t::default();
    parameters.tcp_rates[0] = ratio as f32;
    parameters.cp_disto_alloc = 1; // a layer ends at its rate
    parameters.tcp_numlayers = 1;
    parameters.tcp_mct = 1;
    parameters.irreversible = 1;
    parameters.set_comment(COMMENT);
    // A resolution level halves the sides, and none may vanish.
    parameters.numresolution = resolutions.min(1 + w.min(h).ilog2()) as i32;
    let mut codec = Codec::new_encoder(OPJ_CODEC_J2K)?;
    let mut stream = Stream::new_file(path, BUFFER, false).ok()?;
    let done = codec.setup_encoder(&mut parameters, &mut image) == DONE
        && codec.start_compress(&mut image, &mut stream) == DONE
        && codec.encode(&mut stream) == DONE
        && codec.end_compress(&mut stream) == DONE
        && stream.flush().is_ok();
    done.then_some(())
}

fn decode(width: u32, height: u32, path: &Path) -> Option<Rgb8> {
    let mut codec = Codec::new_decoder(OPJ_CODEC_J2K)?;
    let mut stream = Stream::new_file(path, BUFFER, true).ok()?;
    if codec.setup_decoder(&mut opj_dparameters_t::default()) != DONE {
        return None;
    }
    let mut image = codec.read_header(&mut stream)?;
    if codec.decode(&mut stream, &mut image) != DONE || codec.end_decompress(&mut stream) != DONE {
        return None;
    }
    let [r, g, b] = image.comps()? else { return None };
    let (r, g, b) = (r.data()?, g.data()?, b.data()?);
    let level = |v: i32| v.clamp(0, 255) as u8;
    let pixels = r.iter().zip(g).zip(b);
    Rgb8::new(width, height, pixels.flat_map(|((&r, &g), &b)| [r, g, b].map(level)).collect())
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
