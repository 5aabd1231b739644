//! Help, completions and man pages: their texts are promises, kept by snapshots.

mod common;

use biqa::models::registry;
use common::Place;
use insta::assert_snapshot;

fn help(args: &[&str]) -> String {
    Place::new().biqa(args).ends(0).stdout
}

#[test]
fn the_short_help_of_biqa() {
    assert_snapshot!(help(&["-h"]));
}

#[test]
fn the_long_help_of_biqa() {
    assert_snapshot!(help(&["--help"]));
}

#[test]
fn the_short_help_of_score_fits_a_screen() {
    let text = help(&["score", "-h"]);
    assert!(text.lines().count() <= 50, "{} lines", text.lines().count());
    assert_snapshot!(text);
}

#[test]
fn the_long_help_of_score() {
    assert_snapshot!(help(&["score", "--help"]));
}

#[test]
fn the_long_help_of_models() {
    assert_snapshot!(help(&["models", "--help"]));
}

#[test]
fn the_long_help_of_train() {
    assert_snapshot!(help(&["train", "--help"]));
}

#[test]
fn the_long_help_of_pretrain() {
    assert_snapshot!(help(&["pretrain", "--help"]));
}

#[test]
fn the_long_help_of_evaluate() {
    assert_snapshot!(help(&["evaluate", "--help"]));
}

#[test]
fn the_long_help_of_report() {
    assert_snapshot!(help(&["report", "--help"]));
}

#[test]
fn the_long_help_of_bench_score() {
    assert_snapshot!(help(&["bench", "score", "--help"]));
}

#[test]
fn the_long_help_of_bench_degrade() {
    assert_snapshot!(help(&["bench", "degrade", "--help"]));
}

#[test]
fn the_long_help_of_bench_train() {
    assert_snapshot!(help(&["bench", "train", "--help"]));
}

#[test]
fn the_long_help_of_transfer() {
    assert_snapshot!(help(&["transfer", "--help"]));
}

#[test]
fn the_long_help_of_protocol() {
    assert_snapshot!(help(&["protocol", "--help"]));
}

#[test]
fn the_long_help_of_data_and_its_commands() {
    let texts = [&["data", "--help"][..], &["data", "check", "--help"]];
    let more = [&["data", "manifest", "--help"][..], &["data", "split", "--help"]];
    let last = ["data", "duplicates", "--help"];
    let texts = texts.into_iter().chain(more).chain([&last[..]]);
    assert_snapshot!(texts.map(help).collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_long_help_of_degrade() {
    assert_snapshot!(help(&["degrade", "--help"]));
}

#[test]
fn the_long_help_of_completions() {
    assert_snapshot!(help(&["completions", "--help"]));
}

#[test]
fn the_long_help_of_man() {
    assert_snapshot!(help(&["man", "--help"]));
}

#[test]
fn no_line_of_help_is_wider_than_80_columns() {
    for command in
        ["score", "models", "train", "evaluate", "protocol", "data", "completions", "man"]
    {
        for flag in ["-h", "--help"] {
            for line in help(&[command, flag]).lines() {
                assert!(line.chars().count() <= 80, "{command} {flag}: {line}");
            }
        }
    }
}

#[test]
fn every_shell_gets_completions_that_know_the_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = help(&["completions", shell]);
        for flag in ["fail-under", "image-root", "papers"] {
            assert!(script.contains(flag), "{shell} does not know --{flag}");
        }
    }
}

#[test]
fn the_man_page_names_every_command() {
    let page = help(&["man"]);
    for command in ["score", "models", "train", "evaluate", "protocol", "data", "completions"] {
        assert!(page.contains(command), "{command}");
    }
}

#[test]
fn a_folder_gets_a_man_page_for_each_command() {
    let place = Place::new();
    place.biqa(&["man", "--out", "."]).ends(0);
    assert!(place.read("biqa.1").contains("biqa"));
    assert!(place.read("biqa-score.1").contains("fail\\-under"));
    assert!(place.exists("biqa-train.1"));
}

#[test]
fn without_a_command_the_help_is_shown_and_nothing_is_done() {
    let run = Place::new().biqa(&[]).ends(2);
    assert!(run.stderr.contains("Usage: biqa <COMMAND>"));
    assert_eq!(run.stdout, "");
}

#[test]
fn models_are_listed_and_have_cards() {
    let place = Place::new();
    assert!(place.biqa(&["models"]).ends(0).stdout.contains("lite"));
    let card = place.biqa(&["models", "lite"]).ends(0).stdout;
    assert!(card.starts_with("name          lite "), "{card}");
    let json = place.biqa(&["models", "lite", "--json"]).ends(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["name"], "lite");
    assert_eq!(json["weights_digest"].as_str().map(str::len), Some(64));
    for line in place.biqa(&["models", "--json"]).ends(0).stdout.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(entry["name"].is_string());
    }
}

#[test]
fn every_method_of_a_paper_says_what_is_stated_read_inferred_and_ours() {
    let place = Place::new();
    let all = place.biqa(&["models", "--papers"]).ends(0).stdout;
    for entry in registry() {
        let head = format!("{}: {}\n{}\n", entry.name, entry.title, entry.paper);
        let alone = place.biqa(&["models", entry.name, "--papers"]).ends(0).stdout;
        assert!(alone.starts_with(&head) && all.contains(&head), "{}: {alone}", entry.name);
        // A backbone is a part of methods, and the default model is no paper's.
        if !entry.scores || entry.name == "lite" {
            assert_eq!(alone, head);
            continue;
        }
        let kinds = ["\nA reproduction", "\nA reconstruction"];
        assert!(kinds.iter().any(|kind| alone.contains(kind)), "{}: neither kind", entry.name);
        for part in ["Stated\n- ", "Read from code", "Inferred\n- ", "Our choice\n- ", "Nowhere"] {
            assert!(alone.contains(part), "{}: no {part:?}", entry.name);
        }
        assert!(alone.lines().any(|line| line.starts_with('@')), "{}: no BibTeX", entry.name);
    }
}

#[test]
fn papers_of_an_unknown_model_or_of_a_file_are_refused() {
    let place = Place::new();
    let run = place.biqa(&["models", "deiqtt", "--papers"]).ends(2);
    assert!(run.stderr.contains("deiqtt") && run.stderr.contains("deiqt,"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    for other in [&["--json"][..], &["--weights", "a.safetensors"]] {
        let run = place.biqa(&[&["models", "--papers"][..], other].concat()).ends(2);
        assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
}
