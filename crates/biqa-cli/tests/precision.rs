//! Training in mixed precision and on a device that was asked for.

mod common;
mod kills;
mod made;
mod smoke;

use std::fs;
use std::path::{Path, PathBuf};

use biqa_lab::train::checkpoint::Checkpoint;
use common::Place;
use kills::Training;

const STEPS: usize = 12;

fn recipe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/deiqt-smoke.toml")
}

fn place() -> Place {
    let place = smoke::bright_place();
    place.file("deiqt.toml", fs::read_to_string(recipe()).expect("a recipe"));
    place
}

fn args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "deiqt.toml", "--data", "labels.csv", "--seed", "3", "-j", "2"];
    args.extend(["--checkpoint-steps", "1", "--out", out]);
    args.extend(more);
    args
}

fn half<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [args(out, &["--set", "train.precision=bf16"]), more.to_vec()].concat()
}

#[test]
fn a_training_in_half_precision_learns_keeps_single_weights_and_survives_kills() {
    let place = place();
    place.biqa(&args("single", &[])).ends(0);
    let run = place.biqa(&half("half", &[])).ends(0);
    assert!(run.stderr.contains("to choose on; trains on cpu, products in bf16"), "{}", run.stderr);
    let [single, rounded] = ["single", "half"].map(|out| place.read(&format!("{out}/log.jsonl")));
    assert_eq!(rounded.lines().count(), STEPS);
    assert_ne!(single, rounded, "nothing was rounded");

    let weights = "half/best.safetensors";
    let rows = place.biqa(&["score", "00.ppm", "11.ppm", "-w", weights]).ends(0).rows();
    let scores: Vec<f64> = rows.iter().filter_map(|row| row["score"].as_f64()).collect();
    // The first is the darkest, the second the brightest.
    assert!(0.0 <= scores[0] && scores[0] < scores[1] && scores[1] <= 100.0, "{scores:?}");

    let digest = place.read("half/run.json");
    let folder = place.path("half/checkpoints");
    let left = Checkpoint::newest(&folder, &digest, &mut |_| ()).expect("readable").expect("one");
    // A number of bfloat16 has zeros in its lower half.
    let fine = |value: &f32| value.to_bits() & 0xFFFF != 0;
    for (what, arrays) in [("weights", &left.weights), ("moments", &left.optimizer)] {
        for (name, array) in arrays {
            let all = array.data.len();
            let fine = array.data.iter().filter(|v| fine(v)).count();
            assert!(2 * fine > all, "{what} {name}: {fine} of {all} are finer than bfloat16");
        }
    }
    let (made, end) = kills::MODEL;
    let (lines, steps) = (STEPS, STEPS);
    let (out, whole) = ("half-killed", "half");
    Training { place: &place, args: half, steps, lines, made, end, steps_of_stage: 12, out, whole }
        .survives();
}

#[test]
fn a_run_in_one_precision_is_not_gone_on_with_in_the_other() {
    let place = place();
    place.biqa(&args("run", &[])).ends(0);
    let text = smoke::refused(place.biqa(&half("run", &["--resume"])));
    assert!(text.contains("holds a run with another recipe"), "{text}");
}

#[test]
fn a_device_that_is_not_there_is_an_error_before_anything_is_read() {
    let place = place();
    place.file("pre.toml", "not looked at");
    let said = [
        args("none", &["--device", "cuda:9999"]),
        vec!["pretrain", "pre.toml", "--images", "none", "--device", "cuda:9999"],
        vec!["protocol", "deiqt.toml", "--dataset", "csv", "--root", ".", "--device", "cuda:9999"],
        vec!["bench", "train", "deiqt.toml", "--device", "cuda:9999"],
    ]
    .map(|line| smoke::refused(place.biqa(&line)));
    let expected = if cfg!(feature = "cuda") {
        "error: --device cuda:9999: no CUDA device 9999: the machine has "
    } else {
        "error: --device cuda:9999: this biqa was built without CUDA: cargo build --release \
         --features cuda, or take --device cpu"
    };
    for text in said {
        assert!(text.starts_with(expected), "{text}");
    }
    assert!(!place.exists("none"), "a folder was made");
    let run = place.biqa(&args("none", &["--device", "gpu"])).ends(2);
    let words = "expected cpu, cuda or cuda:N such as cuda:1, found \"gpu\"";
    assert!(run.stderr.contains(words), "{}", run.stderr);
}

#[test]
fn the_bench_times_steps_of_every_method_in_both_precisions() {
    let place = Place::new();
    for method in ["deiqt", "csiqa", "lmliqa", "csfiqa", "glintiqa", "qpt"] {
        let path = recipe().with_file_name(format!("{method}-smoke.toml"));
        place.file(format!("{method}.toml"), fs::read_to_string(path).expect("a recipe"));
        for precision in ["train.precision=f32", "train.precision=bf16"] {
            let file = format!("{method}.toml");
            let line = ["bench", "train", &file, "--set", precision, "--steps", "2", "--warmup"];
            let run = place.biqa(&[&line[..], &["1", "-j", "1"]].concat()).ends(0);
            let words = format!("on cpu, products in {}, 2 steps after 1", &precision[16..]);
            assert!(run.stderr.contains(&words), "{}", run.stderr);
            let number = |row: &str| -> f64 {
                let line = run.stdout.lines().find_map(|line| line.strip_prefix(row));
                let word = line.and_then(|line| line.split_whitespace().next());
                word.and_then(|word| word.parse().ok())
                    .unwrap_or_else(|| panic!("{row:?} is not in {}", run.stdout))
            };
            let (crops, step, rate) =
                (number("crops of a step"), number("step, median"), number("crops/s"));
            assert!(crops >= 3.0 && step > 0.0, "{}", run.stdout);
            // Both are printed to one decimal place.
            assert!((rate * step / 1e3 / crops - 1.0).abs() < 0.05, "{}", run.stdout);
            if cfg!(target_os = "linux") {
                assert!(number("process memory") > 1.0);
            }
        }
    }
    let refused = smoke::refused(place.biqa(&["bench", "train", "none.toml"]));
    assert!(refused.contains("none.toml"), "{refused}");
}
