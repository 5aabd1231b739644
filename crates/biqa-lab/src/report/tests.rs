//! The report as a whole: what must hold of every page.

use std::path::{Path, PathBuf};

use super::*;
use crate::datasets::FROM_LIST;
use crate::results::{Image, Part, ProtocolName, Results, SubjectKind, made};

fn run(images: usize, repeats: usize) -> Run {
    let (results, images) = made::run(images, repeats);
    Run { folder: PathBuf::from("runs/first"), results, images }
}

/// A run whose predictions are changed, its figures with them.
fn changed(mut run: Run, change: impl Fn(usize, &mut Image)) -> Run {
    run.images.iter_mut().enumerate().for_each(|(i, image)| change(i, image));
    let images = run.images.clone();
    for repeat in &mut run.results.repeats {
        let own = images.iter().filter(|image| image.repeat == repeat.index).cloned();
        repeat.figures = made::figures(&own.collect::<Vec<_>>());
        repeat.last = None;
    }
    run
}

fn made(runs: &[Run]) -> Report {
    report(runs, &Options::default()).expect("a report")
}

/// The texts of all elements that begin with `start`, up to the next tag.
fn texts<'a>(html: &'a str, start: &str) -> Vec<&'a str> {
    html.split(start).skip(1).filter_map(|rest| rest.split('<').next()).collect()
}

#[test]
fn every_number_of_the_page_is_in_the_csv() {
    let twin = changed(run(24, 10), |i, image| image.prediction += (i as f64).sin() * 0.1);
    let report = made(&[run(24, 10), twin]);
    let csv = report.csv();
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let listed: Vec<(String, f64)> = rows
        .records()
        .map(|row| row.expect("a row"))
        .map(|row| (row[5].to_owned(), row[4].parse().expect("a number")))
        .collect();
    let html = report.html();
    let shown = texts(&html, "<td class=\"n\">");
    assert!(shown.len() > 200, "{}", shown.len());
    for text in shown {
        let text = text.replace("&lt;", "<");
        let plain = text.replace('\u{2212}', "-").replace('+', "");
        let found = listed.iter().find(|(shown, _)| *shown == text);
        let (_, value) = found.unwrap_or_else(|| panic!("{text} is not in the CSV"));
        if let Ok(rounded) = plain.parse::<f64>() {
            let digits = plain.split('.').nth(1).map_or(0, str::len) as i32;
            assert!((rounded - value).abs() <= 0.5001 * 10_f64.powi(-digits), "{text}: {value}");
        }
    }
}

#[test]
fn the_markdown_has_every_cell_of_the_page() {
    let report = made(&[run(24, 2)]);
    let (html, markdown) = (report.html(), report.markdown("report.html"));
    for text in texts(&html, "<td class=\"n\">") {
        assert!(markdown.contains(text), "{text}");
    }
    assert!(markdown.contains("[report.html](report.html)"));
    assert!(markdown.contains("a \\<small> recipe"));
}

#[test]
fn a_split_of_somebodys_list_is_not_called_official() {
    let mut own = run(24, 2);
    own.results.protocol.name = ProtocolName::Official;
    own.results.protocol.split = "official".to_owned();
    let markdown = |run: &Run| made(std::slice::from_ref(run)).markdown("report.html");
    assert!(
        markdown(&own).contains("official split") && markdown(&own).contains("Split: official")
    );
    own.results.dataset.warnings = vec![format!("scores, {FROM_LIST}mine.csv; and so on")];
    let listed = markdown(&own);
    assert!(!listed.contains("official"), "{listed}");
    assert!(listed.contains("Split: of the list given as content, seed"), "{listed}");
}

#[test]
fn the_page_loads_nothing_and_shows_names_as_text() {
    let html = made(&[run(24, 2)]).html();
    for word in ["http:", "https:", "<script", "url(", "@import", "<small> recipe", " src=\"/"] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("a &lt;small&gt; recipe"));
    for element in ["section", "table", "svg", "figure", "details", "div", "ul", "dl", "p"] {
        let opened = html.matches(&format!("<{element}>")).count()
            + html.matches(&format!("<{element} ")).count();
        assert_eq!(opened, html.matches(&format!("</{element}>")).count(), "{element}");
    }
}

