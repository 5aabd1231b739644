//! A training is a function of its recipe, data and seed: the number of threads changes no bit.

mod common;
mod made;
mod smoke;

use std::fs;

use biqa_lab::train::checkpoint::Checkpoint;
use smoke::{args, place};

#[test]
fn a_run_makes_the_same_bytes_with_one_two_and_four_threads() {
    let place = place();
    let run = |threads: &str| {
        let out = format!("threads-{threads}");
        let mut line = args(&out, &[]);
        let at = line.iter().position(|arg| *arg == "-j").expect("it is there");
        line[at + 1] = threads;
        place.biqa(&line).ends(0);
        let model = fs::read(place.path(format!("{out}/best.safetensors"))).expect("a model");
        let digest = place.read(&format!("{out}/run.json"));
        let folder = place.path(format!("{out}/checkpoints"));
        let last = Checkpoint::newest(&folder, &digest, &mut |_| ()).expect("readable");
        (place.read(&format!("{out}/log.jsonl")), last.expect("one is left"), model)
    };
    let one = run("1");
    for threads in ["2", "4"] {
        let other = run(threads);
        assert_eq!(other.0, one.0, "the logs differ with {threads} threads");
        assert!(other.1 == one.1, "the last checkpoints differ with {threads} threads");
        assert!(other.2 == one.2, "the models differ with {threads} threads");
    }
}
