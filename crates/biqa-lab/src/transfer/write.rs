//! What a transfer leaves: matches, label files, what was left out, and `manifest.json` last.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use biqa::scorer::hex;
use sha2::{Digest, Sha256};

use super::files::{Csv, MANIFEST, put, text_of};
use super::pictures::{OURS, THEIRS};
use super::record::{Counts, Record, SCHEMA};
use super::rows::{file_name, folder_of, label_rows, picture_name, stem_of};
use super::run::{Left, Run, name_of};
use super::scores::inherited;
use super::{Range, TransferError};

/// Sources without labels, and why.
pub(super) const LEFT_OUT: &str = "left_out.csv";

impl Run<'_> {
    /// Writes everything; `kept` are the sources in their order, `found` the references' files.
    pub(super) fn write(
        &self,
        kept: &[usize],
        found: &[PathBuf],
        out: &Path,
    ) -> Result<Record, TransferError> {
        let trained = |r: usize| {
            let name = &self.scores.references()[r];
            self.settings.range == Range::All || self.sources.training.is_some_and(|t| t.has(name))
        };
        let extremes = self.scores.extremes(trained);
        self.write_matches(kept, found, out)?;
        self.write_similarities(kept, out)?;
        let rows = self.write_labels(kept, extremes, out)?;
        self.write_left_out(out)?;
        let record = self.record(kept, extremes, rows)?;
        let text = serde_json::to_string_pretty(&record).expect("a record is plain data");
        put(&out.join(MANIFEST), format!("{text}\n").as_bytes())?;
        Ok(record)
    }

    fn write_matches(
        &self,
        kept: &[usize],
        found: &[PathBuf],
        out: &Path,
    ) -> Result<(), TransferError> {
        let mut table = Csv::new(&[
            "source_image",
            "source_path",
            "target_reference",
            "target_reference_path",
            "semantic_distance",
            "cosine_similarity",
            "rank",
        ]);
        for &i in kept {
            let path = &self.sources.pictures[i];
            for (rank, found_match) in (1..).zip(&self.seen[i].matches) {
                let reference = found_match.reference;
                table.row([
                    name_of(path),
                    text_of(path),
                    self.scores.references()[reference].clone(),
                    text_of(&found[reference]),
                    found_match.distance().to_string(),
                    found_match.cosine.to_string(),
                    i32::to_string(&rank),
                ]);
            }
        }
        table.put(&out.join(format!("top{}_semantic_matches.csv", self.settings.top_k)))
    }

    /// The table that a selection goes by, where there was one.
    fn write_similarities(&self, kept: &[usize], out: &Path) -> Result<(), TransferError> {
        if self.sources.others.is_empty() {
            return Ok(());
        }
        let names: Vec<String> =
            self.sources.others.iter().map(|set| format!("sim_value_{}", set.name)).collect();
        let mut header = vec!["kadis", "kadid-10k", "sim_value_kadid-10k"];
        header.extend(names.iter().map(String::as_str));
        let mut table = Csv::new(&header);
        for &i in kept {
            let mut row = vec![name_of(&self.sources.pictures[i]), self.reference_of(i).to_owned()];
            row.push(self.seen[i].matches[0].cosine.to_string());
            row.extend(self.seen[i].others.iter().map(ToString::to_string));
            table.row(row);
        }
        table.put(&out.join("similarities.csv"))
    }

    /// The label files, in the order of their rows; how many rows they have.
    fn write_labels(
        &self,
        kept: &[usize],
        extremes: [f64; 2],
        out: &Path,
    ) -> Result<usize, TransferError> {
        let [types, levels] = self.scores.size();
        let batch = self.settings.batch_size;
        let suffix = if self.settings.pictures { OURS } else { THEIRS };
        let mut written = 0;
        for (file, part) in kept.chunks(batch).enumerate() {
            let mut table = Csv::new(&[
                "distorted_image",
                "quality_score",
                "source_image",
                "matched_reference",
                "distortion_type",
                "distortion_level",
            ]);
            for row in label_rows(part.len(), types, levels) {
                let (number, i) = (file * batch + row.source, part[row.source]);
                if self.left.contains_key(&i) {
                    continue;
                }
                let (name, reference) =
                    (name_of(&self.sources.pictures[i]), self.heir(i).reference);
                let score = self.scores.get(reference, row.kind, row.level);
                table.row([
                    picture_name(folder_of(number, batch), stem_of(&name), &row, suffix),
                    inherited(score, extremes, self.settings.scale).to_string(),
                    name,
                    self.scores.references()[reference].clone(),
                    row.kind.to_string(),
                    row.level.to_string(),
                ]);
                written += 1;
            }
            table.put(&out.join(file_name(file)))?;
        }
        // Of an earlier run with more sources: they would be read as this one's.
        for file in kept.len().div_ceil(batch).. {
            let stale = out.join(file_name(file));
            if fs::remove_file(&stale).is_err() {
                break;
            }
        }
        Ok(written)
    }

    pub(super) fn write_left_out(&self, out: &Path) -> Result<(), TransferError> {
        let mut table = Csv::new(&["source_image", "source_path", "reason", "details"]);
        for (&i, left) in &self.left {
            let path = &self.sources.pictures[i];
            let matched = || {
                let found = self.heir(i);
                format!("{}, cosine {:.4}", self.reference_of(i), found.cosine)
            };
            let (reason, details) = match left {
                Left::Unreadable(why) => ("unreadable", why.clone()),
                Left::SameName(why) => ("same_name", why.clone()),
                Left::Near(why) => ("near_other_set", why.clone()),
                Left::Outside => ("outside_training", matched()),
                Left::NotSelected => ("not_selected", matched()),
                Left::NotDegraded(why) => ("not_degraded", why.clone()),
            };
            table.row([&name_of(path), &text_of(path), reason, &details]);
        }
        table.put(&out.join(LEFT_OUT))
    }

    fn counts(&self, rows: usize) -> Counts {
        let of = |is: fn(&Left) -> bool| self.left.values().filter(|left| is(left)).count();
        let labelled = self.seen.len() - self.left.len();
        Counts {
            sources: self.sources.pictures.len(),
            unreadable: of(|left| matches!(left, Left::Unreadable(_))),
            same_name: of(|left| matches!(left, Left::SameName(_))),
            near_other_set: of(|left| matches!(left, Left::Near(_))),
            outside_training: of(|left| matches!(left, Left::Outside)),
            not_selected: of(|left| matches!(left, Left::NotSelected)),
            not_degraded: of(|left| matches!(left, Left::NotDegraded(_))),
            labelled,
            references: self.scores.references().len(),
            rows,
        }
    }

    fn record(
        &self,
        kept: &[usize],
        extremes: [f64; 2],
        rows: usize,
    ) -> Result<Record, TransferError> {
        let labelled = || kept.iter().copied().filter(|i| !self.left.contains_key(i));
        let mut of_reference: BTreeMap<String, usize> = BTreeMap::new();
        for i in labelled() {
            *of_reference.entry(self.reference_of(i).to_owned()).or_default() += 1;
        }
        let counts = self.counts(rows);
        let sum: f64 = labelled().map(|i| self.heir(i).cosine).sum();
        let lowest = labelled().map(|i| self.heir(i).cosine).fold(1.0, f64::min);
        let path = self.sources.scores;
        let table = fs::read(path)
            .map_err(|source| TransferError::Read { path: path.to_owned(), source })?;
        let mut notes = Vec::new();
        if self.sources.training.is_none() {
            notes.push(
                "scores are inherited from all references: a network pretrained on these labels \
                 must not be tested on KADID-10k"
                    .to_owned(),
            );
        } else if self.settings.range == Range::All {
            notes.push(
                "the ends of the scale are those of all references, test ones too".to_owned(),
            );
        }
        let [lowest_score, highest] = extremes;
        if lowest_score >= highest {
            notes.push(format!(
                "all scores that are inherited are equal ({lowest_score}): every label is 0"
            ));
        }
        Ok(Record {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.settings.clone(),
            backbone: self.sources.backbone.name().to_owned(),
            backbone_digest: self.sources.backbone.digest().to_owned(),
            scores_digest: hex(&Sha256::digest(table)),
            score_extremes: extremes,
            training: self.sources.training.map(|t| t.contents().iter().cloned().collect()),
            other_sets: self.sources.others.iter().map(|set| set.name.clone()).collect(),
            sources_of_reference: of_reference,
            cosines: [lowest, sum / counts.labelled.max(1) as f64],
            counts,
            notes,
        })
    }
}
