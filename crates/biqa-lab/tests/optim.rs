//! What one step of the optimiser may change, and what a restored one does next.

use biqa::golden::splitmix_weights;
use biqa::models::lite::{Lite, LiteConfig};
use biqa::weights::{Array, Arrays, collect, freeze, load, visit};
use biqa_lab::train::optim::{AdamW, AdamWConfig, Group};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};

const LR: f64 = 0.01;
const DECAY: f64 = 0.5;
/// Entries of the backbone before this one are frozen.
const CUT: usize = 2;

/// A small `lite` with made weights, on the device with gradients, its first blocks frozen.
fn net() -> Lite {
    let config = LiteConfig { taps: vec![1, 3], sizes: 1, hidden: 8 };
    let empty = Lite::new(&config, &Device::flex());
    let mut arrays = Arrays::new();
    visit(&empty, |name, value| {
        let data = match name {
            "head.spread" => vec![1.0; value.shape[0]],
            name => splitmix_weights(name, &value.shape),
        };
        arrays.insert(name.to_owned(), Array { shape: value.shape, data });
    });
    let net = load(empty, arrays, "made", "lite").expect("every array has its place");
    freeze(net.train(), |name| entry(name).is_some_and(|i| i < CUT))
}

/// `i` of `trunk.features.i.`.
fn entry(name: &str) -> Option<usize> {
    name.strip_prefix("trunk.features.")?.split('.').next()?.parse().ok()
}

/// Gradients of the sum of two pictures' scores times `factor`.
fn grads(net: &Lite, number: usize, factor: f32) -> Gradients {
    let n = 2 * 3 * 16 * 16;
    let data: Vec<f32> = (0..n).map(|i| ((i * (number + 3)) as f32 * 0.37).sin()).collect();
    let device = Device::flex().autodiff();
    let x = Tensor::from_data(TensorData::new(data, [2, 3, 16, 16]), &device);
    (net.score(net.statistics(x), None).sum() * factor).backward()
}

fn adamw() -> AdamW {
    AdamW::new(AdamWConfig { weight_decay: DECAY, ..AdamWConfig::default() })
}

/// As the trainer groups: biases and other vectors don't decay.
fn group(_name: &str, dims: usize) -> Group {
    Group { lr: LR, decay: dims > 1 }
}

fn stepped(optim: &mut AdamW, net: Lite, steps: std::ops::Range<usize>) -> Lite {
    steps.fold(net, |net, k| {
        let grads = grads(&net, k, 1.0);
        optim.step(net, &grads, group).0
    })
}

#[test]
fn frozen_parameters_and_buffers_never_change() {
    let before = net();
    let after = stepped(&mut adamw(), before.clone(), 0..3);
    let (a, b) = (collect(&before), collect(&after));
    assert!(a.keys().eq(b.keys()));
    let mut changed = 0;
    for (name, array) in &a {
        let fixed = entry(name).is_some_and(|i| i < CUT)
            || ["head.center", "head.spread"].contains(&name.as_str());
        if fixed {
            assert_eq!(*array, b[name], "{name} changed");
        }
        // What lies behind the last tap has no gradient, and does not decay either.
        let reached = entry(name).is_none_or(|i| i <= 3);
        assert_eq!(*array != b[name], !fixed && reached, "{name}");
        changed += usize::from(*array != b[name]);
    }
    // Two blocks of three convolutions, two linear layers: weight and bias each.
    assert_eq!(changed, 2 * 3 * 2 + 2 * 2);
}

#[test]
fn a_step_keeps_what_is_trainable() {
    let trainable = |net: &Lite| {
        let mut names = Vec::new();
        visit(net, |name, value| names.extend(value.trainable.then(|| name.to_owned())));
        names
    };
    let before = net();
    let after = stepped(&mut adamw(), before.clone(), 0..2);
    assert!(!trainable(&before).iter().any(|name| entry(name).is_some_and(|i| i < CUT)));
    assert!(!trainable(&before).contains(&"head.center".to_owned()));
    assert_eq!(trainable(&before), trainable(&after));
}

/// A gradient of zero leaves nothing but the decay.
#[test]
fn weights_decay_and_vectors_do_not() {
    let before = net();
    let (after, norm) = adamw().step(before.clone(), &grads(&before, 0, 0.0), group);
    assert_eq!(norm, 0.0);
    let (a, b) = (collect(&before), collect(&after));
    let decayed = |v: &f32| v * (1.0 - LR * DECAY) as f32;
    for name in ["head.fc1.weight", "head.fc2.weight", "trunk.features.2.conv.0.0.weight"] {
        let expected: Vec<f32> = a[name].data.iter().map(decayed).collect();
        let close = |(x, y): (&f32, &f32)| (x - y).abs() <= 1e-6 * y.abs();
        assert!(b[name].data.iter().zip(&expected).all(close), "{name} did not decay");
        assert_ne!(a[name], b[name], "{name}");
    }
    for name in ["head.fc1.bias", "head.fc2.bias", "trunk.features.2.conv.0.0.bias"] {
        assert_eq!(a[name], b[name], "{name} is a vector and decayed");
    }
}

