//! The computation: what a user of the lazy arrays writes.

use dasklike::{DataArray, Dataset};

/// Names of the bands, and which classes of the mask count as clear.
pub(crate) struct Bands {
    pub(crate) red: String,
    pub(crate) nir: String,
    /// The mask's name and the classes to keep; `None` takes every pixel.
    pub(crate) mask: Option<(String, Vec<i64>)>,
}

/// NDVI over the clear pixels of every time step: mean, standard deviation, least, greatest, and their number.
pub(crate) fn ndvi_series(cube: &Dataset, bands: &Bands) -> [DataArray; 5] {
    let (red, nir) = (&cube[bands.red.as_str()], &cube[bands.nir.as_str()]);
    let sum = nir + red;
    let mut clear = sum.ne(0);
    if let Some((mask, keep)) = &bands.mask {
        clear = clear & cube[mask.as_str()].isin(keep.iter().copied());
    }
    let ndvi = ((nir - red) / sum).where_(clear);
    let pixels = ndvi.dims_except("time");
    [
        ndvi.mean(&pixels).rename("mean"),
        ndvi.std(&pixels, 0).rename("std"),
        ndvi.min(&pixels).rename("min"),
        ndvi.max(&pixels).rename("max"),
        ndvi.count(&pixels).rename("count"),
    ]
}
