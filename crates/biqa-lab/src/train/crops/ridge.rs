//! The bar that training has to clear: ridge regression on the frozen backbone as it starts.

use biqa::parallel::ordered;
use biqa::weights::host;
use burn::tensor::{Tensor, TensorData};

use super::super::TrainError;
use super::super::choose::validation;
use super::super::photo::Photo;
use super::super::recipe::crops::{CropsRecipe, Looks};
use super::super::run::{Bar, Options};
use super::pictures::Pictures;
use super::start;
use crate::methods::Method;
use crate::stats::Ridge;

/// Penalties that are tried, each on features of deviation 1.
const PENALTIES: [f64; 9] = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Fits the photos to train on, chooses the penalty on those that choose, reports on the others.
/// Crops are those that a training would validate and report by.
pub(super) fn bar<M: Method<Net: Sync> + Sync>(
    method: &M,
    recipe: &CropsRecipe,
    options: &Options,
) -> Result<Bar, TrainError> {
    let (net, from) = start(method, options)?;
    let pictures = Pictures::new(recipe, options.seed);
    let features = |photos: &[Photo], looks: Looks| {
        let device = options.device.plain();
        let view = |photo: &Photo| recipe.view(&photo.dataset);
        let of_photo = |_, photo: &Photo| {
            let crops = pictures.looks(photo, looks, None)?;
            let count = crops.len() as f64;
            let mut mean: Vec<f64> = Vec::new();
            for crop in crops {
                let shape = [1, 3, crop.height() as usize, crop.width() as usize];
                let data = TensorData::new(view(photo).to_tensor(&crop), shape);
                let row = host(&method.features(&net, Tensor::from_data(data, &device)));
                mean.resize(row.len(), 0.0);
                mean.iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(v) / count);
            }
            Ok(mean)
        };
        let (mut rows, mut failed) = (Vec::with_capacity(photos.len()), None);
        ordered(
            options.device.users(options.threads),
            photos.iter(),
            of_photo,
            |_, row: Result<_, TrainError>| {
                match row {
                    Ok(row) => rows.push(row),
                    Err(error) => failed = Some(error),
                }
                failed.is_none()
            },
        );
        failed.map_or(Ok(rows), Err)
    };
    let targets = |photos: &[Photo]| photos.iter().map(|p| f64::from(p.target)).collect::<Vec<_>>();
    let (train, val) = (&options.train, &options.val);
    let looks = recipe.crops.validate;
    let models = Ridge::path(&features(train, looks)?, &targets(train), &PENALTIES)
        .map_err(|e| TrainError::Data(format!("the frozen backbone: {e}")))?;
    let figures = |model: &Ridge, rows: &[Vec<f64>], photos: &[Photo]| {
        let scores: Vec<f64> = rows.iter().map(|row| model.predict(row)).collect();
        validation(0, 0, &scores, photos)
    };
    let rows = features(val, looks)?;
    let tried = models.iter().zip(PENALTIES).map(|(m, p)| (m, p, figures(m, &rows, val)));
    let best = tried.reduce(|kept, new| if new.2.srcc > kept.2.srcc { new } else { kept });
    let (model, penalty, val) = best.expect("there are penalties");
    let test = match &options.test[..] {
        [] => None,
        test => Some(figures(model, &features(test, recipe.crops.test)?, test)),
    };
    Ok(Bar { from, penalty, val, test })
}
