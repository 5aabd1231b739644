//! From a source to what is seen of it: degraded pictures, two patches of each (`papers/qpt.md`,
//! sections 3 and 4), and the patches that measurements look at.

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::random::{Key, Sequence, stream};
use biqa::resize::{Filter, ResizeError, crop, resize, short_side};
use burn::tensor::{Device, Tensor, TensorData};

use super::overlap::two_patches;
use super::recipe::ViewsConfig;
use super::sources::Source;
use crate::degrade::{self, Distortion, Strength};
use crate::train::TrainError;
use crate::train::photo::mirrored;

/// Levels of an operation.
pub(super) const LEVELS: u64 = 5;
/// The epoch that keys what measurements see: no training comes to it.
pub(super) const MEASURED: u64 = u32::MAX as u64;

/// Makes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Views<'a> {
    config: &'a ViewsConfig,
    seed: u64,
}

/// A degraded picture: two patches of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    pub patches: [Rgb8; 2],
    /// Whether no draw of their places was accepted.
    pub is_fallback: bool,
}

/// A patch of a picture under one operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    pub patch: Rgb8,
    /// The operation's place in the table.
    pub kind: usize,
    /// Its level, from 0.
    pub level: usize,
}

impl<'a> Views<'a> {
    pub fn new(config: &'a ViewsConfig, seed: u64) -> Self {
        Self { config, seed }
    }

    /// Section 4 for a source in an epoch: a pair for each of the `R` degradations.
    pub fn pairs(&self, source: &Source, epoch: u64) -> Result<Vec<Pair>, TrainError> {
        let picture = self.window(source, epoch)?;
        let plan = self.config.plan();
        (0..self.config.degradations as u64)
            .map(|r| {
                // Section 3: stream (epoch << 32) | r of the picture's name.
                let number = (epoch << 32) | r;
                let key = Key::of_picture(self.seed, &source.name, number);
                let degraded = plan
                    .compose(key, picture.width(), picture.height())
                    .and_then(|address| address.apply_levels(&picture))
                    .map_err(|e| bad(source, e))?;
                self.patches(&degraded, source, number)
            })
            .collect()
    }

    /// Steps 3 to 5: two places, each patch mirrored by a fair coin.
    fn patches(&self, degraded: &Rgb8, source: &Source, number: u64) -> Result<Pair, TrainError> {
        let mut draws = stream(self.seed, &format!("qpt/patches/{}", source.name), number);
        let (height, width) = (i64::from(degraded.height()), i64::from(degraded.width()));
        let pair = two_patches(&mut draws, height, width, &self.config.pair)
            .ok_or_else(|| bad(source, "it is smaller than a patch"))?;
        let side = self.config.pair.patch as u32;
        let cut = |place: usize, draws: &mut Sequence| {
            let corner = pair.corners[place];
            let plain = crop(degraded, corner.x as u32, corner.y as u32, side, side)?;
            Ok(if draws.chance(0.5) { mirrored(&plain) } else { plain })
        };
        let patches = [cut(0, &mut draws), cut(1, &mut draws)];
        let [first, second] =
            patches.map(|p: Result<Rgb8, ResizeError>| p.map_err(|e| bad(source, e)));
        Ok(Pair { patches: [first?, second?], is_fallback: pair.is_fallback })
    }

    /// A patch of a source under every operation of the space, at a level that chance chooses.
    pub fn probes(&self, source: &Source) -> Result<Vec<Probe>, TrainError> {
        let picture = self.window(source, MEASURED)?;
        let mut draws = stream(self.seed, &format!("qpt/probe/{}", source.name), 0);
        let operations = self.operations();
        let probe = |(kind, op): (usize, &&'static Distortion)| {
            let level = draws.below(LEVELS) as usize;
            let number = (MEASURED << 32) | (1 << 16) | kind as u64;
            let key = Key::of_picture(self.seed, &source.name, number);
            let strength = Strength::Level(level as u8 + 1);
            let degraded =
                degrade::apply_u8(&picture, op, strength, key, 0).map_err(|e| bad(source, e))?;
            let side = self.config.pair.patch as u32;
            let mut upto = |most: u32| draws.below(u64::from(most) + 1) as u32;
            let (x, y) = (upto(degraded.width() - side), upto(degraded.height() - side));
            let patch = crop(&degraded, x, y, side, side).map_err(|e| bad(source, e))?;
            Ok(Probe { patch, kind, level })
        };
        operations.iter().enumerate().map(probe).collect()
    }

