//! From a photo and a kind of copy to what the network starts from.
//!
//! With a frozen prefix that is the statistics of the frozen stages and the map behind them, in
//! half precision, computed once and stored; without one it is the pixels.

use biqa::image::Rgb8;
use biqa::models::lite::Lite;
use biqa::random::{Key, stream};
use biqa::view::View;
use biqa::weights::host;
use burn::tensor::{Device, Tensor, TensorData};
use half::f16;

use super::super::TrainError;
use super::super::photo::{Photo, mirrored};
use super::super::recipe::lite::Distortions;
use crate::degrade::severity::{Chain, chains, kadid};
use crate::degrade::{self, Distortion, Strength};

/// [`Distortions::Five`].
pub const FIVE: [&str; 5] = ["gaussian_blur", "jpeg", "noise_white", "brighten", "darken"];
/// Levels of an operation.
pub const LEVELS: u8 = 5;

/// Which copy of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Copy {
    /// As it is.
    Plain,
    /// Mirrored left-right.
    Flip,
    /// Degraded by the operation of one of the photo's ladders, at a level of 1 to 5.
    Ladder {
        /// What the ladders degrade by.
        of: Distortions,
        /// Which ladder.
        number: u64,
        /// 1 to 5.
        level: u8,
    },
    /// Seen at its smallest size only: what the network would see of a copy of that size.
    Small,
}

/// What the network starts from, a size each.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// By size, in the view's order.
    pub sizes: Vec<Size>,
}

/// One size of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Size {
    /// Statistics of every tap under the weights the item was made with; empty for pixels.
    pub statistics: Vec<f32>,
    /// What the trainable stages start from; `None` when it was not asked for.
    pub map: Option<Map>,
}

/// A map or a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Map {
    /// `[c, h, w]` activations.
    Activations([usize; 3], Vec<f16>),
    /// A picture.
    Pixels(Rgb8),
}

/// The pixels of a copy.
pub fn picture(photo: &Photo, copy: Copy, seed: u64) -> Result<Rgb8, TrainError> {
    let plain = photo.load()?;
    match copy {
        Copy::Plain | Copy::Small => Ok(plain),
        Copy::Flip => Ok(mirrored(&plain)),
        Copy::Ladder { of, number, level } => {
            let op = ladder_op(of, seed, &photo.name, number);
            let key = Key::of_picture(seed, &photo.name, number);
            degrade::apply_u8(&plain, op, Strength::Level(level), key, 0)
                .map_err(|e| photo.bad(e.to_string()))
        }
    }
}

/// The operation of a photo's ladder.
pub fn ladder_op(of: Distortions, seed: u64, name: &str, number: u64) -> &'static Distortion {
    let mut draws = stream(seed, &format!("ladder/{name}"), number);
    let mut one = |n: usize| draws.below(n as u64) as usize;
    let op = match of {
        Distortions::Five => degrade::distortion("kadid", FIVE[one(FIVE.len())]),
        Distortions::All => kadid().nth(one(kadid().count())),
    };
    op.expect("it is in the table")
}

/// The chains of a photo's ladder.
pub fn ladder_chains(of: Distortions, seed: u64, name: &str, number: u64) -> &'static [Chain] {
    chains(ladder_op(of, seed, name, number).name)
}

/// The item of a picture: pixels where `cut` is 0, else the statistics of all taps and, where
/// `with_map`, the input of `features.cut`.
pub fn item(
    net: &Lite,
    view: &View,
    cut: usize,
    with_map: bool,
    picture: &Rgb8,
    device: &Device,
) -> Result<Item, String> {
    // Training looks at the whole, or at the first window of a picture so long that it has several.
    let look = view.apply(picture).map_err(|e| e.to_string())?.looks.into_iter().next();
    let mut sizes = Vec::new();
    for window in look.ok_or("the view is empty")? {
        if cut == 0 {
            sizes.push(Size { statistics: Vec::new(), map: Some(Map::Pixels(window)) });
            continue;
        }
        let (pooled, map) = net.statistics_and_map(pixels(view, &window, device), cut);
        let map = with_map.then(|| {
            let [_, c, h, w] = map.dims();
            Map::Activations([c, h, w], host(&map).into_iter().map(f16::from_f32).collect())
        });
        sizes.push(Size { statistics: host(&pooled), map });
    }
    Ok(Item { sizes })
}

