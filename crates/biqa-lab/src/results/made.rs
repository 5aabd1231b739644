//! A small run for tests: noisy predictions, three kinds, four levels, every field filled.

use super::*;
use crate::stats;

/// `images` images of a quarter as many contents, in each of `repeats` repeats.
pub fn run(images: usize, repeats: usize) -> (Results, Vec<Image>) {
    let results = Results {
        version: VERSION,
        biqa: "0.0.0".to_owned(),
        dataset: Dataset {
            key: "kadid10k".to_owned(),
            name: "KADID-10k".to_owned(),
            label_form: "MOS".to_owned(),
            direction: Direction::Mos,
            range: [1.0, 5.0],
            digest: "d1".repeat(32),
            images: 2 * images,
            contents: images.div_ceil(2),
            references: true,
            subset: false,
            warnings: vec!["2 of 24 labelled images have no file".to_owned()],
            root: None,
        },
        subject: Subject {
            kind: SubjectKind::Recipe,
            name: "a <small> recipe".to_owned(),
            digest: None,
            recipe_digest: Some("ab".repeat(32)),
        },
        protocol: Protocol {
            name: ProtocolName::Published,
            part: Part::Test,
            split: "biqa".to_owned(),
            seed: 0,
            selected_on: Some(Part::Test),
            select_by: Some("plcc".to_owned()),
            summary: "median".to_owned(),
            trained_on: None,
            train_on: None,
            fraction: None,
            fraction_of: None,
            switches: Vec::new(),
        },
        repeats: (0..repeats).map(|index| repeat(index, images)).collect(),
        notes: Vec::new(),
    };
    (results, (0..repeats).flat_map(|r| all(r, images)).collect())
}

fn all(repeat: usize, images: usize) -> Vec<Image> {
    (0..images).map(|i| image(repeat, i)).collect()
}

fn repeat(index: usize, images: usize) -> Repeat {
    let epoch = |k: usize| Epoch {
        step: 10 * (k as u64 + 1),
        loss: Some(1.0 / (k + 1) as f64),
        val_srcc: None,
        val_plcc: None,
        test_srcc: Some(0.5 + 0.1 * k as f64),
        test_plcc: Some(0.55 + 0.1 * k as f64),
    };
    let images = all(index, images);
    let last: Vec<Image> = images
        .iter()
        .map(|image| Image { prediction: image.last.expect("it is filled"), ..image.clone() })
        .collect();
    Repeat {
        index,
        seed: Some(7 + index as u64),
        lists_digest: Some(format!("{index:02}").repeat(32)),
        weights_digest: None,
        images: images.len(),
        groups: images.len().div_ceil(4),
        crops: Some(10),
        trained: Some([images.len(), 0]),
        kept: Some(Kept { epoch: 2, of: 3, value: Some(0.65) }),
        figures: figures(&images),
        last: Some(figures(&last)),
        epochs: (0..3).map(epoch).collect(),
        log: None,
        seconds: Some(61.5),
    }
}

/// The figures of images, with intervals made up.
pub fn figures(images: &[Image]) -> Figures {
    let x: Vec<f64> = images.iter().map(|image| image.prediction).collect();
    let y: Vec<f64> = images.iter().map(|image| image.score).collect();
    let interval = |value: f64| Interval {
        low: value - 0.0625,
        high: value + 0.03125,
        method: Method::Clustered,
        level: 0.95,
        rows: 2000,
        undefined: 0,
        units: 3,
    };
    let figure = |value: Result<Option<f64>, stats::StatsError>| {
        let value = value.expect("finite values");
        Figure { value, interval: value.map(interval) }
    };
    let fit = stats::fit_logistic(stats::Curve::Logistic4, &x, &y).ok();
    let fit = fit.map(|fit| Fit {
        status: fit.status.code(),
        beta: fit.beta,
        converged: fit.converged,
        monotone: fit.monotone,
        plcc: fit.plcc,
        rmse: fit.rmse,
    });
    Figures {
        srcc: figure(stats::srcc(&x, &y)),
        plcc: figure(stats::plcc(&x, &y)),
        krcc: stats::krcc(&x, &y).expect("finite values").value,
        mae: None,
        logistic4: fit,
        logistic5: None,
    }
}

fn image(repeat: usize, i: usize) -> Image {
    let x = (i as f64 * 0.618 + repeat as f64 * 0.1).fract();
    let noise = (i as f64 * 7.31 + repeat as f64).sin() * 0.35;
    Image {
        path: format!("images/I{:02}_{i:02}.png", i / 4),
        score: 1.0 + 4.0 * x,
        prediction: (x + noise * 0.3).clamp(0.0, 1.0),
        split: Part::Test,
        repeat,
        content: format!("I{:02}", i / 4),
        kind: ["blur", "jpeg", "noise"][i % 3].to_owned(),
        level: Some((i % 4) as u32 + 1),
        last: Some(x),
    }
}
