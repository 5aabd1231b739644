//! What a view cuts out of small and large, long and tiny pictures.

use super::*;

fn picture(width: u32, height: u32) -> Rgb8 {
    let data = (0..width as usize * height as usize * 3).map(|i| (i % 251) as u8).collect();
    Rgb8::new(width, height, data).expect("the size fits")
}

fn view(policy: Policy) -> View {
    View { policy, filter: Filter::Bicubic, mean: [0.5; 3], std: [0.25; 3] }
}

fn whole() -> View {
    view(Policy::Whole { sizes: vec![64, 32], smallest: 16, details: None })
}

fn shapes(cut: &Cut) -> Vec<Vec<(u32, u32)>> {
    cut.looks.iter().map(|c| c.iter().map(|p| (p.width(), p.height())).collect()).collect()
}

#[test]
fn a_large_picture_is_reduced_and_a_small_one_left_alone() {
    let cut = whole().apply(&picture(200, 100)).expect("a view");
    assert_eq!(shapes(&cut), [[(128, 64), (64, 32)]]);
    let cut = whole().apply(&picture(40, 40)).expect("a view");
    assert_eq!(shapes(&cut), [[(40, 40), (32, 32)]]);
    assert_eq!(cut.looks[0][0], picture(40, 40));
    assert!(cut.notes.is_empty());
}

#[test]
fn a_tiny_picture_is_enlarged_and_says_so() {
    let cut = whole().apply(&picture(1, 1)).expect("a view");
    assert_eq!(shapes(&cut), [[(16, 16), (16, 16)]]);
    assert_eq!(cut.notes, ["small: enlarged 1 to 16 pixels"]);
}

#[test]
fn a_very_long_picture_is_seen_through_windows_that_reach_both_ends() {
    let long = picture(1, 60_000);
    let cut = whole().apply(&long).expect("a view");
    assert_eq!(shapes(&cut), [[(16, 48); 2]; 8]);
    assert_eq!(spaced(59_997, 0, 8), 0);
    assert_eq!(spaced(59_997, 7, 8), 59_997);
}

#[test]
fn a_large_picture_gets_close_looks_beside_the_whole() {
    let details = Some(Details { from: 100, crop: 64, columns: 2, rows: 1 });
    let view = view(Policy::Whole { sizes: vec![64, 32], smallest: 16, details });
    let large = picture(200, 100);
    let cut = view.apply(&large).expect("a view");
    assert_eq!(shapes(&cut), [[(128, 64), (64, 32)], [(64, 64), (32, 32)], [(64, 64), (32, 32)]]);
    assert_eq!(cut.looks[1][0].pixel(0, 0), large.pixel(50 - 32, 50 - 32));
    assert_eq!(cut.looks[2][0].pixel(0, 0), large.pixel(150 - 32, 50 - 32));
    assert_eq!(cut.notes, ["large: 2 close looks beside the whole"]);
    assert_eq!(view.apply(&picture(200, 99)).expect("a view").looks.len(), 1);
}

#[test]
fn a_grid_reaches_every_edge() {
    let policy = Policy::Grid(Grid::of(10, [3, 2]));
    let source = picture(25, 17);
    let cut = view(policy).apply(&source).expect("a view");
    let crops = cut.looks.concat();
    assert_eq!(crops.len(), 6);
    assert_eq!(crops[0].pixel(0, 0), source.pixel(0, 0));
    assert_eq!(crops[2].pixel(9, 0), source.pixel(24, 0));
    assert_eq!(crops[3].pixel(0, 9), source.pixel(0, 16));
    assert_eq!(crops[5].pixel(9, 9), source.pixel(24, 16));
}

#[test]
fn a_grid_of_a_very_long_picture_stays_small() {
    let policy = Policy::Grid(Grid::of(10, [2, 1]));
    let cut = view(policy).apply(&picture(60_000, 1)).expect("a view");
    assert_eq!(cut.looks.len(), 16);
    assert_eq!(cut.notes.len(), 2);
}

