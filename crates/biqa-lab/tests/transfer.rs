//! Label transfer with the real weights of MobileNetV2 and the real table of KADID-10k, on a few
//! photos: both lie outside the repository, and without them these tests say so and pass.

use std::path::{Path, PathBuf};

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::resize::{Filter, crop, resize};
use biqa_lab::copies::write_png;
use biqa_lab::datasets::{self, Options};
use biqa_lab::transfer::{
    Backbone, OtherSet, Progress, Range, Scores, Settings, Sources, Training, transfer,
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of `../shared/data`, or a loud word that it is missing.
fn shared(name: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/data").join(name);
    let there = path.is_file();
    if !there {
        eprintln!("SKIPPED: {} is missing, so this test shows nothing", path.display());
    }
    there.then_some(path)
}

struct Silent;

impl Progress for Silent {
    fn looked(&mut self) {}
    fn degraded(&mut self) {}
}

const PHOTOS: [&str; 4] = ["flowers.jpg", "lions.jpg", "pebbles.jpg", "shore.jpg"];

/// A photo of the repository at a third of KADID's size.
fn photo(name: &str) -> Rgb8 {
    let whole = load(&repository().join("photos").join(name), &LoadOptions::default());
    resize(&whole.expect("a photo").rgb, 171, 128, Filter::Bilinear).expect("a size")
}

/// A miniature: `references/I01.png` .. `I04.png`, their rows of the real table, and as sources a
/// part of each photo, in reverse order.
struct Miniature {
    folder: tempfile::TempDir,
    sources: Vec<PathBuf>,
    references: PathBuf,
    scores: PathBuf,
}

/// It and the network, where both files are there.
fn opened() -> Option<(Miniature, Backbone)> {
    let weights = shared("weights/mobilenet_v2.safetensors");
    let table = shared("label_tables/kadid10k_dmos.csv");
    let backbone = Backbone::open(&weights?).expect("MobileNetV2");
    Some((Miniature::new(&table?), backbone))
}

impl Miniature {
    fn new(table: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let text = std::fs::read_to_string(table).expect("the table");
        let mine = |line: &&str| {
            ["dist_img", "I01_", "I02_", "I03_", "I04_"].iter().any(|name| line.starts_with(name))
        };
        let lines: Vec<&str> = text.lines().filter(mine).collect();
        std::fs::write(root.join("dmos.csv"), lines.join("\n")).expect("writable");
        let mut sources = Vec::new();
        for (i, name) in PHOTOS.iter().enumerate() {
            let picture = photo(name);
            write_png(&root.join(format!("references/I{:02}.png", i + 1)), &picture)
                .expect("there");
            let part = crop(&picture, 12, 8, 140, 104).expect("a part");
            let path = root.join("sources").join(name).with_extension("png");
            write_png(&path, &part).expect("there");
            sources.insert(0, path);
        }
        let (references, scores) = (root.join("references"), root.join("dmos.csv"));
        Self { folder, sources, references, scores }
    }

    /// All of it, without a list of training references and without other sets.
    fn all<'a>(&'a self, backbone: &'a Backbone) -> Sources<'a> {
        Sources {
            pictures: &self.sources,
            references: &self.references,
            scores: &self.scores,
            backbone,
            training: None,
            others: &[],
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn list(&self, names: &str) -> Training {
        let file = self.path("training.txt");
        std::fs::write(&file, names).expect("writable");
        Training::read(&file).expect("a list")
    }
}

#[test]
fn parts_of_photos_inherit_the_scores_of_their_photos() {
    let Some((made, backbone)) = opened() else { return };
    assert_eq!(backbone.name(), "mobilenet_v2");
    let mut sources = made.all(&backbone);
    let settings = Settings { batch_size: 3, ..Settings::default() };
    let out = made.path("out");
    let record = transfer(&sources, &settings, &out, 0, &mut Silent).expect("labels");
    assert_eq!((record.counts.labelled, record.counts.rows), (4, 4 * 125));
    assert!(record.cosines[0] > 0.5, "{:?}", record.cosines);

    // Each inherits from its own photo: the last source, a part of the first photo, from I01.
    let options = Options { labels_only: true, ..Options::default() };
    let set = datasets::open("saqt", &out, &options).expect("the labels");
    let first = set.rows.iter().find(|row| row.path == "002/flowers_04_03.bmp").expect("a row");
    assert_eq!((first.content.as_str(), first.kind.as_str(), first.level), ("I01", "04", Some(3)));
    let whole = Scores::read(sources.scores).expect("the table");
    let [min, max] = whole.extremes(|_| true);
    let expected = 9.0 * (whole.get(0, 4, 3) - min) / (max - min);
    assert!((first.score - expected).abs() < 1e-9, "{} {expected}", first.score);

    // Sources that resemble what is tested on are an error; left out, the loader takes the rest.
    let training = made.list("I02.png\nI03.png\n");
    sources.training = Some(&training);
    let leak = transfer(&sources, &settings, &out, 0, &mut Silent).expect_err("a leak").to_string();
    assert!(leak.contains("2 of 4 sources") && leak.contains("--leave-out"), "{leak}");
    let list = Some(training.file().to_owned());
    let guarded = Options { training_references: list, ..options };
    assert!(datasets::open("saqt", &out, &guarded).is_err(), "the labels of the first run");
    let settings = Settings { leave_out: true, range: Range::Train, ..settings };
    let refused = transfer(&sources, &settings, &out, 0, &mut Silent).expect_err("another run's");
    assert!(refused.to_string().contains("was begun with other settings"), "{refused}");
    // As --force does.
    std::fs::remove_file(out.join("settings.json")).expect("there");
    let record = transfer(&sources, &settings, &out, 0, &mut Silent).expect("labels");
    assert_eq!((record.counts.labelled, record.counts.outside_training), (2, 2));
    assert_eq!(record.score_extremes, whole.extremes(|r| r == 1 || r == 2));
    let set = datasets::open("saqt", &out, &guarded).expect("nothing leaks");
    assert_eq!(set.rows.len(), 2 * 125, "the second label file of the first run is gone");
}

#[test]
fn copies_of_another_sets_references_are_left_out_and_look_alikes_come_first() {
    let Some((mut made, backbone)) = opened() else { return };
    // A source that is a reference of a test set, to the last pixel.
    let twin = made.path("sources/twin.png");
    std::fs::copy(made.path("references/I02.png"), &twin).expect("a copy");
    made.sources.push(twin.clone());
    let others = [
        OtherSet { name: "tested".to_owned(), pictures: vec![twin], take: 0 },
        OtherSet {
            name: "alike".to_owned(),
            pictures: vec![made.path("references/I01.png")],
            take: 1,
        },
    ];
    let sources = Sources { others: &others, ..made.all(&backbone) };
    // Parts of photos are no copies; where the line is drawn is a matter of the weights.
    let settings = Settings { total: Some(2), drop_above: 0.999, ..Settings::default() };
    let out = made.path("out");
    let record = transfer(&sources, &settings, &out, 0, &mut Silent).expect("labels");
    let counts = &record.counts;
    assert_eq!((counts.near_other_set, counts.labelled, counts.not_selected), (1, 2, 2));
    let matches = std::fs::read_to_string(out.join("top1_semantic_matches.csv")).expect("matches");
    assert!(matches.lines().nth(1).is_some_and(|row| row.starts_with("flowers.png,")), "{matches}");
    let left = std::fs::read_to_string(out.join("left_out.csv")).expect("what was left out");
    assert!(left.contains("twin.png") && left.contains("of tested"), "{left}");

    // Sets may want the same sources; more than in all are refused, by what they come to.
    let set = |name: &str, reference: &str| OtherSet {
        name: name.to_owned(),
        pictures: vec![made.path(&format!("references/{reference}.png"))],
        take: 1,
    };
    let total = |total, others: &[OtherSet]| {
        let settings = Settings { total: Some(total), drop_above: 2.0, ..Settings::default() };
        let out = made.path(&format!("wishes {total} {}", others[1].name));
        transfer(&Sources { others, ..made.all(&backbone) }, &settings, &out, 0, &mut Silent)
    };
    let same = [set("one", "I01"), set("the same", "I01")];
    assert_eq!(total(1, &same).expect("one source").counts.labelled, 1);
    let apart = [set("one", "I01"), set("another", "I02")];
    let refused = total(1, &apart).expect_err("two sources").to_string();
    assert!(
        refused.contains("2 sources are to be taken") && refused.contains("--total"),
        "{refused}"
    );
    assert_eq!(total(2, &apart).expect("two sources").counts.labelled, 2);
}

/// Rule 4 where the labelled set itself has references to be tested on, and the nearest is another.
#[test]
fn a_copy_of_a_test_reference_is_left_out_though_it_inherits_from_another() {
    let Some((mut made, backbone)) = opened() else { return };
    let twin = made.path("sources/twin.png");
    for copy in [&twin, &made.path("references/I04.png")] {
        std::fs::copy(made.path("references/I02.png"), copy).expect("a copy");
    }
    made.sources.push(twin);
    let training = made.list("I01\nI02\nI03\n");
    let sources = Sources { training: Some(&training), ..made.all(&backbone) };
    let settings = Settings { drop_above: 0.999, leave_out: true, ..Settings::default() };
    let out = made.path("out");
    let record = transfer(&sources, &settings, &out, 0, &mut Silent).expect("labels");
    assert_eq!(record.counts.near_other_set, 1);
    let left = std::fs::read_to_string(out.join("left_out.csv")).expect("what was left out");
    let row = left.lines().find(|row| row.contains("twin.png")).expect("it is left out");
    assert!(row.contains("I04") && row.contains("lacks"), "{row}");
}
