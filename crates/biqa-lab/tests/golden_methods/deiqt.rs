//! `deiqt-*`: papers/deiqt.md, section 13.

use biqa::golden::{Case, GoldenError, Tensors};
use biqa::models::deiqt::{Deiqt, DeiqtConfig, DeiqtOutput};
use biqa_lab::losses::regression::smooth_l1;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{
    Found, code, config, filled, flat, golden, grad_norm, gradients, numbers, slices, tensor,
};

/// Keys of a case that are not the network's.
const OTHERS: [&str; 5] = ["slice_tokens", "slice_channels", "loss", "beta", "reduction"];

pub fn case(case: &Case) -> Result<(), GoldenError> {
    if case.model != "deiqt" {
        return Err(GoldenError::NotBuilt(case.model.clone()));
    }
    for (key, only) in [("loss", "smooth_l1"), ("reduction", "mean")] {
        if case.config.get(key).is_some_and(|word| word != only) {
            return Err(code(format!("{key} is {only}, and nothing else is defined")));
        }
    }
    let device = Device::flex();
    let net = Deiqt::new(&config::<DeiqtConfig>(case, &OTHERS)?, &device);
    let net = filled(net, case, |_| true)?;
    let image: Tensor<4> = tensor(case.inputs()?.get("image")?, &device);
    let found = match case.kind.as_str() {
        "forward" => forward(case, net.forward(image))?,
        "grad" => training(case, net.train(), image.autodiff(), true)?,
        "train_forward" => training(case, net.train(), image.autodiff(), false)?,
        other => return Err(GoldenError::NotBuilt(format!("deiqt {other}"))),
    };
    case.compare_all(&Tensors(found))
}

fn forward(case: &Case, out: DeiqtOutput) -> Result<Found, GoldenError> {
    let DeiqtOutput { patches, input, blocks, norm, panel } = out;
    let [b] = panel.score.dims();
    let mut tokens = vec![
        ("tokens.input".to_owned(), input),
        ("norm".to_owned(), norm),
        ("decoder".to_owned(), panel.decoder),
    ];
    tokens.extend(blocks.into_iter().enumerate().map(|(i, z)| (format!("block.{i}"), z)));
    let mut found = Found::from([
        ("tokens.patch_embed".to_owned(), golden(patches)),
        ("panel_scores".to_owned(), golden(panel.scores)),
        ("score".to_owned(), golden(panel.score.reshape([b, 1]))),
    ]);
    slices(case, &tokens, &mut found)?;
    found.extend(tokens.into_iter().map(|(name, x)| (name, golden(x))));
    Ok(found)
}

/// The network has no dropout: training mode is the same function, with a loss.
fn training(
    case: &Case,
    net: Deiqt,
    image: Tensor<4>,
    with_grads: bool,
) -> Result<Found, GoldenError> {
    let label = flat(case.inputs()?.get("label")?, &image.device());
    let out = net.forward(image);
    let loss = smooth_l1(out.panel.score.clone(), label, case.number_or("beta", 1.0)?);
    let mut found = Found::new();
    if with_grads {
        gradients(&net, &loss.clone().backward(), &mut found);
        let norm = grad_norm(&found);
        found.insert("grad_norm".to_owned(), numbers([norm], &[1]));
    }
    found.extend(forward(case, out)?);
    found.insert("loss".to_owned(), golden(loss));
    Ok(found)
}
