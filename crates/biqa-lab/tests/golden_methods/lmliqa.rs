//! `lmliqa-*`: papers/lml-iqa.md, section 11.

use biqa::golden::{Case, GoldenError, Tensor as Golden, Tensors};
use biqa::models::lmliqa::{LmlIqa, LmlIqaConfig};
use biqa::weights::{Arrays, load, visit};
use biqa_lab::losses::lmliqa::{
    Entries, box_saliency, class_map, contrast, crop_saliency, ema, momentum, mutual_saliency,
    salient,
};
use biqa_lab::methods::lmliqa::{LmlIqaMethod, LmlIqaOptions, Saliency, Views};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{Found, array, code, config, filled, flat, golden, gradients, numbers, tensor};

/// Keys of the network; all others are the training's.
const SIZES: [&str; 4] = ["encoder", "queries", "dec_heads", "proj_dim"];
const OPTIONS: [&str; 16] = [
    "variant",
    "n_crops",
    "saliency",
    "tau",
    "w_intra",
    "w_inter",
    "w_cluster",
    "mutual",
    "tau_mut",
    "mu",
    "ema_warmup",
    "reg_crops",
    "beta",
    "lambda_con",
    "lambda_mut",
    "score_with",
];

pub fn case(case: &Case) -> Result<(), GoldenError> {
    let found = match (case.model.as_str(), case.kind.as_str()) {
        ("lmliqa", "forward") => forward(case)?,
        ("lmliqa", "train_forward") => training(case, false)?,
        ("lmliqa", "grad") => training(case, true)?,
        ("lmliqa_saliency", _) => saliency(case)?,
        ("lmliqa_contrast_loss", _) => contrast_loss(case)?,
        ("lmliqa_mutual_loss", _) => mutual_loss(case)?,
        ("ema_update", _) => average(case)?,
        (other, kind) => return Err(GoldenError::NotBuilt(format!("{other} {kind}"))),
    };
    case.compare_all(&Tensors(found))
}

fn forward(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let mut sizes = config::<LmlIqaConfig>(case, &OPTIONS)?;
    // A file for scoring alone has no projection; one of a training has the teacher, too.
    let in_file = |part: &str| -> Result<bool, GoldenError> {
        let named = |name: &String| name.starts_with(part);
        Ok(case.weights.is_string() && case.weight_tensors()?.0.keys().any(named))
    };
    if case.weights.is_string() && !in_file("proj.")? {
        sizes.proj_dim = 0;
    }
    let net = LmlIqa::new(&sizes, &device);
    let by_teacher = case.config.get("score_with").is_some_and(|word| word == "teacher");
    let net = if by_teacher {
        teacher(case, net)?
    } else {
        filled(net, case, |name| !name.starts_with("teacher."))?
    };
    let out = net.forward(tensor(case.inputs()?.get("image")?, &device));
    let [n] = out.score.dims();
    let mut found = Found::from([("score".to_owned(), golden(out.score.reshape([n, 1])))]);
    if let Some(embedding) = net.embedding(out.tokens.clone()) {
        found.insert("embedding".to_owned(), golden(embedding));
    }
    found.insert("tokens".to_owned(), golden(out.tokens));
    Ok(found)
}

/// The teacher's weights stand beside the student's as `teacher.NAME`.
fn teacher(case: &Case, empty: LmlIqa) -> Result<LmlIqa, GoldenError> {
    let mut arrays = Arrays::new();
    let mut missing = None;
    visit(&empty, |name, value| match array(case, &format!("teacher.{name}"), &value.shape) {
        Ok(found) => drop(arrays.insert(name.to_owned(), found)),
        Err(error) => missing = Some(error),
    });
    match missing {
        Some(error) => Err(error),
        None => load(empty, arrays, "the case", "lmliqa").map_err(code),
    }
}

fn training(case: &Case, with_grads: bool) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let sizes: LmlIqaConfig = config(case, &OPTIONS)?;
    let options: LmlIqaOptions = config(case, &SIZES)?;
    let student = LmlIqa::new(&sizes, &device);
    let student = filled(student, case, |name| !name.starts_with("teacher."))?.train();
    let teacher = teacher(case, LmlIqa::new(&sizes, &device))?;

    let inputs = case.inputs()?;
    let crops = inputs.get("crops")?;
    let &[b, k, c, h, w] = crops.shape.as_slice() else { return Err(code("crops")) };
    let crops = Golden { shape: vec![b * k, c, h, w], data: crops.data.clone() };
    let boxes: Vec<[f32; 4]> = match inputs.get("boxes") {
        Ok(boxes) => boxes.f32s().as_chunks().0.to_vec(),
        Err(_) => Vec::new(),
    };
    let grads = Device::flex().autodiff();
    let photos: Vec<usize> = (0..b).collect();
    let views = Views {
        crops: tensor(&crops, &grads),
        boxes: &boxes,
        photos: &photos,
        whole: inputs.get("whole").ok().map(|whole| tensor(whole, &grads)),
        targets: flat(inputs.get("labels")?, &grads),
    };
    let losses =
        LmlIqaMethod::new(sizes, options).losses(&student, &teacher, views).map_err(code)?;
    let total = losses.terms(&options).total().ok_or_else(|| code("no loss"))?;
    let mut found = Found::new();
    if with_grads {
        gradients(&student, &total.backward(), &mut found);
    }
    let index = losses.salient.iter().map(|&m| m as f64);
    found.extend([
        ("score".to_owned(), golden(losses.score)),
        ("score_teacher".to_owned(), golden(losses.score_teacher)),
        ("saliency_teacher".to_owned(), golden(losses.saliency_teacher)),
        ("salient_index".to_owned(), numbers(index, &[b])),
        ("loss.reg".to_owned(), golden(losses.reg)),
        ("loss.manifold".to_owned(), golden(losses.contrast.manifold)),
        ("loss.cluster".to_owned(), golden(losses.contrast.cluster)),
        ("loss.contrast".to_owned(), golden(losses.contrast.contrast)),
        ("loss.total".to_owned(), golden(total)),
    ]);
    let mutual = losses.mutual.map_or_else(|| numbers([0.0], &[1]), golden);
    found.insert("loss.mutual".to_owned(), mutual);
    if let Some(own) = losses.saliency_student {
        found.insert("saliency_student".to_owned(), golden(own));
    }
    Ok(found)
}

