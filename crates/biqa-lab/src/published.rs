//! Figures that papers, readmes and toolboxes have published, each with its protocol and its source.
//!
//! `data/published_results.csv` is inside the binary. Rows under unlike protocols are never one
//! table (`papers/protocol.md`, 1.1): [`Kind`] says which stand beside a run of ours. Called by
//! `biqa protocol`, `biqa evaluate` and `biqa report`.

use std::sync::OnceLock;

use serde::Deserialize;

/// The list itself.
pub const CSV: &str = include_str!("../data/published_results.csv");

/// One published figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The method, as its source writes it.
    pub method: String,
    /// Where and when it appeared; may be empty.
    pub venue_year: String,
    /// The key of the set that was tested on.
    pub dataset: String,
    /// The protocol in the source's words.
    pub protocol: String,
    /// Spearman's correlation; `None` where the source gives none.
    pub srcc: Option<f64>,
    /// Pearson's.
    pub plcc: Option<f64>,
    /// Where it was read.
    pub source: String,
}

/// What a figure is a figure of.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Trained and tested on parts of one set.
    InDomain,
    /// Trained on a fraction of one set.
    Small(f64),
    /// Trained on the set named here, tested on another.
    Cross(String),
    /// Trained on several sets together.
    Joint,
    /// Weights that somebody ships, or no training at all.
    Shipped,
}

impl Published {
    /// What the figure is a figure of.
    pub fn kind(&self) -> Kind {
        let protocol = self.protocol.as_str();
        let key = |text: &str| text.split([' ', ',']).next().unwrap_or_default().to_owned();
        if protocol.starts_with("joint training") {
            Kind::Joint
        } else if let Some(rest) = protocol.strip_prefix("small sample ") {
            let percent = rest.trim_end_matches([' ', '%']).parse();
            percent.map_or(Kind::InDomain, |p: f64| Kind::Small(p / 100.0))
        } else if let Some(rest) = protocol.strip_prefix("cross-dataset, trained on ") {
            Kind::Cross(key(rest))
        } else if let Some(rest) = protocol.strip_prefix("trained on ") {
            let source = key(rest);
            if source == self.dataset { Kind::InDomain } else { Kind::Cross(source) }
        } else if ["in-domain", "official split", "one split"]
            .iter()
            .any(|p| protocol.starts_with(p))
        {
            Kind::InDomain
        } else {
            Kind::Shipped
        }
    }
}

/// Every row, in the order of the list.
pub fn all() -> &'static [Published] {
    static ROWS: OnceLock<Vec<Published>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let rows = csv::Reader::from_reader(CSV.as_bytes()).into_deserialize();
        rows.map(|row| row.expect("a test reads every row of the list")).collect()
    })
}

/// The rows of a set and of one kind, the highest SRCC first; those without one last.
pub fn of(dataset: &str, kind: &Kind) -> Vec<&'static Published> {
    let mut rows: Vec<_> =
        all().iter().filter(|row| row.dataset == dataset && row.kind() == *kind).collect();
    rows.sort_by(|a, b| {
        let srcc = |row: &Published| row.srcc.unwrap_or(f64::NEG_INFINITY);
        srcc(b).total_cmp(&srcc(a))
    });
    rows
}

/// The rows of a method on a set, without regard to letter case, in the order of the list.
pub fn of_method(dataset: &str, method: &str) -> Vec<&'static Published> {
    let wanted =
        |row: &&Published| row.dataset == dataset && row.method.eq_ignore_ascii_case(method);
    all().iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_row_is_read_and_says_something() {
        let mut reader = csv::Reader::from_reader(CSV.as_bytes());
        let rows: Result<Vec<Published>, _> = reader.deserialize().collect();
        let rows = rows.expect("a list of published figures");
        assert_eq!(rows.len(), 411);
        for row in &rows {
            assert!(row.srcc.is_some() || row.plcc.is_some(), "{row:?}");
            for value in [row.srcc, row.plcc].into_iter().flatten() {
                assert!((-1.0..=1.0).contains(&value), "{row:?}");
            }
            for text in [&row.method, &row.protocol, &row.source] {
                assert!(!text.is_empty(), "{row:?}");
            }
        }
    }

    #[test]
    fn the_sets_are_ours_and_counted() {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in all() {
            *counts.entry(&row.dataset).or_default() += 1;
        }
        let expected = [
            ("agiqa3k", 24),
            ("bid", 5),
            ("biq2021", 10),
            ("csiq", 33),
            ("kadid10k", 38),
            ("koniq10k", 77),
            ("live", 23),
            ("livec", 76),
            ("livefb", 46),
            ("pipal", 12),
            ("spaq", 37),
            ("tid2013", 30),
        ];
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_protocol_has_the_kind_that_its_words_say() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in all() {
            let kind = match row.kind() {
                Kind::Cross(from) => format!("from {from}"),
                Kind::Small(fraction) => format!("small {fraction}"),
                kind => format!("{kind:?}"),
            };
            *counts.entry(kind).or_default() += 1;
        }
        let expected = [
            ("InDomain", EXPECTED_IN_DOMAIN),
            ("Joint", 24 + 10 + 6 + 5),
            ("Shipped", 37 + 10 + 8 + 10),
            ("from koniq10k", 63 + 6),
            ("from livec", 6),
            ("from livefb", 12),
            ("small 0.2", 6),
            ("small 0.4", 6),
            ("small 0.6", 6),
        ];
        let expected = expected.map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    }

    /// By the words of the list: 80/20, 70/10/20 (two forms), mean of 10, official, three seeds, a
    /// source trained on itself, protocols that the source does not state, single splits.
    const EXPECTED_IN_DOMAIN: usize = 119 + 15 + 3 + 14 + 12 + 12 + 9 + (4 + 4 + 1 + 1) + 2;

    #[test]
    fn a_method_is_found_and_a_table_is_sorted() {
        let deiqt = of_method("livec", "deiqt");
        assert!(deiqt.iter().any(|row| row.srcc == Some(0.875)), "{deiqt:?}");
        let rows = of("koniq10k", &Kind::InDomain);
        assert!(rows.len() > 20 && rows.iter().all(|row| row.dataset == "koniq10k"));
        let srcc: Vec<f64> = rows.iter().filter_map(|row| row.srcc).collect();
        assert!(srcc.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(of("nowhere", &Kind::InDomain).is_empty());
    }
}
