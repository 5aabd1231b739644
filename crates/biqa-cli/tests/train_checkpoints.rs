//! Checkpoints as files: read back to the bit, and never taken for whole where they are not.

mod common;
mod made;
mod smoke;

use biqa::weights::Arrays;
use biqa_lab::train::checkpoint::{Checkpoint, State, Validation};
use smoke::{damage, names};

fn state(step: u64) -> State {
    serde_json::from_value(serde_json::json!({
        "stage": 0, "step": step, "optimizer_steps": 1, "ema_steps": 0, "history": [],
        "log_bytes": 0, "run_digest": "made",
    }))
    .expect("a state")
}

fn checkpoint(step: u64, weights: Arrays) -> Checkpoint {
    let none = Arrays::new;
    let [ema, optimizer, best, method] = [none(), none(), none(), none()];
    Checkpoint { state: state(step), weights, ema, optimizer, best, method }
}

/// An average on constant predictions is no number; the checkpoint must be readable all the same.
#[test]
fn a_checkpoint_with_an_undefined_correlation_is_read_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let none = Validation { stage: 0, step: 1, srcc: f64::NEG_INFINITY, plcc: f64::NEG_INFINITY };
    let state = State { history: vec![none], ..state(1) };
    let checkpoint = Checkpoint { state, ..checkpoint(1, made::lite_arrays()) };
    checkpoint.write(folder.path()).expect("written");
    let found =
        Checkpoint::newest(folder.path(), "made", &mut |_| ()).expect("readable").expect("whole");
    assert!(found == checkpoint, "{:?}", found.state);
}

#[test]
fn a_checkpoint_with_one_changed_number_gives_way_to_the_one_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |step: u64| checkpoint(step, made::lite_arrays());
    at(1).write(folder.path()).expect("written");
    at(2).write(folder.path()).expect("written");
    damage(&folder.path().join("step-00-000000002"), "weights.safetensors");
    let found = Checkpoint::newest(folder.path(), "made", &mut |_| ()).expect("readable");
    assert!(found == Some(at(1)), "the damage was not seen");
}

/// A run that starts anew, because all it had is damaged, keeps the checkpoints that it writes.
#[test]
fn damaged_checkpoints_that_lie_ahead_do_not_push_out_new_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |step: u64| checkpoint(step, Arrays::new());
    for step in [8, 9] {
        at(step).write(folder.path()).expect("written");
        damage(&folder.path().join(format!("step-00-{step:09}")), "state.json");
    }
    for step in [1, 2] {
        at(step).write(folder.path()).expect("written");
        let found = Checkpoint::newest(folder.path(), "made", &mut |_| ()).expect("readable");
        assert_eq!(found.map(|c| c.state.step), Some(step));
    }
    assert_eq!(names(folder.path()), ["step-00-000000001", "step-00-000000002"]);
}
