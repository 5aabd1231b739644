//! Colour profiles: reading one, naming it, and deciding what is done with it
//! (papers/images.md, section 3).

use std::panic::{AssertUnwindSafe, catch_unwind};

use moxcms::{
    ColorProfile, DataColorSpace, LutWarehouse, ParsingOptions, ProfileClass, ProfileText,
    ToneReprCurve,
};

use super::color::{Conversion, Curve};
use super::lut::Lut;
use super::native::{FoundProfile, Model};
use super::picture::{Profile, Warning, WarningKind};

/// What becomes of the file's profile.
pub(super) struct Verdict {
    pub(super) profile: Profile,
    pub(super) conversion: Option<Conversion>,
    pub(super) warning: Option<Warning>,
}

impl Verdict {
    fn plain(profile: Profile) -> Self {
        Self { profile, conversion: None, warning: None }
    }

    fn warned(profile: Profile, kind: WarningKind, text: &str) -> Self {
        Self { profile, conversion: None, warning: Some(Warning::new(kind, text)) }
    }
}

/// `wide`: the picture has 16-bit samples.
pub(super) fn judge(found: &FoundProfile, model: Model, wide: bool) -> Verdict {
    let unreadable = || {
        Verdict::warned(
            Profile::Unreadable,
            WarningKind::IccUnreadable,
            "the colour profile is unreadable; the values are taken as sRGB",
        )
    };
    match found {
        FoundProfile::None => Verdict::plain(Profile::None),
        FoundProfile::Srgb => Verdict::plain(Profile::Srgb),
        FoundProfile::Unreadable => unreadable(),
        // A third-party parser reads bytes of anybody here: a panic is an unreadable profile.
        FoundProfile::Icc(bytes) => catch_unwind(AssertUnwindSafe(|| read(bytes, model, wide)))
            .ok()
            .flatten()
            .unwrap_or_else(unreadable),
    }
}

/// `None`: unreadable.
fn read(bytes: &[u8], model: Model, wide: bool) -> Option<Verdict> {
    // The profile's own size field and signature are not looked at by the parser.
    if bytes.len() < 128 || &bytes[36..40] != b"acsp" {
        return None;
    }
    let options = ParsingOptions { max_profile_size: usize::MAX, ..ParsingOptions::default() };
    let icc = ColorProfile::new_from_slice_with_options(bytes, options).ok()?;
    let name = name(&icc);

    let fits_class = matches!(
        icc.profile_class,
        ProfileClass::InputDevice
            | ProfileClass::DisplayDevice
            | ProfileClass::OutputDevice
            | ProfileClass::ColorSpace
    );
    let space = match model {
        Model::Gray => DataColorSpace::Gray,
        Model::Rgb => DataColorSpace::Rgb,
        Model::Cmyk => DataColorSpace::Cmyk,
    };
    if !fits_class || icc.color_space != space {
        let text = format!("the colour profile \"{name}\" does not fit the picture; it is ignored");
        return Some(Verdict::warned(Profile::Named(name), WarningKind::IccMismatch, &text));
    }

    let table = icc.lut_a_to_b_colorimetric.as_ref().or(icc.lut_a_to_b_perceptual.as_ref());
    let conversion = match model {
        Model::Gray => Conversion::gray(curve_from(icc.gray_trc.as_ref()?)?, wide),
        Model::Rgb => {
            if let Some(lut) = table.and_then(|table| lut(table, 3, icc.pcs)) {
                Some(Conversion::lut(lut))
            } else {
                let curves = [&icc.red_trc, &icc.green_trc, &icc.blue_trc];
                let [r, g, b] = curves.map(|curve| curve_from(curve.as_ref()?));
                let matrix = icc.colorant_matrix().v;
                // Colorants that are absent are zeros: no matrix profile.
                if matrix.iter().any(|row| row.iter().all(|&v| v == 0.0)) {
                    return None;
                }
                Conversion::matrix([r?, g?, b?], matrix, wide)
            }
        }
        Model::Cmyk => {
            if let Some(lut) = table.and_then(|table| lut(table, 4, icc.pcs)) {
                Some(Conversion::lut(lut))
            } else {
                let text =
                    format!("the CMYK profile \"{name}\" cannot be applied; plain formula used");
                return Some(Verdict::warned(
                    Profile::Named(name),
                    WarningKind::IccUnsupported,
                    &text,
                ));
            }
        }
    };
    let profile = if conversion.is_some() { Profile::Named(name) } else { Profile::Srgb };
    Some(Verdict { profile, conversion, warning: None })
}

fn lut(table: &LutWarehouse, inputs: usize, pcs: DataColorSpace) -> Option<Lut> {
    match table {
        LutWarehouse::Lut(data) => Lut::from_tables(data, inputs, pcs),
        LutWarehouse::Multidimensional(data) => Lut::from_a_to_b(data, inputs, pcs),
    }
}

/// `None` where the curve makes no sense.
pub(super) fn curve_from(curve: &ToneReprCurve) -> Option<Curve> {
    match curve {
        ToneReprCurve::Lut(table) => Some(match table.as_slice() {
            [] => Curve::Identity,
            // One entry is an exponent in u8Fixed8.
            [gamma] => Curve::Gamma(f64::from(*gamma) / 256.0),
            table => Curve::Table(table.iter().map(|&v| f32::from(v) / 65535.0).collect()),
        }),
        ToneReprCurve::Parametric(params) => {
            if params.iter().any(|v| !v.is_finite()) {
                return None;
            }
            let p: Vec<f64> = params.iter().map(|&v| f64::from(v)).collect();
            // Below d the curve is c x + f (ICC.1:2022, table 68).
            match p[..] {
                [g] => Some(Curve::Gamma(g)),
                [g, a, b] if a != 0.0 => Some(Curve::Parametric([g, a, b, 0.0, -b / a, 0.0, 0.0])),
                [g, a, b, c] if a != 0.0 => Some(Curve::Parametric([g, a, b, 0.0, -b / a, c, c])),
                [g, a, b, c, d] => Some(Curve::Parametric([g, a, b, c, d, 0.0, 0.0])),
                [g, a, b, c, d, e, f] => Some(Curve::Parametric([g, a, b, c, d, e, f])),
                _ => None,
            }
        }
    }
}

/// The profile's description, one line, at most 80 characters.
fn name(icc: &ColorProfile) -> String {
    let text = match &icc.description {
        Some(ProfileText::PlainString(text)) => text.as_str(),
        Some(ProfileText::Localizable(list)) => {
            let english = list.iter().find(|text| text.language == "en").or(list.first());
            english.map_or("", |text| text.value.as_str())
        }
        Some(ProfileText::Description(text)) => text.ascii_string.as_str(),
        None => "",
    };
    let clean: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    match clean.trim() {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}
