//! What addresses are read and written, and what is said of those that are none.

use super::*;
use proptest::prelude::*;

const KEY: &str = "51e391730a2f9872";

fn canonical(items: &str) -> String {
    format!("d1/{KEY}/{items}").parse::<Address>().expect("a good address").to_string()
}

#[test]
fn good_addresses_print_as_they_are() {
    for items in [
        "-",
        "kadid:jpeg@3",
        "kadid:gaussian_blur@1/kadid:noise_white@5/kadid:darken@2",
        "kadid:jpeg+q=20",
        "kadid:noise_white+var=0.00001",
        "kadid:brighten+n=0.33333334",
        "kadid:motion_blur@4+angle=40",
        "kadid:color_shift@5+dy=0+dx=12",
        "re:jpeg+q=47.25",
        "re:jpeg+q=47.25+tables=standard",
        "re:blur+kind=sinc+ksize=13+cutoff=2",
        "re:resize+h=38+w=67+mode=area/re:round/kadid:stretch",
        "qpt:motion_blur@5+len=5.771199+angle=62.916786",
    ] {
        assert_eq!(canonical(items), format!("d1/{KEY}/{items}"));
    }
}

#[test]
fn numbers_print_in_the_shortest_form() {
    assert_eq!(
        canonical("kadid:gaussian_blur+sigma=03.000"),
        format!("d1/{KEY}/kadid:gaussian_blur+sigma=3")
    );
    assert_eq!(canonical("kadid:darken+n=-0"), format!("d1/{KEY}/kadid:darken+n=0"));
    assert_eq!(
        canonical("kadid:darken+n=0.333333333333"),
        format!("d1/{KEY}/kadid:darken+n=0.33333334")
    );
}

#[test]
fn what_is_left_out_is_drawn_or_known_and_printed_in_order() {
    for (text, printed) in [
        ("kadid:motion_blur@4", "kadid:motion_blur@4+angle=40"),
        ("kadid:color_shift@5", "kadid:color_shift@5+dy=12+dx=2"),
        ("-", "-"),
        ("kadid:motion_blur+angle=3+len=5", "kadid:motion_blur+len=5+angle=3"),
        ("re:jpeg+tables=released+q=30", "re:jpeg+q=30"),
        ("re:noise+gray=1+sigma=12.50", "re:noise+sigma=12.5+gray=1"),
    ] {
        assert_eq!(canonical(text), format!("d1/{KEY}/{printed}"));
    }
    let second = canonical("kadid:jpeg@1/kadid:color_shift@5");
    assert_eq!(second, format!("d1/{KEY}/kadid:jpeg@1/kadid:color_shift@5+dy=0+dx=12"));
}

