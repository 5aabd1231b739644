//! Scoring photos with the network as the registry knows it: what is measured is what a model file
//! will hold.

use biqa::image::Rgb8;
use biqa::models::Network;
use biqa::parallel::ordered;
use biqa::view::View;
use biqa::weights::Arrays;
use burn::tensor::{Device, Tensor, TensorData};

use super::super::TrainError;
use super::super::photo::Photo;

/// A network and the view by which it sees crops.
pub(super) struct Seer<'a> {
    network: Network,
    view: &'a View,
    threads: usize,
    device: Device,
}

impl<'a> Seer<'a> {
    /// The network of a method with the weights of a model file.
    pub fn new(
        method: &str,
        (config, weights): (&serde_json::Value, Arrays),
        view: &'a View,
        threads: usize,
    ) -> Result<Self, TrainError> {
        let (name, device) = ("the trained network", Device::flex());
        let network = Network::new(method, config, name, &device)?.load(weights, name)?;
        Ok(Self { network, view, threads, device })
    }

    /// The mean over its crops of a photo's raw numbers, photo by photo; `crops` cuts them. Photos
    /// go through on all threads, crops one at a time, so that neither threads nor neighbours can
    /// change a bit.
    pub fn raw(
        &self,
        photos: &[Photo],
        crops: impl Fn(&Photo) -> Result<Vec<Rgb8>, TrainError> + Sync,
    ) -> Result<Vec<f64>, TrainError> {
        let (mut scores, mut failed) = (Vec::with_capacity(photos.len()), None);
        let score = |_, photo: &Photo| {
            let crops = crops(photo)?;
            let sum: f64 = crops.iter().map(|crop| self.score(crop)).sum();
            Ok(sum / crops.len() as f64)
        };
        ordered(self.threads, photos.iter(), score, |_, result: Result<f64, TrainError>| {
            match result {
                Ok(score) => scores.push(score),
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        });
        failed.map_or(Ok(scores), Err)
    }

    fn score(&self, crop: &Rgb8) -> f64 {
        let shape = [1, 3, crop.height() as usize, crop.width() as usize];
        let data = TensorData::new(self.view.to_tensor(crop), shape);
        self.network.score(vec![Tensor::from_data(data, &self.device)])
    }
}
