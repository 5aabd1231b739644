//! The scorer: a model opened once, any number of pictures scored with it.
//!
//! Who calls: the doors. Invariants: a picture's score depends on its bytes, the load options and
//! the model file alone, to the last bit, because every picture goes through the network by itself;
//! no error and no panic leaves [`Scorer::score_path`], they are rows.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::image::{self, ErrorKind, LoadError, LoadOptions, Picture, Rgb8};
use crate::models::{self, Network};
use crate::parallel;
use crate::record::{Record, SCHEMA};
use crate::view::{Cut, ViewError};
use crate::weights::{self, Arrays, ModelCard, WeightsError};

/// The default model, inside the binary.
pub const LITE: &[u8] = include_bytes!("../../../models/lite.safetensors");

/// A picture that decodes within this many bytes is loaded on any thread at any time; larger ones
/// wait for one another, so that memory does not grow with the number of threads.
const SMALL_PICTURE_BYTES: u64 = 64 << 20;

/// A model, ready to score. Cheap to clone; all clones share the weights.
#[derive(Clone)]
pub struct Scorer {
    model: Arc<Model>,
}

struct Model {
    network: Network,
    card: ModelCard,
    digest: String,
    large_pictures: Mutex<()>,
}

/// How a run over many pictures goes.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Worker threads; 0 for all cores.
    pub threads: usize,
    /// How pictures are loaded.
    pub load: LoadOptions,
}

/// A picture's score.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Quality, 0 to 100.
    pub score: f64,
    /// The network's number.
    pub raw: f64,
    /// What to know about it, in short words.
    pub notes: Vec<String>,
}

/// A loaded picture and, if it is large, the right to be in memory.
struct Loaded<'a> {
    picture: Picture,
    turn: Option<MutexGuard<'a, ()>>,
}

/// What a row says of a picture that is gone.
struct Seen {
    width: u32,
    height: u32,
    notes: Vec<String>,
}

impl Scorer {
    /// The default model inside the binary, `lite`.
    pub fn builtin() -> Result<Self, WeightsError> {
        Self::from_bytes(LITE, "the built-in lite")
    }

    /// A model by name; only such as are inside the binary.
    pub fn named(name: &str) -> Result<Self, WeightsError> {
        match models::entry(name)? {
            entry if entry.builtin => Self::builtin(),
            entry => Err(WeightsError::NoWeights { name: entry.name.to_owned() }),
        }
    }

