//! What pictures are matched by: a network's pooled feature of the whole picture (`papers/glintiqa.md`,
//! section 5, facts 1 to 4).
//!
//! The paper's network is ResNet-101; which one it is, the names in the file of weights say.

use std::path::{Path, PathBuf};

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::nn::mobilenet::MobileNetV2;
use biqa::nn::resnet::{ResNet, ResNetConfig};
use biqa::parallel::ordered;
use biqa::scorer::hex;
use biqa::view::{Grid, Policy, View};
use biqa::weights::{self, Arrays};
use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use super::TransferError;
use super::nearest::{NORMALIZE_EPS, normalised};

/// Fact 3, and what both networks were trained with.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Least side of a picture: a network's five halvings leave one pixel.
const LEAST_SIDE: u32 = 32;
/// Most pixels of a picture, our choice: the first layers of ResNet-101 take 3 GB for as many. The
/// pictures that the method is for have 512 x 384.
const MOST_PIXELS: u64 = 1 << 22;

/// A network without its last layer.
#[derive(Debug)]
pub struct Backbone {
    net: Net,
    name: String,
    digest: String,
    device: Device,
    view: View,
}

#[derive(Debug)]
enum Net {
    ResNet(Box<ResNet>),
    MobileNetV2(Box<MobileNetV2>),
}

impl Backbone {
    /// Opens a file of weights with torchvision's names: a ResNet with bottlenecks, of any depth, or
    /// MobileNetV2 of width 1. The classifier is left out.
    ///
    /// # Errors
    /// A file that can't be read, of another network, or not whole.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        let (mut arrays, _) = weights::read(path)?;
        arrays.retain(|name, _| !(name.starts_with("fc.") || name.starts_with("classifier.")));
        let digest =
            hex(&Sha256::digest(weights::to_safetensors(&arrays, None, weights::Precision::F32)));
        let device = Device::flex();
        let file = path.display().to_string();
        let (net, name) = if arrays.contains_key("layer1.0.conv1.weight") {
            let config = resnet_of(&arrays);
            config.check().map_err(|_| TransferError::Backbone { path: path.to_owned() })?;
            let name = resnet_name(&config);
            let net = ResNet::new(&config, &device);
            (Net::ResNet(Box::new(weights::load(net, arrays, &file, &name)?)), name)
        } else if arrays.contains_key("features.18.0.weight") {
            let name = "mobilenet_v2".to_owned();
            let net = MobileNetV2::new(1.0, None, &device);
            let net = weights::load(net, arrays, &file, &name)?.fold();
            (Net::MobileNetV2(Box::new(net)), name)
        } else {
            return Err(TransferError::Backbone { path: path.to_owned() });
        };
        // Of a view only the table from levels to numbers is used: the picture goes in as it is.
        let whole = Grid::of(1, [1, 1]);
        let policy = Policy::Grid(whole);
        let view = View { policy, filter: biqa::resize::Filter::Bilinear, mean: MEAN, std: STD };
        Ok(Self { net, name, digest, device, view })
    }

    /// `resnet101`, `mobilenet_v2`, ...
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the weights that are used.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The feature of a whole picture, of length 1.
    ///
    /// # Errors
    /// In words: a picture too small or too large.
    pub fn feature(&self, picture: &Rgb8) -> Result<Vec<f32>, String> {
        let (w, h) = (picture.width(), picture.height());
        if w.min(h) < LEAST_SIDE {
            return Err(format!("{w} x {h} pixels; a side needs {LEAST_SIDE} or more"));
        }
        if u64::from(w) * u64::from(h) > MOST_PIXELS {
            return Err(format!(
                "{w} x {h} pixels; at most {MOST_PIXELS} are matched: reduce it, KADIS-700k has \
                 512 x 384"
            ));
        }
        let data = TensorData::new(self.view.to_tensor(picture), [1, 3, h as usize, w as usize]);
        let x = Tensor::<4>::from_data(data, &self.device);
        let feature = match &self.net {
            Net::ResNet(net) => net.forward(x, None).features,
            Net::MobileNetV2(net) => net.forward(x),
        };
        Ok(normalised(&weights::host(&feature), NORMALIZE_EPS))
    }

    /// The features of files, in their order; in words why one has none. `done` is called once a
    /// file.
    pub fn features(
        &self,
        paths: &[PathBuf],
        threads: usize,
        done: &mut dyn FnMut(),
    ) -> Vec<Result<Vec<f32>, String>> {
        let mut features = Vec::with_capacity(paths.len());
        ordered(
            threads,
            paths.iter(),
            |_, path| {
                let picture = load(path, &LoadOptions::default()).map_err(|e| e.to_string())?;
                self.feature(&picture.rgb)
            },
            |_, feature| {
                features.push(feature);
                done();
                true
            },
        );
        features
    }
}

