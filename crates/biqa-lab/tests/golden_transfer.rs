//! Every `golden/saqt-*` case: matches, inherited scores, the choice of sources, the label rows.

use std::collections::BTreeMap;

use biqa::golden::{self, Case, Data, GoldenError, Tensor, Tensors};
use biqa_lab::transfer::Scores;
use biqa_lab::transfer::nearest::{Match, NORMALIZE_EPS, nearest, normalised, rounded};
use biqa_lab::transfer::rows::{file_of, folder_of, label_rows};
use biqa_lab::transfer::scores::inherited;
use biqa_lab::transfer::select::{Wish, select};

#[test]
fn golden_every_transfer_case_is_within_its_tolerance() {
    let summary = golden::run(&["saqt-"], &[], |case| {
        let found = match case.model.as_str() {
            "saqt_match" => matches(case)?,
            "saqt_select" => selection(case)?,
            "saqt_label_rows" => rows(case)?,
            other => return Err(GoldenError::NotBuilt(other.to_owned())),
        };
        case.compare_all(&found)
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 4, "the repository's own copy holds 4 cases");
}

fn tensors<const N: usize>(values: [(&str, Tensor); N]) -> Tensors {
    Tensors(BTreeMap::from(values.map(|(name, tensor)| (name.to_owned(), tensor))))
}

fn floats(rows: usize, values: Vec<f64>) -> Tensor {
    Tensor { shape: vec![rows, values.len() / rows], data: Data::F64(values) }
}

fn integers(shape: Vec<usize>, values: impl Iterator<Item = usize>) -> Tensor {
    Tensor { shape, data: Data::I64(values.map(|v| v as i64).collect()) }
}

fn matches(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let eps = case.number_or("normalize_eps", NORMALIZE_EPS)?;
    let features = |name: &str| -> Result<Vec<Vec<f32>>, GoldenError> {
        let tensor = inputs.get(name)?;
        Ok(tensor.f32s().chunks(tensor.shape[1]).map(|f| normalised(f, eps)).collect())
    };
    let (sources, mut references) = (features("source")?, features("reference")?);
    if let Ok(decimals) = case.integer("reference_decimals") {
        references = references.iter().map(|f| rounded(f, decimals as usize)).collect();
    }
    let dmos = inputs.get("dmos")?;
    let [r, types, levels] = dmos.shape[..] else {
        return Err(GoldenError::Code("dmos has three sides".to_owned()));
    };
    let names = (0..r).map(|i| format!("I{i:02}.png")).collect();
    let scores = Scores::new(names, [types, levels], dmos.f64s())
        .ok_or_else(|| GoldenError::Code("a table with holes".to_owned()))?;

    let rank = case.number_or("rank", 1.0)? as usize;
    let k = case.number_or("top_k", rank as f64)? as usize;
    let scale = [case.number_or("score_min", 0.0)?, case.number_or("score_max", 9.0)?];
    let found: Vec<Vec<Match>> = sources.iter().map(|s| nearest(s, &references, k)).collect();
    let all = || found.iter().flatten();
    let extremes = scores.extremes(|_| true);
    let of_source = |matches: &Vec<Match>| -> Vec<f64> {
        let reference = matches[rank - 1].reference;
        label_rows(1, types, levels)
            .map(|row| inherited(scores.get(reference, row.kind, row.level), extremes, scale))
            .collect()
    };
    let n = found.len();
    Ok(tensors([
        ("index", integers(vec![n, k], all().map(|m| m.reference))),
        ("cosine", floats(n, all().map(|m| m.cosine).collect())),
        ("distance", floats(n, all().map(Match::distance).collect())),
        ("scores", floats(n, found.iter().flat_map(of_source).collect())),
    ]))
}

fn selection(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let similarity = |set: &str| Ok(inputs.get(&format!("similarity.{set}"))?.f64s());
    let counts = &case.config["counts"];
    // In this order: the file's is that of its keys.
    let sets = ["tid2013", "csiq", "pipal"].into_iter().filter(|&set| counts.get(set).is_some());
    let sets: Vec<&str> = sets.collect();
    if counts.as_object().is_some_and(|all| all.len() != sets.len()) {
        return Err(GoldenError::Code(format!("sets of another name in {counts}")));
    }
    let columns = sets.iter().map(|set| similarity(set));
    let columns = columns.collect::<Result<Vec<_>, GoldenError>>()?;
    let wishes: Vec<Wish<'_>> = sets
        .iter()
        .zip(&columns)
        .map(|(set, column)| Wish {
            similarity: column,
            count: counts[*set].as_u64().unwrap_or_default() as usize,
        })
        .collect();
    let fill = similarity("kadid-10k")?;
    let numbers = inputs.get("name_number")?.f64s();
    let names: Vec<String> = numbers.iter().map(|n| format!("k{n:03}")).collect();
    let total = case.number_or("total", 50_000.0)? as usize;
    let chosen = |names| {
        let found = select(&wishes, &fill, total, names);
        integers(vec![found.len()], found.into_iter())
    };
    Ok(tensors([("selected", chosen(None)), ("selected_legacy", chosen(Some(&names)))]))
}

fn rows(case: &Case) -> Result<Tensors, GoldenError> {
    let [sources, types, levels, batch] =
        ["sources", "types", "levels", "batch_size"].map(|key| case.integer(key));
    let batch = batch? as usize;
    let rows: Vec<[usize; 5]> = label_rows(sources? as usize, types? as usize, levels? as usize)
        .map(|row| {
            let (folder, file) = (folder_of(row.source, batch), file_of(row.source, batch));
            [folder, file, row.source, row.kind, row.level]
        })
        .collect();
    Ok(tensors([("rows", integers(vec![rows.len(), 5], rows.into_iter().flatten()))]))
}
