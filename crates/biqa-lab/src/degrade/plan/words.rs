//! Plans as text: a name, then what differs from its paper's choice, as parameters in an address:
//! `qpt+draws=3+orders=2`. For command lines and for telling runs apart.

use super::{Plan, QptSpace};
use std::fmt;
use std::str::FromStr;

/// An address holds so many operations; no plan may ask for more.
const MOST: u32 = 64;

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('+');
        let name = parts.next().unwrap_or_default();
        let mut plan = Plan::named(name)
            .ok_or_else(|| format!("expected one of {}, found {name:?}", Plan::NAMES.join(", ")))?;
        for part in parts {
            let number = part.split_once('=').and_then(|(key, v)| Some((key, v.parse().ok()?)));
            let (key, value) = number
                .ok_or_else(|| format!("expected NAME=NUMBER after {name}, found {part:?}"))?;
            plan.set(key, value)
                .map_err(|expected| format!("of {name} there are {expected}; found {part:?}"))?;
        }
        match plan.most() {
            most if most <= MOST => Ok(plan),
            most => Err(format!("{text} may need {most} operations, an address holds {MOST}")),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = |name: &str| Plan::named(name).as_ref() == Some(self);
        if let Some(name) = Plan::NAMES.into_iter().find(|name| usual(name)) {
            return f.write_str(name);
        }
        match *self {
            Plan::Qpt { space, draws, orders, distinct } => {
                let space = if space == QptSpace::Qpt29 { 29 } else { 26 };
                let distinct = u8::from(distinct);
                write!(f, "qpt+space={space}+draws={draws}+orders={orders}+distinct={distinct}")
            }
            Plan::Shuffle { orders } => write!(f, "shuffle+orders={orders}"),
            Plan::Groups { most } => write!(f, "groups+most={most}"),
            Plan::RealEsrgan { scale } => write!(f, "real-esrgan+scale={scale}"),
            Plan::Bsrgan { scale } => write!(f, "bsrgan+scale={scale}"),
            Plan::BsrganPlus { scale } => write!(f, "bsrgan-plus+scale={scale}"),
        }
    }
}

impl Plan {
    /// Sets a parameter, or says which there are.
    fn set(&mut self, key: &str, value: u32) -> Result<(), &'static str> {
        match self {
            Plan::Qpt { space, draws, orders, distinct } => match (key, value) {
                ("space", 29) => *space = QptSpace::Qpt29,
                ("space", 26) => *space = QptSpace::Qpt26,
                ("draws", 1..=MOST) => *draws = value,
                ("orders", 1..=MOST) => *orders = value,
                ("distinct", 0 | 1) => *distinct = value == 1,
                _ => return Err("space=29 or 26, draws, orders of 1 to 64, distinct=0 or 1"),
            },
            Plan::Shuffle { orders } => match (key, value) {
                ("orders", 1..=MOST) => *orders = value,
                _ => return Err("orders of 1 to 64"),
            },
            Plan::Groups { most } => match (key, value) {
                ("most", 1..=7) => *most = value,
                _ => return Err("most of 1 to 7"),
            },
            Plan::RealEsrgan { scale } | Plan::Bsrgan { scale } | Plan::BsrganPlus { scale } => {
                match (key, value) {
                    ("scale", 1 | 2 | 4) => *scale = value,
                    _ => return Err("scale=1, 2 or 4"),
                }
            }
        }
        Ok(())
    }

    /// The most operations that it may ask for; 0 of chains, which are short.
    fn most(&self) -> u32 {
        match *self {
            Plan::Qpt { draws, orders, .. } => draws.saturating_mul(orders),
            Plan::Shuffle { orders } => (super::kadid().count() as u32).saturating_mul(orders),
            Plan::Groups { most } => most,
            Plan::RealEsrgan { .. } | Plan::Bsrgan { .. } | Plan::BsrganPlus { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        for text in [
            "qpt",
            "qpt+space=26+draws=3+orders=2+distinct=1",
            "shuffle+orders=2",
            "groups+most=7",
            "real-esrgan+scale=4",
            "bsrgan+scale=2",
            "bsrgan-plus+scale=4",
        ] {
            let plan: Plan = text.parse().expect(text);
            assert_eq!(plan.to_string(), text);
        }
        let plan: Plan = "qpt+draws=5+orders=1".parse().expect("the usual one, said at length");
        assert_eq!(plan.to_string(), "qpt");
    }

    #[test]
    fn what_will_not_do_is_named() {
        for (text, words) in [
            ("qtp", "expected one of qpt, shuffle"),
            ("qpt+draws", "expected NAME=NUMBER after qpt, found \"draws\""),
            ("qpt+most=3", "of qpt there are space=29 or 26, draws"),
            ("qpt+draws=40+orders=2", "may need 80 operations, an address holds 64"),
            ("shuffle+orders=3", "may need 75 operations"),
            ("bsrgan+scale=3", "of bsrgan there are scale=1, 2 or 4"),
        ] {
            let error = text.parse::<Plan>().expect_err(text);
            assert!(error.contains(words), "{error}");
        }
    }
}
