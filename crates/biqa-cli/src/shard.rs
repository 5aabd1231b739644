//! `--shard i/n`: one of n equal parts of the input, for as many machines.

use std::str::FromStr;

/// Part `index` of `of`, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    of: u64,
}

impl Shard {
    /// Whether the image at `position` (from 0, in the input order) belongs to this part.
    pub fn has(self, position: u64) -> bool {
        position % self.of == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, of)) if 1 <= index && index <= of => Ok(Self { index, of }),
            Some((index, of)) => {
                Err(format!("there is no part {index} of {of}; i goes from 1 to n"))
            }
            None => Err("expected i/n, such as 1/8".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_in_exactly_one_part() {
        let parts: Vec<Shard> =
            (1..=3).map(|i| format!("{i}/3").parse().expect("a part")).collect();
        for position in 0..20 {
            assert_eq!(parts.iter().filter(|part| part.has(position)).count(), 1, "{position}");
        }
    }

    #[test]
    fn parts_that_do_not_exist_are_refused() {
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
