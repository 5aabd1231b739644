//! The kernels of `re:blur`.

use super::super::RgbF32;
use super::super::filter::{Border, Kernel, gaussian_f32, separable};
use super::super::table::Values;

/// The words of `kind`, in the order of [`Kind`].
pub(in super::super) const KINDS: [&str; 7] = [
    "iso",
    "aniso",
    "generalized_iso",
    "generalized_aniso",
    "plateau_iso",
    "plateau_aniso",
    "sinc",
];

/// The shape of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Gaussian, round.
    Iso,
    /// Gaussian, oval.
    Aniso,
    /// Gaussian of another power, round.
    GeneralizedIso,
    /// Gaussian of another power, oval.
    GeneralizedAniso,
    /// Flat in the middle, round.
    PlateauIso,
    /// Flat in the middle, oval.
    PlateauAniso,
    /// An ideal low pass, which rings.
    Sinc,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Iso,
        Kind::Aniso,
        Kind::GeneralizedIso,
        Kind::GeneralizedAniso,
        Kind::PlateauIso,
        Kind::PlateauAniso,
        Kind::Sinc,
    ];

    /// The kind at a place of the word list.
    pub(in super::super) fn of(place: f64) -> Kind {
        Kind::ALL.get(place as usize).copied().unwrap_or(Kind::Iso)
    }

    /// The kind of that word.
    pub fn named(word: &str) -> Option<Kind> {
        KINDS.iter().position(|kind| *kind == word).map(|i| Kind::ALL[i])
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        KINDS[self as usize]
    }

    /// The parameters it has, beside its size.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Kind::Iso => &["sx"],
            Kind::Aniso => &["sx", "sy", "theta"],
            Kind::GeneralizedIso | Kind::PlateauIso => &["sx", "beta"],
            Kind::GeneralizedAniso | Kind::PlateauAniso => &["sx", "sy", "theta", "beta"],
            Kind::Sinc => &["cutoff"],
        }
    }
}

/// A kernel's kind, size and parameters; those that its kind does not have are not read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shaped {
    /// The shape.
    pub kind: Kind,
    /// Side, odd.
    pub side: usize,
    /// Sigma along the first axis (of both, for round kinds).
    pub sx: f64,
    /// Sigma along the second axis.
    pub sy: f64,
    /// Turn of the axes, in radians.
    pub theta: f64,
    /// The power.
    pub beta: f64,
    /// Cut-off frequency in radians a pixel.
    pub cutoff: f64,
}

impl Shaped {
    pub(in super::super) fn of(values: &Values) -> Shaped {
        Shaped {
            kind: Kind::of(values.at(0)),
            side: values.at(1) as usize,
            sx: values.at(2),
            sy: values.at(3),
            theta: values.at(4),
            beta: values.at(5),
            cutoff: values.at(6),
        }
    }

    /// The weights, divided by their sum.
    pub fn kernel(&self) -> Kernel {
        let (cos, sin) = (libm::cos(self.theta), libm::sin(self.theta));
        let form = |x: f64, y: f64| match self.kind {
            Kind::Iso | Kind::GeneralizedIso | Kind::PlateauIso => {
                (x * x + y * y) / (self.sx * self.sx)
            }
            _ => {
                let (u, v) = (cos * x + sin * y, cos * y - sin * x);
                u * u / (self.sx * self.sx) + v * v / (self.sy * self.sy)
            }
        };
        Kernel::normalised(self.side, |x, y| match self.kind {
            Kind::Iso | Kind::Aniso => libm::exp(-form(x, y) / 2.0),
            Kind::GeneralizedIso | Kind::GeneralizedAniso => {
                libm::exp(-libm::pow(form(x, y), self.beta) / 2.0)
            }
            Kind::PlateauIso | Kind::PlateauAniso => 1.0 / (libm::pow(form(x, y), self.beta) + 1.0),
            Kind::Sinc => {
                let distance = (x * x + y * y).sqrt();
                let turn = 2.0 * std::f64::consts::PI;
                if distance == 0.0 {
                    self.cutoff * self.cutoff / (2.0 * turn)
                } else {
                    self.cutoff * libm::j1(self.cutoff * distance) / (turn * distance)
                }
            }
        })
    }
}

/// A picture under the kernel, border reflected, not clipped.
pub(in super::super) fn blur(picture: &RgbF32, kernel: &Shaped) -> RgbF32 {
    let (data, shape) = (picture.data(), picture.shape());
    if kernel.kind == Kind::Iso {
        // The only one that is the product of a row and a column.
        let line = gaussian_f32(kernel.sx, kernel.side / 2);
        return picture.with_data(separable(data, shape, &line, &line, Border::Mirror));
    }
    picture.with_data(kernel.kernel().apply(data, shape, Border::Mirror))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_those_of_the_specification() {
        let base = Shaped {
            kind: Kind::Iso,
            side: 7,
            sx: 1.3,
            sy: 0.7,
            theta: 0.9,
            beta: 0.6,
            cutoff: 1.1,
        };
        for (shaped, row, above) in [
            (base, [0.0952743, 0.0708739, 0.0291755, 0.0066462], [0.0527226, 0.0708739, 0.0527226]),
            (
                Shaped { kind: Kind::Aniso, sx: 2.3, ..base },
                [0.1053330, 0.0542977, 0.0074376, 0.0002707],
                [0.0851042, 0.0670103, 0.0140206],
            ),
            (
                Shaped { kind: Kind::GeneralizedIso, sx: 1.7, ..base },
                [0.0454135, 0.0348588, 0.0247331, 0.0168999],
                [0.0304138, 0.0348588, 0.0304138],
            ),
            (
                Shaped { kind: Kind::PlateauIso, sx: 1.1, beta: 1.6, ..base },
                [0.1507140, 0.0867604, 0.0193872, 0.0058432],
                [0.0465950, 0.0867604, 0.0465950],
            ),
            (
                Shaped { kind: Kind::Sinc, ..base },
                [0.0717376, 0.0614207, 0.0362577, 0.0095939],
                [0.0521181, 0.0614207, 0.0521181],
            ),
        ] {
            let weights = shaped.kernel().weights;
            let found = weights[24..28].iter().zip(row).chain(weights[16..19].iter().zip(above));
            for (found, expected) in found {
                assert!((found - expected).abs() < 1e-7, "{:?}: {found} {expected}", shaped.kind);
            }
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn every_word_has_its_kind() {
        for word in KINDS {
            assert_eq!(Kind::named(word).map(Kind::word), Some(word));
        }
        assert_eq!(Kind::named("round"), None);
    }
}