#[test]
fn errors_name_the_position() {
    for (text, position) in [
        ("", 0),
        ("d2/51e391730a2f9872/-", 0),
        ("d1", 2),
        ("d1/51E391730a2f9872/-", 5),
        ("d1/51e391730a2f987/-", 3),
        ("d1/51e391730a2f9872", 19),
        ("d1/51e391730a2f9872/", 20),
        ("d1/51e391730a2f9872/-/kadid:jpeg@1", 22),
        ("d1/51e391730a2f9872/kadid:jpeg", 30),
        ("d1/51e391730a2f9872/kadid:jpeg@6", 31),
        ("d1/51e391730a2f9872/kadid:jpeg@3+q=20", 33),
        ("d1/51e391730a2f9872/kadid:jpeg+q=20.5", 33),
        ("d1/51e391730a2f9872/kadid:jpeg+q=inf", 33),
        ("d1/51e391730a2f9872/kadid:jpeg+sigma=2", 31),
        ("d1/51e391730a2f9872/kadid:no_such@2", 20),
        ("d1/51e391730a2f9872/kadid:jpeg@1/blur", 33),
        ("d1/51e391730a2f9872/re:round@1", 28),
        ("d1/51e391730a2f9872/qpt:usm_sharpen+c=1", 36),
        ("d1/51e391730a2f9872/re:noise+sigma=3", 36),
        ("d1/51e391730a2f9872/re:noise+sigma=3+sigma=3", 37),
        ("d1/51e391730a2f9872/re:blur+kind=round+ksize=7", 33),
        ("d1/51e391730a2f9872/re:blur+kind=iso+ksize=8+sx=1", 49),
        ("d1/51e391730a2f9872/re:blur+kind=iso+ksize=7+sx=1+beta=2", 56),
        ("d1/51e391730a2f9872/re:resize+h=3+scale=2+mode=area", 51),
        ("d1/51e391730a2f9872/re:jpeg+q=100", 30),
    ] {
        match text.parse::<Address>() {
            Err(DegradeError::Address { position: found, .. }) => {
                assert_eq!(found, position, "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn operations_that_are_not_computed_are_unavailable_not_unknown() {
    for op in ["reiqa:jitter@4", "arniqa:lens_blur@1"] {
        let error = format!("d1/{KEY}/{op}").parse::<Address>().expect_err("not computed");
        assert!(matches!(error, DegradeError::Unavailable { position: 20, .. }), "{error}");
    }
}

#[test]
fn limits_on_length_hold() {
    let items = vec!["kadid:jpeg@1"; 65].join("/");
    assert!(format!("d1/{KEY}/{items}").parse::<Address>().is_err());
    let most = vec!["kadid:jpeg@1"; 64].join("/");
    assert!(format!("d1/{KEY}/{most}").parse::<Address>().is_ok());
    // 4,096 bytes, and one more, by the digits of a number.
    let with = |bytes: usize| {
        let begin = format!("d1/{KEY}/kadid:jpeg@1/kadid:gaussian_blur+sigma=1.");
        format!("{begin}{}", "0".repeat(bytes - begin.len()))
    };
    assert!(with(MAX_BYTES).parse::<Address>().is_ok());
    let error = with(MAX_BYTES + 1).parse::<Address>().expect_err("too long").to_string();
    assert!(error.contains("4097 bytes") && error.contains("at most 4096 bytes"), "{error}");
}

#[test]
fn an_address_whose_draws_make_it_too_long_is_refused() {
    let of = |n: usize| format!("d1/{KEY}/{}", vec!["qpt:advanced_blur@1"; n].join("/"));
    let printed = of(30).parse::<Address>().expect("short enough").to_string();
    assert_eq!(printed.parse::<Address>().expect("as printed").to_string(), printed);
    let error = of(64).parse::<Address>().expect_err("too long").to_string();
    assert!(error.contains("with what is drawn"), "{error}");
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,60}") {
        let _ = text.parse::<Address>();
    }

    #[test]
    fn printing_what_was_parsed_is_stable(
        body in "[a-z0-9_:./@+=-]{0,30}",
        op in 0..super::super::distortions().count(),
        level in 1..=5,
    ) {
        let op = super::super::distortions().nth(op).expect("in the table");
        let name = op.full_name();
        let first = op.parameters.first().map_or("n", |p| p.name);
        for text in [
            format!("d1/{KEY}/{name}{body}"),
            format!("d1/{KEY}/{name}@{level}"),
            format!("d1/{KEY}/{name}@{level}+{body}"),
            format!("d1/{KEY}/{name}+{first}=0.{body}"),
        ] {
            if let Ok(address) = text.parse::<Address>() {
                let printed = address.to_string();
                prop_assert_eq!(printed.parse::<Address>(), Ok(address));
            }
        }
    }

    #[test]
    fn every_value_survives_printing(value in 0.01_f32..100.0) {
        let op = distortion("kadid", "gaussian_blur").expect("built");
        let strength = super::super::Strength::Value(value);
        let values = op.values_of(strength, &Key(7).at(0)).expect("in range");
        let items = vec![Item { op, level: None, values }];
        let address = Address { key: Key(7), items };
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }
}
