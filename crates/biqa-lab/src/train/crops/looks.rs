//! Scoring photos with the network as the registry knows it: what is measured is what a model file
//! will hold.

use biqa::device::OpenDevice;
use biqa::image::Rgb8;
use biqa::models::Network;
use biqa::parallel::ordered;
use biqa::view::View;
use biqa::weights::Arrays;
use burn::tensor::{Tensor, TensorData};

use super::super::TrainError;
use super::super::photo::Photo;
use super::super::recipe::crops::ScorePrecision;

/// A network and the view by which it sees crops.
pub(super) struct Seer<'a> {
    network: Network,
    view: &'a View,
    device: &'a OpenDevice,
    threads: usize,
    /// Crops that go through the network together.
    together: usize,
    precision: ScorePrecision,
}

/// Crops that go through a GPU together.
const TOGETHER: usize = 32;

impl<'a> Seer<'a> {
    /// The network of a method with the weights of a model file.
    pub fn new(
        method: &str,
        (config, weights): (&serde_json::Value, Arrays),
        view: &'a View,
        precision: ScorePrecision,
        (device, threads): (&'a OpenDevice, usize),
    ) -> Result<Self, TrainError> {
        let name = "the trained network";
        let network = Network::new(method, config, name, &device.plain())?.load(weights, name)?;
        let together = if device.name().is_cpu() { 1 } else { TOGETHER };
        Ok(Self { network, view, device, threads, together, precision })
    }

    /// The mean over its crops of a photo's raw numbers, photo by photo; `crops` cuts them, on all
    /// threads. On the processor photos go through on those threads too, crops one at a time, so that
    /// neither threads nor neighbours can change a bit; a GPU takes a photo's crops together.
    pub fn raw(
        &self,
        photos: &[Photo],
        crops: impl Fn(&Photo) -> Result<Vec<Rgb8>, TrainError> + Sync,
    ) -> Result<Vec<f64>, TrainError> {
        let (mut scores, mut failed) = (Vec::with_capacity(photos.len()), None);
        let mut keep = |result: Result<f64, TrainError>| {
            match result {
                Ok(score) => scores.push(score),
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        };
        let mean = |crops: &[Rgb8]| {
            let parts = crops.chunks(self.together).flat_map(|part| self.scores(part));
            let sum = parts.map(|score| self.precision.of(score)).sum::<f64>();
            self.precision.of(sum / crops.len() as f64)
        };
        if self.together == 1 {
            let score = |_, photo: &Photo| Ok(mean(&crops(photo)?));
            ordered(self.threads, photos.iter(), score, |_, score| keep(score));
        } else {
            let cut = |_, photo: &Photo| crops(photo);
            ordered(self.threads, photos.iter(), cut, |_, crops: Result<Vec<Rgb8>, _>| {
                keep(crops.map(|crops| mean(&crops)))
            });
        }
        failed.map_or(Ok(scores), Err)
    }

    /// Crops of one size.
    fn scores(&self, crops: &[Rgb8]) -> Vec<f64> {
        let [w, h] = crops.first().map_or([0; 2], |c| [c.width(), c.height()].map(|v| v as usize));
        let data: Vec<f32> = crops.iter().flat_map(|crop| self.view.to_tensor(crop)).collect();
        let data = TensorData::new(data, [crops.len(), 3, h, w]);
        self.network.scores(Tensor::from_data(data, &self.device.plain()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Method;
    use crate::methods::registry::Choice;
    use crate::train::recipe::Recipe;
    use std::path::Path;

    /// What a GPU does, on the processor.
    #[test]
    fn crops_together_score_as_one_by_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/deiqt-smoke.toml");
        let Ok(Recipe::Crops(recipe)) = Recipe::read(&path) else { panic!("no recipe") };
        let Choice::Deiqt(method) = &recipe.choice else { panic!("no DEIQT") };
        let device = OpenDevice::default();
        let start = method.start(Arrays::new(), "", 1, &device.plain()).expect("from chance");
        let (config, weights) = method.exported(&start.0);
        let view = recipe.view("csv");
        let seer = |precision| {
            let model = (&config, weights.clone());
            Seer::new("deiqt", model, &view, precision, (&device, 2)).expect("it fits")
        };
        let (half, seer) = (seer(ScorePrecision::F16), seer(ScorePrecision::F32));
        let photos: Vec<Photo> = (0..5)
            .map(|i| Photo {
                path: "".into(),
                name: i.to_string(),
                dataset: "csv".to_owned(),
                score: 0.0,
                target: 0.0,
            })
            .collect();
        let crops = |photo: &Photo| {
            let levels = |k: usize| (0..3 * 32 * 32).map(|v| (v * (k + 3) % 251) as u8).collect();
            let first: usize = photo.name.parse().map_err(|_| photo.bad("no number".to_owned()))?;
            Ok((first..first + 3).filter_map(|k| Rgb8::new(32, 32, levels(k))).collect())
        };
        let alone = seer.raw(&photos, crops).expect("scores");
        let first = |photo: &Photo| Ok(crops(photo)?.into_iter().take(1).collect());
        let single = seer.raw(&photos, first).expect("scores");
        let mean = (single[2] + single[3] + single[4]) / 3.0;
        assert_eq!(alone[2], mean, "the mean over its crops");
        // Rounded to 11 bits, crop by crop, then the mean.
        let rounded = half.raw(&photos, crops).expect("scores");
        for (rounded, plain) in rounded.iter().zip(&alone) {
            assert!((rounded - plain).abs() < plain.abs() / 1024.0, "{rounded} of {plain}");
            assert_eq!(ScorePrecision::F16.of(*rounded), *rounded);
        }
        assert_ne!(rounded, alone);
        let together = Seer { together: 2, ..seer }.raw(&photos, crops).expect("scores");
        assert!(alone.windows(2).all(|pair| pair[0] != pair[1]), "{alone:?}");
        assert_eq!(alone.len(), 5);
        for (a, b) in alone.iter().zip(&together) {
            assert!((a - b).abs() < 1e-5, "{alone:?} and {together:?}");
        }
    }
}
