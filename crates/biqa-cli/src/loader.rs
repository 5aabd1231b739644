//! The flags that say how pictures are loaded, flattened into `biqa score`, and the options of the
//! library that they mean. Their words are the library's (papers/images.md, sections 5 and 7).

use biqa::image::{Alpha, Apply, Limits, LoadOptions, SixteenBit, TruncatedPolicy};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

/// Most pixels that can be allowed.
const MOST_PIXELS: u64 = 1_000_000_000;
/// Most bytes that can be allowed: 8 GiB.
const MOST_BYTES: u64 = 8 << 30;

/// The presets of `--loader`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Upright, in sRGB, transparent parts over gray: what people see
    #[default]
    Biqa,
    /// Orientation, profile and alpha ignored, as the papers' code does
    Pillow,
}

/// How pictures are loaded.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Loading")]
pub struct LoaderArgs {
    /// How pictures are loaded; pillow is what the papers' code sees
    ///
    /// A preset of the five switches below it, each of which can be said besides.
    ///
    /// Scores of one loader are not comparable with those of another; the rows name it.
    #[arg(long, value_name = "PRESET", value_enum, default_value_t, hide_default_value = true)]
    pub loader: Preset,

    /// EXIF orientation: apply or ignore
    #[arg(long, value_name = "WORD", value_parser = words(&Apply::ALL, Apply::as_str))]
    #[arg(hide_possible_values = true, hide_short_help = true)]
    pub orientation: Option<Apply>,

    /// Embedded colour profile: apply or ignore
    #[arg(long, value_name = "WORD", value_parser = words(&Apply::ALL, Apply::as_str))]
    #[arg(hide_possible_values = true, hide_short_help = true)]
    pub profile: Option<Apply>,

    /// Behind transparent parts: gray, white, black, #rrggbb; or drop (alpha), or refuse
    #[arg(long, value_name = "WORD", hide_short_help = true)]
    pub alpha: Option<Alpha>,

    /// 16-bit samples to 8 bits: round or high_byte
    #[arg(long, value_name = "WORD", value_parser = words(&SixteenBit::ALL, SixteenBit::as_str))]
    #[arg(hide_possible_values = true, hide_short_help = true)]
    pub sixteen_bit: Option<SixteenBit>,

    /// Data that end early: error, or gray (what is missing is gray, with a note)
    #[arg(long, value_name = "WORD", hide_possible_values = true)]
    #[arg(value_parser = words(&TruncatedPolicy::ALL, TruncatedPolicy::as_str))]
    pub truncated: Option<TruncatedPolicy>,

    /// Most pixels of a picture, such as 250M [default: 100M]
    #[arg(long, value_name = "N", value_parser = parse_pixels)]
    pub max_pixels: Option<u64>,

    /// Longest side of a picture in pixels [default: 65535]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_side: Option<u32>,

    /// Largest file, in bytes or such as 1GiB [default: 256MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, hide_short_help = true)]
    pub max_file_bytes: Option<u64>,

    /// Most memory for decoding one picture [default: 512MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, hide_short_help = true)]
    pub max_alloc_bytes: Option<u64>,

    /// Largest colour profile [default: 4MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, hide_short_help = true)]
    pub max_icc_bytes: Option<u64>,
}

impl LoaderArgs {
    /// The preset, then what was said besides.
    pub fn options(&self) -> LoadOptions {
        let preset = match self.loader {
            Preset::Biqa => LoadOptions::default(),
            Preset::Pillow => LoadOptions::pillow(),
        };
        let limits = Limits::default();
        LoadOptions {
            limits: Limits {
                max_file_bytes: self.max_file_bytes.unwrap_or(limits.max_file_bytes),
                max_pixels: self.max_pixels.unwrap_or(limits.max_pixels),
                max_side: self.max_side.unwrap_or(limits.max_side),
                max_alloc_bytes: self.max_alloc_bytes.unwrap_or(limits.max_alloc_bytes),
                max_icc_bytes: self.max_icc_bytes.unwrap_or(limits.max_icc_bytes),
                ..limits
            },
            orientation: self.orientation.unwrap_or(preset.orientation),
            profile: self.profile.unwrap_or(preset.profile),
            alpha: self.alpha.unwrap_or(preset.alpha),
            sixteen_bit: self.sixteen_bit.unwrap_or(preset.sixteen_bit),
            truncated: self.truncated.unwrap_or(preset.truncated),
            cancel: None,
        }
    }
}

/// A parser of the words of a switch.
fn words<T>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let known = PossibleValuesParser::new(all.iter().map(|&value| word(value)));
    known.try_map(move |found| {
        let value = all.iter().copied().find(|&value| word(value) == found);
        value.ok_or_else(|| format!("{found:?} is no word of this switch"))
    })
}

fn parse_pixels(text: &str) -> Result<u64, String> {
    let expected = "expected a number of pixels, such as 250M, up to 1000M";
    number(text, &[("M", 1_000_000)], MOST_PIXELS).ok_or_else(|| expected.to_owned())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected = "expected a number of bytes, such as 64MiB, up to 8GiB";
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    number(text, &units, MOST_BYTES).ok_or_else(|| expected.to_owned())
}

/// A whole number, with or without a unit behind it; `None` above `most`.
fn number(text: &str, units: &[(&str, u64)], most: u64) -> Option<u64> {
    let unit = units.iter().find_map(|&(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (digits, size) = unit.unwrap_or((text, 1));
    digits.parse::<u64>().ok()?.checked_mul(size).filter(|&n| n <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_have_a_unit_and_have_a_ceiling() {
        assert_eq!(parse_pixels("250M"), Ok(250_000_000));
        assert_eq!(parse_pixels("0"), Ok(0));
        assert_eq!(parse_bytes("8GiB"), Ok(MOST_BYTES));
        for bad in ["", "M", "1001M", "-1", "1.5M", "1 M", "99999999999999999999"] {
            assert!(parse_pixels(bad).is_err(), "{bad:?}");
        }
        assert!(parse_bytes("9GiB").is_err());
    }

    #[test]
    fn what_is_said_besides_the_preset_counts() {
        let args = LoaderArgs { loader: Preset::Pillow, ..LoaderArgs::default() };
        assert_eq!(args.options().label(), "pillow");
        let args = LoaderArgs { alpha: Some(Alpha::Gray), max_side: Some(9), ..args };
        let label = "biqa orientation=ignore profile=ignore sixteen_bit=high_byte";
        assert_eq!(args.options().label(), label);
        assert_eq!(args.options().limits, Limits { max_side: 9, ..Limits::default() });
    }
}
