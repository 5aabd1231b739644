//! One step: its photos become a batch, the method's terms become gradients.

use biqa::image::Rgb8;
use biqa::nn::autocast::{Products, autocast};
use biqa::view::View;
use burn::tensor::{Device, Tensor, TensorData};

use super::super::TrainError;
use super::super::optim::Grads;
use super::pictures::Cut;
use crate::methods::{Batch, Method, StepKey};

/// The batch of some photos, with a label each.
pub(super) fn batch(
    (photos, cuts): (Vec<usize>, Vec<Cut>),
    targets: Vec<f32>,
    view: &View,
    key: StepKey,
    device: &Device,
) -> Batch {
    let tensor = |pictures: &[&Rgb8]| {
        let side = pictures.first().map_or(0, |p| p.width() as usize);
        let data: Vec<f32> = pictures.iter().flat_map(|p| view.to_tensor(p)).collect();
        Tensor::from_data(TensorData::new(data, [pictures.len(), 3, side, side]), device)
    };
    let crops: Vec<&Rgb8> = cuts.iter().flat_map(|cut| &cut.crops).collect();
    let wholes: Vec<&Rgb8> = cuts.iter().filter_map(|cut| cut.whole.as_ref()).collect();
    Batch {
        crops: tensor(&crops),
        boxes: cuts.iter().flat_map(|cut| cut.boxes.iter().copied()).collect(),
        whole: (!wholes.is_empty()).then(|| tensor(&wholes)),
        targets,
        photos,
        key,
    }
}

/// What the parts of a step gave, added up.
#[derive(Default)]
pub(super) struct Sum {
    grads: Option<Grads>,
    parts: usize,
    loss: f64,
    terms: Vec<(&'static str, f64)>,
}

impl Sum {
    /// Forward and backward of a part.
    pub fn add<M: Method>(
        &mut self,
        method: &mut M,
        net: &M::Net,
        batch: &Batch,
        products: Products,
    ) -> Result<(), TrainError> {
        let terms = autocast(products, || method.terms(net, batch))?;
        let Some(total) = terms.total() else {
            return Err(TrainError::Data("the method gave a step no term of a loss".to_owned()));
        };
        let scalar = |t: &Tensor<1>| f64::from(t.clone().into_scalar::<f32>());
        self.loss += scalar(&total);
        for (name, value) in &terms.parts {
            let value = scalar(value);
            match self.terms.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += value,
                None => self.terms.push((name, value)),
            }
        }
        let grads = Grads::of(net, &total.backward());
        self.grads = Some(match self.grads.take() {
            Some(sum) => sum.plus(grads),
            None => grads,
        });
        self.parts += 1;
        Ok(())
    }

    /// The mean over the parts: gradients, loss, its terms.
    pub fn mean(self) -> (Grads, f64, Vec<(&'static str, f64)>) {
        let n = self.parts.max(1) as f64;
        let grads = self.grads.unwrap_or_default();
        let grads = if self.parts > 1 { grads.times(1.0 / n) } else { grads };
        let terms = self.terms.into_iter().map(|(name, sum)| (name, sum / n)).collect();
        (grads, self.loss / n, terms)
    }
}
