//! `biqa bench degrade`: milliseconds of each distortion on one core beside what is asked, and
//! compositions a second.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use biqa::image::{LoadOptions, Rgb8, load};
use biqa::parallel::ordered;
use biqa::random::Key;
use biqa::resize::crop;
use biqa_lab::copies::write_png;
use biqa_lab::degrade::{Address, DegradeError, Distortion, Plan, distortions};

use crate::args::BenchDegradeArgs;
use crate::exit::Exit;
use crate::words::{count, out, say, shown};

/// The picture of the specification's figures (`papers/degradations.md`, section 10).
const WIDTH: u32 = 512;
const HEIGHT: u32 = 384;
/// Compositions of the plan `qpt`, always the same ones, of the middle `SOURCE` pixels square; and as
/// many a second as one of two cores must make.
const COMPOSITIONS: u64 = 40;
const SOURCE: u32 = 384;
const RATE: f64 = 30.0;
const KEY: Key = Key(0x51e3_9173_0a2f_9872);

/// Milliseconds that one core may take for the picture, by section 10; an operation of `arniqa` or
/// `reiqa` as many as the one of `kadid` of its name.
const ASKED: &[(f64, &[&str])] = &[
    (
        3.0, // point operations
        &[
            "kadid:darken",
            "kadid:mean_shift",
            "kadid:contrast",
            "kadid:pixelate",
            "kadid:color_block",
            "kadid:patch_swap",
            "qpt:brightness_up",
            "qpt:brightness_down",
            "qpt:contrast_up",
            "qpt:contrast_down",
            "qpt:gamma_up",
            "qpt:gamma_down",
            "qpt:saturation_up",
            "qpt:saturation_down",
            "q:brightness",
            "q:contrast",
            "q:saturation",
            "re:round",
        ],
    ),
    (5.0, &["kadid:quantize"]),
    (
        8.0, // separable
        &["kadid:gaussian_blur", "qpt:usm_sharpen", "qpt:gaussian_blur", "re:usm", "bsr:blur_iso"],
    ),
    (10.0, &["kadid:jpeg", "qpt:jpeg", "re:jpeg"]),
    (
        15.0, // noise
        &[
            "kadid:noise_white",
            "kadid:noise_color",
            "kadid:noise_impulse",
            "kadid:noise_multiplicative",
            "qpt:iso_noise",
            "qpt:gaussian_color_noise",
            "qpt:gaussian_gray_noise",
            "qpt:poisson_noise",
            "qpt:multiplicative_noise",
            "re:noise",
            "re:poisson",
            "bsr:poisson",
            "bsr:noise",
        ],
    ),
    (
        25.0, // Lab
        &["kadid:color_diffusion", "kadid:saturate_lab", "kadid:brighten", "kadid:sharpen"],
    ),
    (40.0, &["kadid:color_quantize"]),
    (60.0, &["kadid:jitter"]),
];

/// Operations without levels, at values in the middle of what their plans draw.
const OTHERS: [&str; 23] = [
    "kadid:stretch",
    "re:usm",
    "re:blur+kind=iso+ksize=21+sx=2",
    "re:blur+kind=plateau_aniso+ksize=21+sx=2+sy=1+theta=1+beta=1.5",
    "re:blur+kind=sinc+ksize=21+cutoff=2",
    "re:noise+sigma=12+gray=0",
    "re:poisson+scale=1.5+gray=0",
    "re:jpeg+q=35.5",
    "re:round",
    "re:resize+h=300+w=400+mode=bicubic",
    "bsr:blur_aniso+radius=9+theta=1+l1=4+l2=2",
    "bsr:blur_iso+radius=9+sigma=1.5",
    "bsr:resize+h=192+w=256+mode=bicubic",
    "bsr:decimate+sigma=1+factor=2",
    "bsr:crop+h=300+w=400",
    "bsr:noise+a=0.1+b=0.02+c=0.1+d=0.01+e=0.03+f=0.1+speckle=0",
    "bsr:poisson+vals=1000+gray=0",
    "bsr:poisson+vals=10000+gray=1",
    "q:brightness+f=1.3",
    "q:contrast+f=0.5",
    "q:saturation+f=1.7",
    "q:hue+f=0.2",
    "q:affine+angle=10+scale=1.1+shear=3+tx=0.1+ty=-0.1",
];

pub(super) fn run(args: &BenchDegradeArgs) -> anyhow::Result<Exit> {
    let picture = match &args.picture {
        Some(path) => middle(path)?,
        None => made(),
    };
    if let Some(path) = &args.save {
        write_png(path, &picture)?;
    }
    let items = items(&args.only);
    if items.is_empty() {
        bail!("no operation has {:?} in its name; biqa degrade --list names them", args.only);
    }
    if !args.quiet {
        let runs = count(u64::from(args.runs), "run");
        say(&format!("{WIDTH} x {HEIGHT} pixels, one core, the fastest of {runs}"));
    }
    out!("{:<40} {:>9} {:>9}", "operation", "ms", "asked");
    let mut slower = Vec::new();
    for (name, texts) in items {
        let mut slowest = (0.0, String::new());
        for text in texts {
            let ms = fastest(&picture, &text, args.runs)?;
            if ms > slowest.0 {
                slowest = (ms, text);
            }
        }
        let (ms, text) = slowest;
        let asked = asked_of(&name).map_or(String::new(), |asked| format!("{asked:.0}"));
        out!("{text:<40} {ms:>9.2} {asked:>9}");
        if asked_of(&name).is_some_and(|asked| ms > asked) {
            slower.push(name);
        }
    }
    if "qpt:".contains(&args.only) {
        let rate = compositions(&picture)?;
        out!("{:<40} {rate:>9.1} {RATE:>9.0}", "compositions a second, 384 x 384");
        if rate < RATE {
            slower.push("compositions".to_owned());
        }
    }
    if !slower.is_empty() && !args.quiet {
        say(&format!("slower than asked: {}", slower.join(", ")));
    }
    Ok(Exit::Fine)
}

