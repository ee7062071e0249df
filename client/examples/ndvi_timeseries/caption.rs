//! What is written around the picture.

use super::input::Input;
use super::plot::Caption;
use super::series::Series;
use dasklike::Dataset;
use dasklike::array::time;

/// Title, what was computed, and whose data it is.
pub(crate) fn caption(cube: &Dataset, input: &Input, series: &Series, pixels: &str) -> Caption {
    let store = cube
        .location()
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let mask = match &input.bands().mask {
        Some((mask, keep)) => {
            let keep: Vec<String> = keep.iter().map(i64::to_string).collect();
            format!("classes {} of {mask}", keep.join(", "))
        }
        None => "no mask".to_owned(),
    };
    let steps = series.times.len();
    let what = if synthetic(cube) {
        "a synthetic cube"
    } else {
        store.trim_end_matches(".zarr")
    };
    let plural = if steps == 1 { "" } else { "s" };
    let undated = series.times.iter().filter(|t| **t == time::NAT).count();
    let undated = match undated {
        0 => String::new(),
        n => format!(" ({n} without a time, not drawn)"),
    };
    Caption {
        title: format!("NDVI of {what}"),
        subtitle: text(cube, "title").unwrap_or_default(),
        detail: format!("{steps} step{plural}{undated}, {pixels} pixels, {mask}"),
        credit: credit(cube, series),
    }
}

fn text(cube: &Dataset, attribute: &str) -> Option<String> {
    cube.attrs()
        .get(attribute)
        .and_then(|v| v.as_str())
        .map(str::to_owned)
}

fn mentions(cube: &Dataset, word: &str) -> bool {
    cube.attrs()
        .values()
        .filter_map(|v| v.as_str())
        .any(|text| text.to_lowercase().contains(word))
}

fn synthetic(cube: &Dataset) -> bool {
    mentions(cube, "synthetic")
}

/// Synthetic data says that it is; Copernicus data is credited as its licence asks; others by their source.
fn credit(cube: &Dataset, series: &Series) -> String {
    if synthetic(cube) {
        return "Synthetic data: computed, not observed".to_owned();
    }
    if mentions(cube, "sentinel") || mentions(cube, "copernicus") {
        let dated = || series.times.iter().filter(|t| **t != time::NAT);
        let year = |t: Option<&i64>| t.map(|t| time::civil(*t).year());
        return match (year(dated().min()), year(dated().max())) {
            (Some(a), Some(b)) if a == b => {
                format!("Contains modified Copernicus Sentinel data {a}")
            }
            (Some(a), Some(b)) => format!("Contains modified Copernicus Sentinel data {a}-{b}"),
            _ => "Contains modified Copernicus Sentinel data".to_owned(),
        };
    }
    text(cube, "source")
        .map(|source| format!("Source: {source}"))
        .unwrap_or_default()
}
