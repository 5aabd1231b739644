//! From a finished run to a file of weights with its card.

use biqa::scorer::digest;
use biqa::weights::{Arrays, ModelCard, Precision, Scale, read_safetensors, to_safetensors};

use super::TrainError;

/// The calibration to the opinion scale: the straight line through (raw, score on 0..1) of the
/// validation photos by least squares, times 100.
///
/// A network's predictions shrink towards the mean; the line stretches them back. A line, because
/// on a few hundred photos a freer curve follows their noise. It must rise, or fall for a network
/// that predicts how bad a photo is (`rises` false).
pub fn calibrate(raw: &[f64], targets: &[f64], rises: bool) -> Result<Scale, TrainError> {
    let n = raw.len() as f64;
    let (mx, my) = (raw.iter().sum::<f64>() / n, targets.iter().sum::<f64>() / n);
    let sxy: f64 = raw.iter().zip(targets).map(|(x, y)| (x - mx) * (y - my)).sum();
    let sxx: f64 = raw.iter().map(|x| (x - mx).powi(2)).sum();
    let slope = sxy / sxx;
    let quality = if rises { slope } else { -slope };
    if !(slope.is_finite() && quality > 0.0) {
        return Err(TrainError::Data(format!(
            "on the {} photos that choose the predictions don't rise with the scores (slope \
             {quality:.4}), so no scale can be fitted and no model file is written: train longer or \
             on more photos, with another --seed where there are few, or with another --direction if \
             the scores mean the opposite; log.jsonl and the checkpoints stay",
            raw.len()
        )));
    }
    let at = |x: f64| (x, 100.0 * (my + slope * (x - mx)));
    Scale::new(vec![at(0.0), at(1.0)]).map_err(|e| TrainError::Data(e.to_string()))
}

/// The bytes of a model file, whose card is sealed here. Half precision rounds the weights; the
/// card's digest is that of the rounded ones, which are what a reader of the file gets.
pub fn model_file(
    weights: &Arrays,
    card: ModelCard,
    precision: Precision,
) -> Result<Vec<u8>, TrainError> {
    let (rounded, _) = read_safetensors(&to_safetensors(weights, None, precision), "weights")?;
    let card = ModelCard { weights_digest: digest(&rounded), ..card };
    Ok(to_safetensors(&rounded, Some(&card), precision))
}