#[test]
fn every_size_up_to_40_has_a_view() {
    for policy in [
        Policy::Whole {
            sizes: vec![24, 12],
            smallest: 8,
            details: Some(Details { from: 30, crop: 24, columns: 2, rows: 1 }),
        },
        Policy::Grid(Grid { short_side: Some(12), ..Grid::of(9, [2, 3]) }),
    ] {
        let view = view(policy);
        for width in 1..40 {
            for height in 1..40 {
                let cut = view.apply(&picture(width, height)).expect("a view");
                assert!(cut.looks.iter().all(|look| !look.is_empty()), "{width}x{height}");
            }
        }
    }
}

#[test]
fn crop_addresses_give_the_worked_example() {
    // papers/protocol.md, 2.4.
    let path = "1024x768/10004473376.jpg";
    let honest = CropAddress { seed: 0, path, number: 0, epoch: None };
    assert_eq!(honest.offset([768, 1024], [224, 224]), Some((419, 515)));
    let published = CropAddress { epoch: Some(7), ..honest };
    assert_eq!(published.offset([768, 1024], [224, 224]), Some((213, 754)));
    assert_eq!(published.offset([100, 1024], [224, 224]), None);
}

#[test]
fn tensors_are_normalised_by_channel() {
    let picture = Rgb8::new(2, 1, vec![0, 51, 102, 153, 204, 255]).expect("two pixels");
    let expected = [-2.0, 0.4, -1.2, 1.2, -0.4, 2.0];
    let tensor = whole().to_tensor(&picture);
    assert!(tensor.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6));
}

#[test]
fn a_view_without_sizes_is_refused() {
    let none = view(Policy::Whole { sizes: vec![], smallest: 16, details: None });
    assert!(none.apply(&picture(4, 4)).is_err());
}

#[test]
fn a_squeezed_grid_has_one_size_whatever_the_picture() {
    let squeeze = Some([24, 32]);
    let policy = Policy::Grid(Grid { squeeze, ..Grid::of(20, [2, 1]) });
    let view = view(policy);
    for (width, height) in [(100, 10), (10, 100), (24, 32), (1, 400)] {
        let source = picture(width, height);
        let cut = view.apply(&source).expect("a view");
        assert_eq!(shapes(&cut), [[(20, 20)], [(20, 20)]], "{width}x{height}");
        let whole = resize(&source, 24, 32, view.filter).expect("small");
        assert_eq!(cut.looks[1][0].pixel(0, 0), whole.pixel(4, 6));
    }
}

/// torchvision's FiveCrop of 51 x 40: 19 and 8 pixels are over.
#[test]
fn four_corners_and_the_centre_are_a_grid_with_one_more() {
    assert_eq!([0, 1, 2, 3, 4, 5, 7].map(centred), [0, 0, 1, 2, 2, 2, 4]);
    let grid = Grid { centre: true, ..Grid::of(32, [2, 2]) };
    let view = view(Policy::Grid(grid));
    let source = picture(51, 40);
    let cut = view.apply(&source).expect("a view");
    let places = [(0, 0), (19, 0), (0, 8), (19, 8), (10, 4)];
    assert_eq!(cut.looks.len(), places.len());
    for (found, (left, top)) in cut.looks.iter().zip(places) {
        assert_eq!(found[0], crop(&source, left, top, 32, 32).expect("it fits"));
    }
    assert_eq!(view.label(), "grid 2x2 and centre of 32");
}

#[test]
fn a_grid_that_contradicts_itself_is_refused() {
    let grid = Grid::of(20, [2, 1]);
    for bad in [
        Grid { squeeze: Some([19, 40]), ..grid },
        Grid { squeeze: Some([5000, 40]), ..grid },
        Grid { squeeze: Some([40, 40]), short_side: Some(30), ..grid },
        Grid { crop: 0, ..grid },
        Grid { rows: 0, ..grid },
    ] {
        assert!(view(Policy::Grid(bad.clone())).check().is_err(), "{bad:?}");
    }
}