/// Names with the addresses' texts that are measured for each: its levels, or one.
fn items(only: &str) -> Vec<(String, Vec<String>)> {
    let levels = |name: &String| (1..=5).map(|level| format!("{name}@{level}")).collect();
    let with = distortions().filter(|op| !op.levels.is_empty());
    let with = with.map(Distortion::full_name).map(|name| (name.clone(), levels(&name)));
    let others = OTHERS.iter().map(|text| {
        let name = text.split('+').next().unwrap_or(text);
        (name.to_owned(), vec![(*text).to_owned()])
    });
    with.chain(others).filter(|(name, _)| name.contains(only)).collect()
}

fn asked_of(name: &str) -> Option<f64> {
    let port = ["arniqa:", "reiqa:"].iter().find_map(|family| name.strip_prefix(family));
    let name = port.map_or(name.to_owned(), |name| format!("kadid:{name}"));
    ASKED.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(ms, _)| *ms)
}

/// The middle of a file's picture.
fn middle(path: &Path) -> anyhow::Result<Rgb8> {
    let whole = load(path, &LoadOptions::default())?.rgb;
    let (w, h) = (whole.width(), whole.height());
    if w < WIDTH || h < HEIGHT {
        bail!("{} has {w} x {h} pixels; it needs {WIDTH} x {HEIGHT} or more", shown(path));
    }
    let (left, top) = ((w - WIDTH) / 2, (h - HEIGHT) / 2);
    crop(&whole, left, top, WIDTH, HEIGHT).with_context(|| format!("cannot cut {}", shown(path)))
}

/// Soft colours, edges and some grain: what a photo has.
fn made() -> Rgb8 {
    let mut grain = 1_u32;
    let mut data = Vec::with_capacity((3 * WIDTH * HEIGHT) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let edge = if (x / 64 + y / 48) % 3 == 0 { 60 } else { 0 };
            for channel in 0..3 {
                grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let slope = (x * (3 - channel) / 6 + y * (1 + channel) / 6) % 180;
                data.push((slope + edge + (grain >> 29)) as u8);
            }
        }
    }
    Rgb8::new(WIDTH, HEIGHT, data).expect("three bytes a pixel")
}

/// The fastest of several runs of one operation, in milliseconds.
fn fastest(picture: &Rgb8, text: &str, runs: u32) -> anyhow::Result<f64> {
    let address: Address = format!("d1/{:016x}/{text}", KEY.0).parse()?;
    let mut seconds = f64::INFINITY;
    for _ in 0..runs {
        let taken = on_one_core(|| {
            let begin = Instant::now();
            address.apply_levels(picture).map(|_| begin.elapsed().as_secs_f64())
        })?;
        seconds = seconds.min(taken);
    }
    Ok(1e3 * seconds)
}

/// Compositions of the plan `qpt` a second, all of them one after the other.
fn compositions(picture: &Rgb8) -> anyhow::Result<f64> {
    let plan = Plan::named("qpt").context("the plan qpt is gone")?;
    let picture = &crop(picture, (WIDTH - SOURCE) / 2, (HEIGHT - SOURCE) / 2, SOURCE, SOURCE)?;
    let draw = |i| plan.compose(Key::of_picture(0, "bench", i), SOURCE, SOURCE);
    let addresses = (0..COMPOSITIONS).map(draw).collect::<Result<Vec<_>, _>>()?;
    let begin = Instant::now();
    on_one_core(|| addresses.iter().try_for_each(|a| a.apply_levels(picture).map(drop)))?;
    Ok(COMPOSITIONS as f64 / begin.elapsed().as_secs_f64())
}

/// Runs something on a worker with a pool of one thread.
fn on_one_core<T: Send>(
    work: impl Fn() -> Result<T, DegradeError> + Sync,
) -> Result<T, DegradeError> {
    let mut result = None;
    ordered(
        1,
        std::iter::once(()),
        |_, ()| work(),
        |_, found| {
            result = Some(found);
            true
        },
    );
    result.expect("one piece of work gives one result")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_that_is_asked_belongs_to_an_operation_that_is_measured() {
        let measured = items("");
        for name in ASKED.iter().flat_map(|(_, names)| *names) {
            assert!(measured.iter().any(|(known, _)| known == name), "{name}");
        }
    }

    #[test]
    fn every_operation_is_measured_at_all_its_levels() {
        let measured = items("");
        for op in distortions() {
            let name = op.full_name();
            let texts = measured.iter().find(|(known, _)| *known == name).map(|(_, texts)| texts);
            let texts = texts.unwrap_or_else(|| panic!("{name} is not measured"));
            assert_eq!(texts.len(), if op.levels.is_empty() { 1 } else { 5 }, "{name}");
            for text in texts {
                let address = format!("d1/{:016x}/{text}", KEY.0).parse::<Address>();
                assert!(address.is_ok(), "{text}: {address:?}");
            }
        }
    }
}