#[test]
fn ids_are_unique_and_labels_lead_to_them() {
    let html = made(&[run(24, 2), changed(run(24, 2), |_, image| image.prediction *= 2.0)]).html();
    let quoted = |start: &str| -> Vec<String> {
        html.split(start).skip(1).filter_map(|r| r.split('"').next()).map(str::to_owned).collect()
    };
    let ids = quoted(" id=\"");
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    for label in quoted("aria-labelledby=\"") {
        for id in label.split(' ') {
            assert!(unique.contains(&id.to_owned()), "{id}");
        }
    }
}

#[test]
fn nothing_one_image_and_equal_values_can_be_drawn() {
    let constant = |images: usize| changed(run(images, 1), |_, image| image.prediction = 0.5);
    let equal = changed(run(9, 1), |_, image| image.score = 3.0);
    let huge = changed(run(9, 1), |i, image| image.prediction = 1e200 * i as f64);
    for run in [run(1, 1), run(2, 1), run(4, 3), constant(1), constant(30), equal, huge] {
        let report = made(std::slice::from_ref(&run));
        for text in [report.html(), report.markdown("x.html"), report.csv(), report.json()] {
            for word in ["NaN", "inf\"", "inf ", ">inf", "\u{2212}0.0000<"] {
                assert!(!text.contains(word), "{word} for {} images", run.images.len());
            }
        }
    }
    let mut none = run(4, 1);
    none.images.clear();
    none.results.repeats[0].images = 0;
    none.results.repeats[0].figures = crate::results::Figures::default();
    assert!(made(&[none]).html().contains("undefined"));
}

#[test]
fn ten_thousand_images_stay_a_small_plot() {
    let html = made(&[run(10_000, 1)]).html();
    assert!(html.len() < 200_000, "{} bytes", html.len());
}

#[test]
fn an_epoch_chosen_on_the_test_part_is_said_in_words() {
    let mut honest = run(24, 2);
    assert!(made(&[honest.clone()]).html().contains("epoch chosen on the test part"));
    honest.results.protocol.selected_on = Some(Part::Val);
    let html = made(&[honest]).html();
    assert!(!html.contains("epoch chosen on the test part"));
    assert!(html.contains("epoch chosen on the validation part"));
}

#[test]
fn a_subset_is_not_compared_with_published_figures() {
    let mut subset = run(24, 2);
    assert!(made(&[subset.clone()]).html().contains("reported: "));
    subset.results.dataset.subset = true;
    let html = made(&[subset]).html();
    assert!(!html.contains("reported: "));
    assert!(html.contains("a subset is never compared with published figures"));
}

#[test]
fn changed_figures_are_noticed() {
    let mut run = run(24, 2);
    assert!(!made(&[run.clone()]).html().contains("was changed"));
    run.results.repeats[1].figures.srcc.value = Some(0.999);
    let html = made(&[run]).html();
    assert!(html.contains("repeat 1: results.json gives SRCC 0.999000, the predictions give"));
}

#[test]
fn an_interval_with_many_undefined_resamples_is_not_printed() {
    let mut run = run(24, 1);
    let low = |run: &Run| {
        let low = run.results.repeats[0].figures.srcc.interval.expect("an interval").low;
        document::fixed(low, 4)
    };
    assert!(made(&[run.clone()]).html().contains(&format!("<small>{} to", low(&run))));
    if let Some(interval) = &mut run.results.repeats[0].figures.srcc.interval {
        interval.undefined = 101; // of 2000
    }
    let html = made(&[run.clone()]).html();
    assert!(!html.contains(&format!("<small>{} to", low(&run))));
    assert!(html.contains("no interval: undefined on 5 % of the resamples"));
}

#[test]
fn a_wrong_direction_is_told_beside_the_fit() {
    let wrong = changed(run(24, 1), |_, image| image.prediction = -image.prediction);
    let html = made(&[wrong]).html();
    assert!(html.contains("the predictions run against the labels"));
}

#[test]
fn pictures_that_are_gone_are_said_and_no_place_of_this_machine_is_told() {
    let mut gone = run(6, 1);
    assert!(made(&[gone.clone()]).html().contains("does not say where the pictures are"));
    gone.results.dataset.root = Some(Path::new("/secret/place").to_owned());
    let report = made(&[gone]);
    assert!(report.html().contains("no picture: no such file"));
    for text in [report.html(), report.markdown("x.html"), report.csv(), report.json()] {
        assert!(!text.contains("secret"));
    }
}

