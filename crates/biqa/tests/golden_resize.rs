//! Every `golden/resize-*` case: levels equal to Pillow 11.3.0, crops equal to torchvision's.

use biqa::golden::{self, Case, GoldenError, Tensor, Tensors};
use biqa::image::Rgb8;
use biqa::resize::{Filter, center_crop, resize, short_side};

/// Names of these folders that are not built yet: (model, issue).
const NOT_BUILT: [(&str, u32); 0] = [];

#[test]
fn golden_every_resize_case_is_equal_in_all_levels() {
    let summary = golden::run(&["resize-"], &NOT_BUILT, |case| match case.model.as_str() {
        "resize" => resize_case(case),
        "center_crop" => center_crop_case(case),
        other => Err(GoldenError::NotBuilt(other.to_owned())),
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 24, "the repository's own copy holds 24 cases");
}

fn image(case: &Case) -> Result<Rgb8, GoldenError> {
    let missing = || GoldenError::Missing { what: "picture", name: "image".into() };
    let (width, height, data) = case.inputs()?.get("image")?.picture().ok_or_else(missing)?;
    Rgb8::new(width, height, data).ok_or_else(missing)
}

fn tensor(picture: &Rgb8) -> Tensor {
    Tensor::of_picture(picture.width(), picture.height(), picture.data())
}

fn code(error: impl std::fmt::Display) -> GoldenError {
    GoldenError::Code(error.to_string())
}

fn resize_case(case: &Case) -> Result<(), GoldenError> {
    let picture = image(case)?;
    let name = case.config.get("filter").cloned().unwrap_or_default();
    let filter: Filter = serde_json::from_value(name).map_err(code)?;
    let (width, height) = match case.integer("short") {
        Ok(short) => short_side(picture.width(), picture.height(), short as u32),
        Err(_) => (case.integer("width")? as u32, case.integer("height")? as u32),
    };
    let found = resize(&picture, width, height, filter).map_err(code)?;
    case.compare_all(&Tensors([("image".to_owned(), tensor(&found))].into()))
}

fn center_crop_case(case: &Case) -> Result<(), GoldenError> {
    let picture = image(case)?;
    let mut found = Tensors::default();
    for name in case.expect.keys() {
        let missing = || GoldenError::Missing { what: "crop size", name: name.clone() };
        let size: [u32; 2] = case
            .config
            .pointer(&format!("/crops/{name}"))
            .and_then(|size| serde_json::from_value(size.clone()).ok())
            .ok_or_else(missing)?;
        let crop = center_crop(&picture, size[1], size[0]).map_err(code)?;
        found.0.insert(name.clone(), tensor(&crop));
    }
    case.compare_all(&found)
}