impl Item {
    /// The item of the photo's small copy: every size is the last one.
    pub fn small(&self) -> Option<Self> {
        let last = self.sizes.last()?;
        Some(Self { sizes: vec![last.clone(); self.sizes.len()] })
    }
}

/// `[1, 3, h, w]`, normalised as the view says.
pub fn pixels(view: &View, picture: &Rgb8, device: &Device) -> Tensor<4> {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let data = TensorData::new(view.to_tensor(picture), [1, 3, h, w]);
    Tensor::from_data(data, device)
}

/// Statistics `[n, d]` of several items, differentiable through the trainable stages.
pub fn statistics(
    net: &Lite,
    view: &View,
    cut: usize,
    items: &[&Item],
    device: &Device,
) -> Tensor<2> {
    let sizes = items.first().map_or(0, |item| item.sizes.len());
    let parts = (0..sizes).flat_map(|s| {
        let d = net.statistics_before(cut);
        let stored: Vec<f32> =
            items.iter().flat_map(|item| item.sizes[s].statistics[..d].iter().copied()).collect();
        let stored: Option<Tensor<2>> =
            (d > 0).then(|| Tensor::from_data(TensorData::new(stored, [items.len(), d]), device));
        let live = cut <= biqa::nn::mobilenet::LAST;
        let fresh = live.then(|| live_statistics(net, view, cut, s, items, device)).flatten();
        [stored, fresh]
    });
    Tensor::cat(parts.flatten().collect(), 1)
}

/// The trainable stages' statistics of one size: maps of equal shape go through together.
fn live_statistics(
    net: &Lite,
    view: &View,
    cut: usize,
    size: usize,
    items: &[&Item],
    device: &Device,
) -> Option<Tensor<2>> {
    let mut groups: Vec<([usize; 3], Vec<usize>)> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let shape = match item.sizes[size].map.as_ref()? {
            Map::Activations(shape, _) => *shape,
            Map::Pixels(p) => [3, p.height() as usize, p.width() as usize],
        };
        match groups.iter_mut().find(|(s, _)| *s == shape) {
            Some((_, members)) => members.push(i),
            None => groups.push((shape, vec![i])),
        }
    }
    let mut rows: Vec<Option<Tensor<2>>> = vec![None; items.len()];
    for ([c, h, w], members) in groups {
        let data: Vec<f32> = members
            .iter()
            .flat_map(|&i| match &items[i].sizes[size].map {
                Some(Map::Activations(_, data)) => data.iter().map(|v| v.to_f32()).collect(),
                Some(Map::Pixels(picture)) => view.to_tensor(picture),
                None => Vec::new(),
            })
            .collect();
        let x = Tensor::from_data(TensorData::new(data, [members.len(), c, h, w]), device);
        let pooled = net.statistics_from(x, cut);
        if members.len() == items.len() {
            return Some(pooled);
        }
        for (k, &i) in members.iter().enumerate() {
            rows[i] = Some(pooled.clone().narrow(0, k, 1));
        }
    }
    let rows: Option<Vec<Tensor<2>>> = rows.into_iter().collect();
    rows.map(|rows| Tensor::cat(rows, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_is_somebodys_ladder_and_a_photo_keeps_its_own() {
        let name = |of, i| ladder_op(of, 7, &format!("{i}.jpg"), 0).name;
        let of = |of| (0..300).map(|i| name(of, i)).collect::<BTreeSet<&str>>();
        assert_eq!(of(Distortions::Five), BTreeSet::from(FIVE));
        assert_eq!(of(Distortions::All), kadid().map(|op| op.name).collect());
        assert_eq!(name(Distortions::All, 3), name(Distortions::All, 3));
    }
}