#[test]
fn runs_are_compared_only_on_the_same_images() {
    let list = |results: &mut Results, name: &str| {
        results.subject.kind = SubjectKind::Scores;
        name.clone_into(&mut results.subject.name);
    };
    let first = run(24, 1);
    let mut second = changed(first.clone(), |i, image| image.prediction += (i % 5) as f64 * 0.1);
    list(&mut second.results, "second.csv");
    let html = made(&[first.clone(), second.clone()]).html();
    assert!(html.contains("a &lt;small&gt; recipe less second.csv"));
    assert!(html.contains("p, paired bootstrap"));
    second.images[3].path = "another.png".to_owned();
    let html = made(&[first, second]).html();
    assert!(html.contains("not measured on the same images"));
    let few = run(24, 3);
    let mut other = changed(few.clone(), |_, image| image.prediction += 1.0);
    list(&mut other.results, "other.csv");
    assert!(made(&[few, other]).html().contains("3 splits are too few; 10 are needed"));
}

/// papers/protocol.md, section 2: one split, over training seeds.
#[test]
fn several_seeds_on_the_same_images_are_compared_by_their_means() {
    let same_labels = |repeats: usize, shift: f64| {
        changed(run(24, repeats), |i, image| {
            image.score = 1.0 + 4.0 * ((i % 24) as f64 * 0.618).fract();
            image.prediction += ((i * i) as f64).sin() * shift;
        })
    };
    let (mut first, mut second) = (same_labels(3, 0.1), same_labels(2, 0.4));
    for repeat in first.results.repeats.iter_mut().chain(&mut second.results.repeats) {
        repeat.lists_digest = Some("5d".repeat(32));
    }
    "worse".clone_into(&mut second.results.subject.name);
    let report = made(&[first.clone(), second.clone()]);
    let text = report.markdown("report.html");
    assert!(!text.contains("not measured on the same images"), "{text}");
    assert!(
        text.contains("Trainings by several seeds") && text.contains("Difference in mean SRCC")
    );
    for words in ["test part, 24 images, 3 training seeds", "Every training seed", "| Seed |"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(!text.contains("24 images in"), "{text}");
    for words in ["\n| 7 | ", "\n| 9 | ", " of seed "] {
        assert!(text.contains(words), "seeds are 7 to 9: {words:?} is not in {text}");
    }
    let mean = |run: &Run| {
        let all = run.results.repeats.iter().map(|r| r.figures.srcc.value.expect("defined"));
        all.sum::<f64>() / run.results.repeats.len() as f64
    };
    let difference = mean(&first) - mean(&second);
    let sign = if difference < 0.0 { '\u{2212}' } else { '+' };
    let difference = format!("{sign}{:.4}", difference.abs());
    assert!(text.contains(&difference), "{difference} is not in {text}");
    // One seed each is what it was.
    let text = made(&[same_labels(1, 0.1), same_labels(1, 0.4)]).markdown("report.html");
    assert!(text.contains("Steiger") && !text.contains("several seeds"));
}

#[test]
fn two_lists_of_ones_own_are_two_sets() {
    let own = |digest: &str| {
        let mut run = run(24, 1);
        "csv".clone_into(&mut run.results.dataset.key);
        run.results.dataset.digest = digest.repeat(32);
        run
    };
    let sets = |runs: &[Run]| made(runs).html().matches("<section id=\"set-").count();
    assert_eq!((sets(&[own("a1"), own("a1")]), sets(&[own("a1"), own("b2")])), (1, 2));
}

#[test]
fn one_model_on_two_sets_is_compared_by_fishers_z() {
    let mut other = changed(run(40, 1), |i, image| image.prediction += (i as f64 * 1.7).sin());
    other.results.dataset.key = "other".to_owned();
    other.results.dataset.name = "Other".to_owned();
    let first = run(24, 1);
    let text = made(&[first.clone(), other.clone()]).markdown("report.html");
    assert!(text.contains("The same model on different sets"), "{text}");
    let r = [&first, &other].map(|run| run.results.repeats[0].figures.srcc.value.expect("defined"));
    let z = crate::stats::independent(crate::stats::Coefficient::Spearman, r, [24, 40]);
    let z = format!("{:.3}", z.expect("enough images").statistic.abs());
    assert!(text.contains(&z), "{z} is not in {text}");
    // Another model, or the same set, is no such pair.
    let mut stranger = other.clone();
    stranger.results.subject.name = "another".to_owned();
    for runs in [[first.clone(), stranger], [first.clone(), first]] {
        assert!(!made(&runs).markdown("report.html").contains("different sets"));
    }
}