    /// The operations of the space, in the table's order.
    pub fn operations(&self) -> Vec<&'static Distortion> {
        match self.config.plan() {
            degrade::Plan::Qpt { space, .. } => space.operations(),
            _ => Vec::new(),
        }
    }

    /// Five patches of a picture as it is: centre and corners.
    pub fn looks(&self, source: &Source) -> Result<Vec<Rgb8>, TrainError> {
        let picture = self.prepared(source)?;
        let side = self.config.pair.patch as u32;
        let (w, h) = (picture.width() - side, picture.height() - side);
        [(w / 2, h / 2), (0, 0), (w, 0), (0, h), (w, h)]
            .into_iter()
            .map(|(x, y)| crop(&picture, x, y, side, side).map_err(|e| bad(source, e)))
            .collect()
    }

    /// Step 1: decoded, neither too small nor too large.
    fn prepared(&self, source: &Source) -> Result<Rgb8, TrainError> {
        let picture = load(&source.path, &LoadOptions::default()).map_err(|e| bad(source, e))?.rgb;
        let (width, height) = (picture.width(), picture.height());
        let short = width.min(height);
        let wanted = short.clamp(self.config.least_short(), self.config.max_short);
        if wanted == short {
            return Ok(picture);
        }
        let (width, height) = short_side(width, height, wanted);
        resize(&picture, width, height, Filter::Bicubic).map_err(|e| bad(source, e))
    }

    /// The part of a prepared picture that an epoch sees: all of it without a window.
    fn window(&self, source: &Source, epoch: u64) -> Result<Rgb8, TrainError> {
        let picture = self.prepared(source)?;
        let side = match self.config.window {
            0 => return Ok(picture),
            side => side,
        };
        let (width, height) = (picture.width().min(side), picture.height().min(side));
        let mut draws = stream(self.seed, &format!("qpt/window/{}", source.name), epoch);
        let mut upto = |most: u32| draws.below(u64::from(most) + 1) as u32;
        let (x, y) = (upto(picture.width() - width), upto(picture.height() - height));
        crop(&picture, x, y, width, height).map_err(|e| bad(source, e))
    }

    /// `[m, 3, s, s]`: patches of one size, normalised (step 6).
    pub fn tensor(&self, patches: &[&Rgb8], device: &Device) -> Tensor<4> {
        let ViewsConfig { mean, std, .. } = self.config;
        let side = patches.first().map_or(0, |patch| patch.width() as usize);
        let plane = side * side;
        let mut data = vec![0.0; patches.len() * 3 * plane];
        for (patch, values) in patches.iter().zip(data.chunks_exact_mut((3 * plane).max(1))) {
            for (p, pixel) in patch.data().as_chunks::<3>().0.iter().enumerate() {
                for (c, &level) in pixel.iter().enumerate() {
                    values[c * plane + p] = (f32::from(level) / 255.0 - mean[c]) / std[c];
                }
            }
        }
        Tensor::from_data(TensorData::new(data, [patches.len(), 3, side, side]), device)
    }
}

fn bad(source: &Source, reason: impl ToString) -> TrainError {
    TrainError::Photo { name: source.name.clone(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pretrain::overlap::PairConfig;

    /// A picture of waves in a folder of its own.
    fn source(width: u32, height: u32) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut bytes = format!("P6\n{width} {height}\n255\n").into_bytes();
        bytes.extend((0..width * height * 3).map(|i| (i * i % 251) as u8));
        let path = folder.path().join("a.ppm");
        std::fs::write(&path, bytes).expect("a file");
        (folder, Source { path, name: "a.ppm".to_owned() })
    }

    fn config(window: u32) -> ViewsConfig {
        let pair = PairConfig { patch: 32, ..PairConfig::default() };
        let text = "images = 2";
        let config: ViewsConfig = toml::from_str(text).expect("a config");
        ViewsConfig { pair, window, max_short: 96, ..config }
    }

    #[test]
    fn pairs_are_a_function_of_seed_name_and_epoch() {
        let (_folder, source) = source(90, 70);
        let config = config(0);
        let pairs = |seed, epoch| Views::new(&config, seed).pairs(&source, epoch).expect("pairs");
        let first = pairs(1, 0);
        assert_eq!(first.len(), 2);
        assert!(first.iter().all(|pair| pair.patches.iter().all(|p| p.width() == 32)));
        assert_eq!(first, pairs(1, 0));
        assert_ne!(first, pairs(2, 0));
        assert_ne!(first, pairs(1, 1));
    }

    #[test]
    fn small_pictures_are_enlarged_large_ones_reduced_and_a_window_keeps_the_pixels() {
        let size = |width, height, config: &ViewsConfig| {
            let (_folder, source) = source(width, height);
            let views = Views::new(config, 1);
            let of = |p: Rgb8| (p.width(), p.height());
            (of(views.prepared(&source).expect("one")), of(views.window(&source, 0).expect("one")))
        };
        assert_eq!(size(32, 64, &config(0)), ((40, 80), (40, 80)));
        assert_eq!(size(192, 240, &config(0)), ((96, 120), (96, 120)));
        assert_eq!(size(60, 80, &config(48)), ((60, 80), (48, 48)));
        assert_eq!(size(44, 80, &config(48)), ((44, 80), (44, 48)));
    }

    #[test]
    fn every_operation_has_a_probe_and_a_picture_has_five_looks() {
        let (_folder, source) = source(60, 50);
        let config = config(0);
        let views = Views::new(&config, 1);
        let probes = views.probes(&source).expect("probes");
        assert_eq!(probes.iter().map(|p| p.kind).collect::<Vec<_>>(), (0..29).collect::<Vec<_>>());
        assert!(probes.iter().all(|p| p.level < 5 && p.patch.width() == 32));
        let looks = views.looks(&source).expect("looks");
        assert_eq!(looks.len(), 5);
        let x = views.tensor(&looks.iter().collect::<Vec<_>>(), &Device::flex());
        assert_eq!(x.dims(), [5, 3, 32, 32]);
        let first = biqa::weights::host(&x)[0];
        let level = f32::from(looks[0].pixel(0, 0)[0]);
        assert!((first - (level / 255.0 - 0.485) / 0.229).abs() < 1e-6);
    }
}