#[test]
fn the_group_is_asked_with_the_name_and_the_dimensions_of_the_parameter() {
    let net = net();
    let seen = std::cell::RefCell::new(Vec::new());
    let grads = grads(&net, 0, 1.0);
    adamw().step(net.clone(), &grads, |name, dims| {
        seen.borrow_mut().push((name.to_owned(), dims));
        group(name, dims)
    });
    let arrays = collect(&net);
    let seen = seen.into_inner();
    assert!(!seen.is_empty());
    for (name, dims) in seen {
        assert_eq!(dims, arrays[&name].shape.len(), "{name}");
    }
}

#[test]
fn a_restored_optimiser_goes_on_equally() {
    let mut whole = adamw();
    let half_way = stepped(&mut whole, net(), 0..3);
    let (steps, state) = (whole.steps(), whole.state());
    let expected = collect(&stepped(&mut whole, half_way.clone(), 3..6));

    let mut restored =
        adamw().restored(steps, state.clone(), &Device::flex()).expect("every moment has its twin");
    assert_eq!(restored.state(), state);
    let found = collect(&stepped(&mut restored, half_way.clone(), 3..6));
    assert_eq!(found, expected);
    assert_eq!((restored.steps(), restored.state()), (whole.steps(), whole.state()));

    // And without its state it does not.
    assert_ne!(collect(&stepped(&mut adamw(), half_way, 3..6)), expected);
}

#[test]
fn a_state_that_lacks_a_moment_is_refused() {
    let mut optim = adamw();
    stepped(&mut optim, net(), 0..1);
    let state = optim.state();
    for part in ["m.head.fc1.weight", "v.head.fc1.weight"] {
        let mut cut = state.clone();
        cut.remove(part).expect("it is there");
        assert!(adamw().restored(1, cut, &Device::flex()).is_none(), "without {part}");
    }
}

#[test]
fn a_gradient_that_is_no_number_changes_nothing() {
    let before = net();
    for factor in [f32::NAN, f32::INFINITY] {
        let mut optim = adamw();
        let (after, norm) = optim.step(before.clone(), &grads(&before, 0, factor), group);
        assert!(!norm.is_finite());
        assert_eq!(collect(&after), collect(&before), "{factor}");
        assert_eq!((optim.steps(), optim.state().len()), (0, 0), "{factor}");
    }
}

#[test]
fn a_clipped_step_is_the_step_of_the_scaled_gradient() {
    let config = AdamWConfig { clip_grad_norm: Some(0.01), ..AdamWConfig::default() };
    let net = net();
    let (clipped, norm) = AdamW::new(config).step(net.clone(), &grads(&net, 0, 1.0), group);
    assert!(norm > 0.02, "the norm {norm} is that before clipping, and is clipped here");
    let factor = (0.01 / (norm + 1e-6)) as f32;
    let (scaled, _) = adamw_without_clip().step(net.clone(), &grads(&net, 0, factor), group);
    let (a, b) = (collect(&clipped), collect(&scaled));
    for (name, array) in &a {
        // Adam's first step is almost a sign: only where the gradient is not tiny it is the same.
        let worst = array.data.iter().zip(&b[name].data).map(|(x, y)| (x - y).abs());
        assert!(worst.fold(0.0, f32::max) < 1e-4, "{name}");
    }
}

fn adamw_without_clip() -> AdamW {
    AdamW::new(AdamWConfig { clip_grad_norm: None, ..AdamWConfig::default() })
}

/// papers/deiqt.md, section 7: one number, three gradients.
#[test]
fn the_worked_example_of_three_steps() {
    let config = AdamWConfig { clip_grad_norm: None, ..AdamWConfig::default() };
    let mut optim = AdamW::new(config);
    let number = |v: f32| Tensor::<1>::from_floats([v], &Device::flex());
    let mut p = number(1.0);
    for (gradient, expected) in [(0.5, 0.895), (-0.2, 0.855_964_4), (1.0, 0.782_770_8)] {
        optim.begin_step();
        p = optim.update("p", p, number(gradient), Group { lr: 0.1, decay: true });
        let found = p.clone().into_scalar::<f32>();
        assert!((found - expected).abs() < 2e-7, "{found}, not {expected}");
    }
}