    /// A model from a safetensors file with a card.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let (arrays, card) = weights::read(path)?;
        Self::new(arrays, card, &path.display().to_string())
    }

    /// A model from the bytes of such a file; `name` stands for it in errors.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, WeightsError> {
        let (arrays, card) = weights::read_safetensors(bytes, name)?;
        Self::new(arrays, card, name)
    }

    fn new(arrays: Arrays, card: Option<ModelCard>, name: &str) -> Result<Self, WeightsError> {
        let card = card.ok_or_else(|| WeightsError::NoCard { name: name.to_owned() })?;
        let bad = |reason: String| WeightsError::Card { name: name.to_owned(), reason };
        card.view.check().map_err(|e| bad(e.to_string()))?;
        let found = digest(&arrays);
        if found != card.weights_digest {
            return Err(bad(format!(
                "it says its weights have SHA-256 {}, they have {found}: the file was changed",
                card.weights_digest
            )));
        }
        let network = Network::new(&card.method, &card.config, name, &Device::flex())?;
        if network.sizes() != card.view.sizes() {
            return Err(bad(format!(
                "its view has {} sizes, its network takes {}",
                card.view.sizes(),
                network.sizes()
            )));
        }
        if let Some(side) = network.side()
            && card.view.side() != Some(side as u32)
        {
            return Err(bad(format!(
                "its network takes crops of {side} pixels, its view gives others"
            )));
        }
        let network = network.load(arrays, name)?;
        let digest = card.scoring_digest();
        Ok(Self {
            model: Arc::new(Model { network, card, digest, large_pictures: Mutex::new(()) }),
        })
    }

    /// What the model says of itself.
    pub fn card(&self) -> &ModelCard {
        &self.model.card
    }

    /// SHA-256 of all that decides a score, see [`ModelCard::scoring_digest`].
    pub fn digest(&self) -> &str {
        &self.model.digest
    }

    /// Scores a picture that is in memory.
    pub fn score(&self, picture: &Rgb8) -> Result<Score, ViewError> {
        Ok(self.score_cut(self.model.card.view.apply(picture)?))
    }

    fn score_cut(&self, cut: Cut) -> Score {
        let card = &self.model.card;
        let mut sum = 0.0;
        for look in &cut.looks {
            let sizes = look.iter().map(|picture| {
                let shape = [1, 3, picture.height() as usize, picture.width() as usize];
                let data = TensorData::new(card.view.to_tensor(picture), shape);
                Tensor::from_data(data, &Device::flex())
            });
            sum += self.model.network.score(sizes.collect());
        }
        let raw = sum / cut.looks.len() as f64;
        let (score, clamped) = card.scale.to_100(raw);
        let mut notes = cut.notes;
        if clamped {
            notes.push("beyond the scale: clamped".to_owned());
        }
        Score { score, raw, notes }
    }

    /// Scores a file. Never fails: whatever goes wrong is the row's `error`.
    pub fn score_path(&self, path: &Path, options: &LoadOptions) -> Record {
        let start = Instant::now();
        let mut record = self.empty_record(path, options);
        record.bytes = std::fs::metadata(path).ok().map(|meta| meta.len());
        match catch_unwind(AssertUnwindSafe(|| self.try_score(path, options))) {
            Ok(Ok((seen, score))) => {
                record.width = Some(seen.width);
                record.height = Some(seen.height);
                record.score = Some(score.score);
                record.raw = Some(score.raw);
                record.notes.extend(seen.notes);
                record.notes.extend(score.notes);
            }
            Ok(Err(Failure { kind, message })) => {
                record.error_kind = Some(kind);
                record.error = Some(message);
            }
            Err(_) => {
                record.error_kind = Some("Internal".to_owned());
                record.error =
                    Some(format!("{}: scoring failed inside biqa (please report)", record.path));
            }
        }
        // To the microsecond: what is beyond it is noise.
        record.ms = Some((start.elapsed().as_secs_f64() * 1e6).round() / 1e3);
        record
    }

    fn try_score(&self, path: &Path, options: &LoadOptions) -> Result<(Seen, Score), Failure> {
        let Loaded { picture, turn } = self.load(path, options)?;
        let cut = self.model.card.view.apply(&picture.rgb).map_err(|e| Failure {
            kind: "View".to_owned(),
            message: format!("cannot score {:?}: {e}", path.display().to_string()),
        })?;
        let (width, height) = (picture.rgb.width(), picture.rgb.height());
        let seen = Seen { width, height, notes: picture.notes() };
        // The network needs the small pictures only: the next large one may come.
        drop(picture);
        drop(turn);
        let score = self.score_cut(cut);
        if !score.raw.is_finite() {
            return Err(Failure {
                kind: "NotFinite".to_owned(),
                message: format!(
                    "cannot score {:?}: the network gave {}; its weights are damaged",
                    path.display().to_string(),
                    score.raw
                ),
            });
        }
        Ok((seen, score))
    }

    /// Loads a picture; one too large to be loaded beside others waits for its turn.
    fn load(&self, path: &Path, options: &LoadOptions) -> Result<Loaded<'_>, LoadError> {
        let mut small = options.clone();
        small.limits.max_alloc_bytes = small.limits.max_alloc_bytes.min(SMALL_PICTURE_BYTES);
        match image::load(path, &small) {
            Err(e) if e.kind() == ErrorKind::TooMuchMemory => {
                let turn = self.model.large_pictures.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Loaded { picture: image::load(path, options)?, turn: Some(turn) })
            }
            result => result.map(|picture| Loaded { picture, turn: None }),
        }
    }

    fn empty_record(&self, path: &Path, options: &LoadOptions) -> Record {
        let (path, odd) = printable(path);
        let mut notes = Vec::new();
        if odd {
            notes.push("the path is not UTF-8: odd bytes stand as \\xNN".to_owned());
        }
        Record {
            schema: SCHEMA,
            path,
            width: None,
            height: None,
            bytes: None,
            score: None,
            raw: None,
            notes,
            error: None,
            error_kind: None,
            model: self.card().name.clone(),
            digest: self.digest().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            view: self.card().view.label(),
            ms: None,
            loader: options.label(),
        }
    }
}

struct Failure {
    kind: String,
    message: String,
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self { kind: error.kind().as_str().to_owned(), message: error.to_string() }
    }
}

/// Scores `paths` on several threads. `row` gets every record, in input order, on the calling
/// thread; when it returns `false` the run ends early.
pub fn score_all(
    scorer: &Scorer,
    paths: &mut (dyn Iterator<Item = PathBuf> + Send),
    options: &RunOptions,
    row: &mut dyn FnMut(usize, Record) -> bool,
) {
    parallel::ordered(
        options.threads,
        paths,
        |_, path| scorer.score_path(&path, &options.load),
        row,
    );
}

/// A path as text; bytes that are not UTF-8 stand as `\xNN`. Whether there were any.
pub fn printable(path: &Path) -> (String, bool) {
    let mut text = String::new();
    let mut odd = false;
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
            odd = true;
        }
    }
    (text, odd)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of arrays: name, shape and float32 bytes, in the order of the names.
pub fn digest(arrays: &Arrays) -> String {
    let mut hash = Sha256::new();
    for (name, array) in arrays {
        hash.update(name.as_bytes());
        hash.update(format!("{:?}", array.shape));
        for chunk in array.data.chunks(4096) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|v| v.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    }
    hex(&hash.finalize())
}
