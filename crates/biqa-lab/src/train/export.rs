//! From a finished run to a file of weights with its card.

use biqa::models::lite::LiteConfig;
use biqa::scorer::digest;
use biqa::view::View;
use biqa::weights::read_safetensors;
use biqa::weights::{Arrays, Data, Metrics, ModelCard, Precision, Scale, to_safetensors};

use super::TrainError;

/// What a card says that the run itself doesn't know.
#[derive(Clone, Debug)]
pub struct About {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its sizes.
    pub config: LiteConfig,
    /// Its view.
    pub view: View,
    /// Its training data.
    pub data: Data,
    /// The run's seed.
    pub seed: u64,
    /// SHA-256 of the recipe.
    pub recipe_digest: String,
    /// Figures on photos it did not see.
    pub metrics: Vec<Metrics>,
    /// Licence of the weights.
    pub licence: String,
    /// Terms of the data.
    pub data_terms: String,
    /// Where it is known to be wrong.
    pub known_failures: Vec<String>,
    /// What some scores look like.
    pub anchors: Vec<(f64, String)>,
}

/// The calibration to the opinion scale: the straight line through (raw, score on 0..1) of the
/// validation photos by least squares, times 100.
///
/// A network's predictions shrink towards the mean; the line stretches them back. A line, because
/// on a few hundred photos a freer curve follows their noise.
pub fn calibrate(raw: &[f64], targets: &[f64]) -> Result<Scale, TrainError> {
    let n = raw.len() as f64;
    let (mx, my) = (raw.iter().sum::<f64>() / n, targets.iter().sum::<f64>() / n);
    let sxy: f64 = raw.iter().zip(targets).map(|(x, y)| (x - mx) * (y - my)).sum();
    let sxx: f64 = raw.iter().map(|x| (x - mx).powi(2)).sum();
    let slope = sxy / sxx;
    if !(slope.is_finite() && slope > 0.0) {
        return Err(TrainError::Data(format!(
            "on the validation photos the predictions don't rise with the scores (slope {slope}): \
             the training has failed or the scores run the other way (--direction dmos)"
        )));
    }
    let at = |x: f64| (x, 100.0 * (my + slope * (x - mx)));
    Scale::new(vec![at(0.0), at(1.0)]).map_err(|e| TrainError::Data(e.to_string()))
}

/// The bytes of a model file. Half precision rounds the weights; the card's digest is that of the
/// rounded ones, which are what a reader of the file gets.
pub fn model_file(
    weights: &Arrays,
    scale: Scale,
    about: About,
    precision: Precision,
) -> Result<Vec<u8>, TrainError> {
    let (rounded, _) = read_safetensors(&to_safetensors(weights, None, precision), "weights")?;
    let card = ModelCard {
        name: about.name,
        version: about.version,
        method: "lite".to_owned(),
        config: serde_json::to_value(&about.config).expect("a config is plain data"),
        view: about.view,
        scale,
        weights_digest: digest(&rounded),
        data: about.data,
        seed: about.seed,
        recipe_digest: about.recipe_digest,
        metrics: about.metrics,
        licence: about.licence,
        data_terms: about.data_terms,
        known_failures: about.known_failures,
        anchors: about.anchors,
    };
    Ok(to_safetensors(&rounded, Some(&card), precision))
}