/// Depth and width, as the names and the first convolution say.
fn resnet_of(arrays: &Arrays) -> ResNetConfig {
    let blocks = |stage: usize| {
        let there = |i: &usize| arrays.contains_key(&format!("layer{stage}.{i}.conv1.weight"));
        (0..arrays.len()).take_while(there).count()
    };
    let layers = (1..=4).map(blocks).take_while(|&n| n > 0).collect();
    let width = arrays.get("conv1.weight").and_then(|a| a.shape.first().copied()).unwrap_or(0);
    ResNetConfig { layers, width, num_classes: 0, ..ResNetConfig::default() }
}

fn resnet_name(config: &ResNetConfig) -> String {
    match (config.layers.as_slice(), config.width) {
        ([3, 4, 6, 3], 64) => "resnet50".to_owned(),
        ([3, 4, 23, 3], 64) => "resnet101".to_owned(),
        ([3, 8, 36, 3], 64) => "resnet152".to_owned(),
        (layers, width) => format!("resnet {layers:?} of width {width}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::splitmix64;
    use biqa::weights::{Array, Precision, collect, write_safetensors};

    /// A small ResNet with numbers in every place, in a file.
    fn small(folder: &Path) -> PathBuf {
        let config =
            ResNetConfig { layers: vec![1, 1], width: 4, num_classes: 3, ..Default::default() };
        let net = ResNet::new(&config, &Device::flex());
        let mut seed = 0;
        let mut fill = |name: &String, array: Array| {
            let positive = name.ends_with("running_var");
            let data = array.data.iter().map(|_| {
                seed += 1;
                let unit = (splitmix64(seed) >> 40) as f32 / (1 << 24) as f32;
                if positive { unit + 0.5 } else { unit - 0.4 }
            });
            Array { data: data.collect(), ..array.clone() }
        };
        let arrays: Arrays =
            collect(&net).into_iter().map(|(name, a)| (name.clone(), fill(&name, a))).collect();
        let path = folder.join("small.safetensors");
        write_safetensors(&path, &arrays, None, Precision::F32).expect("writable");
        path
    }

    fn picture(w: u32, h: u32) -> Rgb8 {
        let data = (0..3 * w * h).map(|i| (i * 7 % 251) as u8).collect();
        Rgb8::new(w, h, data).expect("sizes fit")
    }

    #[test]
    fn a_resnet_is_known_by_its_names_and_gives_features_of_length_1() {
        let folder = tempfile::tempdir().expect("a folder");
        let backbone = Backbone::open(&small(folder.path())).expect("a backbone");
        assert_eq!(backbone.name(), "resnet [1, 1] of width 4");
        let feature = backbone.feature(&picture(50, 40)).expect("a feature");
        let square: f32 = feature.iter().map(|v| v * v).sum();
        assert_eq!(feature.len(), 32);
        assert!((square - 1.0).abs() < 1e-5, "{square}");
    }

    #[test]
    fn sizes_without_a_feature_are_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let backbone = Backbone::open(&small(folder.path())).expect("a backbone");
        let small = backbone.feature(&picture(31, 64)).expect_err("too small");
        assert!(small.contains("31 x 64") && small.contains("32 or more"), "{small}");
        let large = backbone.feature(&picture(2048, 2049)).expect_err("too large");
        assert!(large.contains("reduce it"), "{large}");
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("other.safetensors");
        let array = Array { shape: vec![1], data: vec![1.0] };
        let arrays = Arrays::from([("pos_embed".to_owned(), array)]);
        write_safetensors(&path, &arrays, None, Precision::F32).expect("writable");
        let text = Backbone::open(&path).expect_err("no backbone").to_string();
        assert!(text.contains("other.safetensors") && text.contains("ResNet"), "{text}");
    }
}
