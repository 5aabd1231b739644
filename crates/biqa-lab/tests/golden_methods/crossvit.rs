//! `crossvit-*` and `llama-*`: papers/csfiqa.md, section 13.

use biqa::golden::{Case, GoldenError, Tensors};
use biqa::nn::bicubic::bicubic;
use biqa::nn::crossvit::{CrossVit, CrossVitConfig, CrossVitOutput, encoder_arrays};
use biqa::nn::llama::{LlamaBlock, LlamaConfig, RmsNorm};
use biqa::weights::load;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{Found, array, arrays, code, config, cut, filled, golden, tensor};

pub fn case(case: &Case) -> Result<(), GoldenError> {
    let found = match case.model.as_str() {
        "crossvit" => crossvit(case)?,
        "bicubic_resize" => resize(case)?,
        "llama_block" => llama(case)?,
        other => return Err(GoldenError::NotBuilt(other.to_owned())),
    };
    case.compare_all(&Tensors(found))
}

fn crossvit(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let config = config::<CrossVitConfig>(case, &[])?;
    config.check().map_err(code)?;
    let net = CrossVit::new(&config, &device);
    let net = if case.weights.is_string() {
        // IBM's names, and files with classifiers, are read too.
        let arrays = encoder_arrays(arrays(&case.weight_tensors()?));
        load(net, arrays, "the case", &case.model).map_err(code)?
    } else {
        filled(net, case, |_| true)?
    };
    Ok(outputs(net.forward(tensor(case.inputs()?.get("image")?, &device))))
}

/// Whole sequences, and the parts of them that full-size cases hold.
pub fn outputs(out: CrossVitOutput) -> Found {
    let CrossVitOutput { stages, norm } = out;
    let stages = stages.into_iter().enumerate().map(|(l, pair)| (format!("stage.{l}"), pair));
    let mut found = Found::new();
    for (name, pair) in stages.chain([("norm".to_owned(), norm)]) {
        for (branch, x) in ["small", "large"].into_iter().zip(pair) {
            let name = format!("{name}.{branch}");
            let [b, n, d] = x.dims();
            let mean = x.clone().narrow(1, 1, n - 1).mean_dim(1).reshape([b, d]);
            let class = x.clone().narrow(1, 0, 1).reshape([b, d]);
            found.insert(format!("{name}.first4"), golden(cut(x.clone(), 1, &(0..4))));
            found.insert(format!("{name}.last"), golden(x.clone().narrow(1, n - 1, 1)));
            found.insert(format!("{name}.mean"), golden(mean));
            found.insert(format!("{name}.cls"), golden(class));
            found.insert(name, golden(x));
        }
    }
    found
}

fn resize(case: &Case) -> Result<Found, GoldenError> {
    let x: Tensor<4> = tensor(case.inputs()?.get("x")?, &Device::flex());
    let (height, width) = (case.integer("height")? as usize, case.integer("width")? as usize);
    Ok(Found::from([("y".to_owned(), golden(bicubic(x, height, width)))]))
}

fn llama(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let config = LlamaConfig {
        hidden: case.integer("hidden")? as usize,
        heads: case.integer("heads")? as usize,
        ffn: case.integer("ffn")? as usize,
        rms_eps: case.number_or("rms_eps", 1e-6)?,
        rope: case.switch_or("rope", false)?,
        causal: case.switch_or("causal", false)?,
        rope_theta: case.number_or("rope_theta", 1e4)?,
    };
    config.check().map_err(code)?;
    let block = LlamaBlock::new(&config, &device);
    let block = filled(block, case, |name| name != "norm.weight")?;
    let norm = if case.switch_or("final_norm", false)? {
        let weight = array(case, "norm.weight", &[config.hidden])?;
        let empty = RmsNorm::new(config.hidden, config.rms_eps, &device);
        let arrays = [("weight".to_owned(), weight)].into();
        Some(load(empty, arrays, "the case", "norm").map_err(code)?)
    } else {
        None
    };
    let normed = |y: Tensor<3>| match &norm {
        Some(norm) => norm.forward(y),
        None => y,
    };
    let inputs = case.inputs()?;
    let x: Tensor<3> = tensor(inputs.get("x")?, &device);
    if case.kind == "grad" {
        let block = block.train();
        let x = x.autodiff().require_grad();
        let y = normed(block.forward(x.clone()));
        let grad_y = tensor::<3>(inputs.get("grad_y")?, &y.device());
        let grads = (y.clone() * grad_y).sum().backward();
        let grad = x.grad(&grads).ok_or_else(|| code("no gradient"))?;
        let mut parameters = Found::new();
        reached(&block, &grads, &mut parameters);
        if !parameters.is_empty() {
            return Err(code("a frozen parameter has a gradient"));
        }
        return Ok(Found::from([("y".to_owned(), golden(y)), ("grad.x".to_owned(), golden(grad))]));
    }
    Ok(Found::from([("y".to_owned(), golden(normed(block.forward(x))))]))
}

/// The gradients that there are, `grad.NAME`.
pub fn reached<M: Module>(net: &M, grads: &burn::tensor::Gradients, found: &mut Found) {
    use burn::module::{ModuleVisitor, Param};
    struct Visitor<'a> {
        path: biqa::weights::ParamPath,
        grads: &'a burn::tensor::Gradients,
        found: &'a mut Found,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = param.val().grad(self.grads) {
                self.found.insert(format!("grad.{}", self.path.name()), golden(grad));
            }
        }
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
    }
    net.visit(&mut Visitor { path: biqa::weights::ParamPath::default(), grads, found });
}
