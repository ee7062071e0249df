//! The lazy array.

use super::coord::Coord;
use super::error::ArrayError;
use super::expr::Expr;
use dasklike_graph::dtype::DType;
use dasklike_graph::plan::{Dim, Meta};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Attributes of an array or a dataset, as the store has them.
pub type Attrs = Map<String, Value>;

/// Coordinates by dim.
pub(crate) type Coords = BTreeMap<Dim, Arc<Coord>>;

/// A lazy array with named dims: an expression, and what is known of its result. Cloning is cheap.
///
/// Operators and methods that cannot return a `Result` put the first error into the array they return; it is
/// reported when the array is computed or explained, or by [`DataArray::check`]. Such an array has no dims.
#[derive(Clone)]
pub struct DataArray(Result<Arc<Inner>, Arc<ArrayError>>);

#[derive(Clone)]
struct Inner {
    name: Option<Arc<str>>,
    expr: Arc<Expr>,
    coords: Coords,
    attrs: Arc<Attrs>,
}

impl DataArray {
    /// An array of an expression. Coordinates of dims that it does not have are dropped.
    pub(crate) fn new(
        name: Option<Arc<str>>,
        expr: Arc<Expr>,
        mut coords: Coords,
        attrs: Arc<Attrs>,
    ) -> DataArray {
        coords.retain(|dim, _| expr.meta.dims.contains(dim));
        DataArray(Ok(Arc::new(Inner {
            name,
            expr,
            coords,
            attrs,
        })))
    }

    /// An array that only carries an error.
    pub(crate) fn poisoned(error: ArrayError) -> DataArray {
        DataArray(Err(Arc::new(error)))
    }

    /// What `build` returns, or its error inside an array.
    pub(crate) fn lift(build: impl FnOnce() -> Result<DataArray, ArrayError>) -> DataArray {
        build().unwrap_or_else(DataArray::poisoned)
    }

    fn inner(&self) -> Result<&Inner, ArrayError> {
        self.0.as_deref().map_err(|e| (**e).clone())
    }

    pub(crate) fn expr(&self) -> Result<&Arc<Expr>, ArrayError> {
        Ok(&self.inner()?.expr)
    }

    pub(crate) fn meta(&self) -> Result<&Meta, ArrayError> {
        Ok(&self.expr()?.meta)
    }

    pub(crate) fn coords(&self) -> Result<&Coords, ArrayError> {
        Ok(&self.inner()?.coords)
    }

    /// The same array with another expression of the same dims; name, coordinates and attributes stay.
    pub(crate) fn with_expr(&self, expr: Arc<Expr>) -> Result<DataArray, ArrayError> {
        let inner = self.inner()?;
        Ok(DataArray::new(
            inner.name.clone(),
            expr,
            inner.coords.clone(),
            inner.attrs.clone(),
        ))
    }

    /// The same array with other coordinates too.
    pub(crate) fn with_expr_and_coords(
        &self,
        expr: Arc<Expr>,
        coords: Coords,
    ) -> Result<DataArray, ArrayError> {
        let inner = self.inner()?;
        Ok(DataArray::new(
            inner.name.clone(),
            expr,
            coords,
            inner.attrs.clone(),
        ))
    }

    /// The error that the array carries, if an operation on the way to it failed.
    pub fn check(&self) -> Result<(), ArrayError> {
        self.inner().map(|_| ())
    }