/// The class token's row of a stored attention, `[n, h, tokens]`.
fn class_row(attention: Tensor<4>) -> Tensor<3> {
    attention.narrow(2, 0, 1).squeeze_dim(2)
}

fn saliency(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let inputs = case.inputs()?;
    let attention = inputs.get("attention")?;
    let how = case.config.get("saliency").cloned();
    let how: Saliency =
        how.map_or(Ok(Saliency::GlobalCls), serde_json::from_value).map_err(code)?;
    let found: Tensor<2> = if how == Saliency::GlobalCls {
        let boxes = inputs.get("boxes")?.f32s();
        let map = class_map(class_row(tensor(attention, &device)));
        box_saliency(map, boxes.as_chunks().0)
    } else {
        let &[b, k, h, n, _] = attention.shape.as_slice() else { return Err(code("attention")) };
        let flat = Golden { shape: vec![b * k, h, n, n], data: attention.data.clone() };
        crop_saliency(class_row(tensor(&flat, &device)), k)
    };
    let [b, k] = found.dims();
    let index = salient(&biqa::weights::host(&found), k).into_iter().map(|m| m as f64);
    Ok(Found::from([
        ("index".to_owned(), numbers(index, &[b])),
        ("saliency".to_owned(), golden(found)),
    ]))
}

fn contrast_loss(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let inputs = case.inputs()?;
    let student: Tensor<3> = tensor(inputs.get("student")?, &device).require_grad();
    let teacher = tensor(inputs.get("teacher")?, &Device::flex());
    let salient: Vec<usize> = inputs.get("index")?.f64s().into_iter().map(|m| m as usize).collect();
    let options: LmlIqaOptions = config(case, &SIZES)?;
    let weights = options.contrast_weights();
    let pictures: Vec<usize> = (0..salient.len()).collect();
    let entries = Entries { salient: &salient, pictures: &pictures };
    let losses = contrast(student.clone(), teacher, entries, &weights);
    let grads = losses.contrast.backward();
    let grad = student.grad(&grads).ok_or_else(|| code("no gradient"))?;
    Ok(Found::from([
        ("loss.manifold".to_owned(), golden(losses.manifold)),
        ("loss.cluster".to_owned(), golden(losses.cluster)),
        ("loss.contrast".to_owned(), golden(losses.contrast)),
        ("grad.student".to_owned(), golden(grad)),
    ]))
}

fn mutual_loss(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let inputs = case.inputs()?;
    let student: Tensor<2> = tensor(inputs.get("student")?, &device).require_grad();
    let teacher = tensor(inputs.get("teacher")?, &Device::flex());
    let loss = mutual_saliency(student.clone(), teacher, case.number_or("tau_mut", 0.5)?);
    let grad = student.grad(&loss.backward()).ok_or_else(|| code("no gradient"))?;
    Ok(Found::from([
        ("loss.mutual".to_owned(), golden(loss)),
        ("grad.student".to_owned(), golden(grad)),
    ]))
}

/// (6.3) over arrays of any name, a step after the other.
fn average(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let inputs = case.inputs()?;
    let mu = case.number("momentum").or_else(|_| case.number("mu"))?;
    let warmup = case.switch_or("ema_warmup", false)?;
    let mu = |step: u64| momentum(mu, warmup, step + 1);
    let mut found = Found::new();
    for (name, first) in &inputs.0 {
        let Some(plain) = name.strip_prefix("teacher.") else { continue };
        let mut teacher = flat(first, &device);
        for step in 0..case.integer("steps")? {
            let student = inputs.get(&format!("student.{step}.{plain}"))?;
            teacher = ema(teacher, flat(student, &device), mu(step));
        }
        let values = biqa::weights::host(&teacher).into_iter().map(f64::from);
        found.insert(name.clone(), numbers(values, &first.shape));
    }
    Ok(found)
}