    /// The name: the variable's, until arrays of different names are combined.
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref().ok().and_then(|i| i.name.as_deref())
    }

    /// The dims' names, in order.
    pub fn dims(&self) -> &[Dim] {
        self.0.as_ref().map_or(&[], |i| &i.expr.meta.dims)
    }

    /// Elements along each dim.
    pub fn shape(&self) -> &[u64] {
        self.0.as_ref().map_or(&[], |i| &i.expr.meta.shape)
    }

    /// All dims but `dim`.
    pub fn dims_except(&self, dim: &str) -> Vec<Dim> {
        self.dims()
            .iter()
            .filter(|d| &***d != dim)
            .cloned()
            .collect()
    }

    /// The dtype of the result.
    pub fn dtype(&self) -> Result<DType, ArrayError> {
        Ok(self.meta()?.dtype)
    }

    /// The coordinate of a dim, if it has one.
    pub fn coord(&self, dim: &str) -> Option<&Coord> {
        self.0
            .as_ref()
            .ok()
            .and_then(|i| i.coords.get(dim))
            .map(|c| &**c)
    }

    /// The attributes.
    pub fn attrs(&self) -> &Attrs {
        static NONE: std::sync::LazyLock<Attrs> = std::sync::LazyLock::new(Attrs::new);
        self.0.as_ref().map_or(&NONE, |i| &i.attrs)
    }

    /// The same array under another name.
    pub fn rename(&self, name: &str) -> DataArray {
        DataArray(self.0.clone().map(|i| {
            Arc::new(Inner {
                name: Some(name.into()),
                ..(*i).clone()
            })
        }))
    }

    /// The same array with `coord` for the labels of `dim`.
    pub fn with_coord(&self, dim: &str, coord: Coord) -> Result<DataArray, ArrayError> {
        let inner = self.inner()?;
        let size = size_of(&inner.expr.meta, dim)?;
        if coord.len() as u64 != size {
            return Err(ArrayError::CoordLength {
                dim: dim.to_owned(),
                have: coord.len(),
                size,
            });
        }
        let mut coords = inner.coords.clone();
        coords.insert(dim.into(), Arc::new(coord));
        self.with_expr_and_coords(inner.expr.clone(), coords)
    }

    /// The same array without the labels of `dim`.
    pub fn without_coord(&self, dim: &str) -> DataArray {
        DataArray(self.0.clone().map(|i| {
            let mut inner = (*i).clone();
            inner.coords.remove(dim);
            Arc::new(inner)
        }))
    }
}

impl fmt::Debug for DataArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Err(e) => write!(f, "DataArray({e})"),
            Ok(i) => {
                let meta = &i.expr.meta;
                let dims: Vec<String> = meta
                    .dims
                    .iter()
                    .zip(&meta.shape)
                    .map(|(d, n)| format!("{d}: {n}"))
                    .collect();
                write!(
                    f,
                    "DataArray {:?} ({}) {}",
                    self.name().unwrap_or(""),
                    dims.join(", "),
                    meta.dtype
                )
            }
        }
    }
}

/// The size of a dim, or the error that names the dims there are.
pub(crate) fn size_of(meta: &Meta, dim: &str) -> Result<u64, ArrayError> {
    meta.size_of(dim).ok_or_else(|| {
        let have = if meta.dims.is_empty() {
            "none".to_owned()
        } else {
            meta.dims.join(", ")
        };
        dasklike_graph::plan::PlanError::UnknownDim {
            dim: dim.to_owned(),
            have,
        }
        .into()
    })
}

/// The coordinates of a result of several arrays. Labels of a dim that two of them have must be equal: aligning
/// by label is the user's decision.
pub(crate) fn merge_coords(arrays: &[&DataArray]) -> Result<Coords, ArrayError> {
    let mut merged = Coords::new();
    for array in arrays {
        for (dim, coord) in array.coords()? {
            match merged.get(dim) {
                None => {
                    merged.insert(Arc::clone(dim), Arc::clone(coord));
                }
                Some(have) if have.same(coord) => {}
                Some(have) => {
                    let detail = have.difference(coord);
                    return Err(ArrayError::Coords {
                        dim: dim.to_string(),
                        detail,
                    });
                }
            }
        }
    }
    Ok(merged)
}

/// As xarray: the name that all have, and the attributes on which none disagrees.
pub(crate) fn merge_names(arrays: &[&DataArray]) -> (Option<Arc<str>>, Arc<Attrs>) {
    let inners: Vec<&Inner> = arrays.iter().filter_map(|a| a.0.as_deref().ok()).collect();
    let Some((first, rest)) = inners.split_first() else {
        return (None, Arc::default());
    };
    let name = first
        .name
        .clone()
        .filter(|n| rest.iter().all(|i| i.name.as_ref() == Some(n)));
    if rest.iter().all(|i| i.attrs == first.attrs) {
        return (name, first.attrs.clone());
    }
    let mut attrs = Attrs::new();
    for (key, value) in inners.iter().flat_map(|i| i.attrs.iter()) {
        if inners
            .iter()
            .all(|i| i.attrs.get(key).is_none_or(|v| v == value))
        {
            attrs.insert(key.clone(), value.clone());
        }
    }
    (name, Arc::new(attrs))
}
