//! Results: arrays in memory.

use super::coord::Coord;
use super::create::Element;
use super::data_array::{Attrs, DataArray};
use crate::compute::Error;
use crate::submit::ResultBytes;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::plan::Dim;
use ndarray::{ArrayD, IxDyn};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A computed array.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    name: Option<String>,
    dtype: DType,
    dims: Vec<Dim>,
    shape: Vec<u64>,
    coords: BTreeMap<Dim, Arc<Coord>>,
    attrs: Attrs,
    bytes: ResultBytes,
}

/// Why values cannot be had in the asked form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ValuesError {
    /// The Rust type is not the array's.
    #[error("the array holds {have}, not {wanted}: ask for that type, or cast it before computing")]
    DType { have: DType, wanted: DType },
    /// The array has more or fewer than one element.
    #[error("the array has {elements} elements, not one")]
    NotScalar { elements: u64 },
    /// The bytes that arrived do not fill the shape.
    #[error("a result has {have} bytes where its shape needs {needed}")]
    Bytes { have: u64, needed: u64 },
}

impl Computed {
    /// The result of `array` from its little-endian elements in C order.
    pub(crate) fn new(array: &DataArray, bytes: ResultBytes) -> Result<Computed, Error> {
        let meta = array.meta()?;
        let needed = meta.elements() * meta.dtype.size() as u64;
        if bytes.len() as u64 != needed {
            return Err(ValuesError::Bytes {
                have: bytes.len() as u64,
                needed,
            }
            .into());
        }
        Ok(Computed {
            name: array.name().map(str::to_owned),
            dtype: meta.dtype,
            dims: meta.dims.clone(),
            shape: meta.shape.clone(),
            coords: array.coords()?.clone(),
            attrs: array.attrs().clone(),
            bytes,
        })
    }

    /// The array's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The dtype of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The dims' names, in order.
    pub fn dims(&self) -> &[Dim] {
        &self.dims
    }

    /// Elements along each dim.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The coordinate of a dim, if it has one.
    pub fn coord(&self, dim: &str) -> Option<&Coord> {
        self.coords.get(dim).map(|c| &**c)
    }

    /// The attributes.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// The elements as little-endian bytes in C order.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements as values of `T`, which is the array's type, turned into others.
    fn elements<T: Element, U>(&self, into: impl Fn(T) -> U) -> Vec<U> {
        let elements = self.bytes.chunks_exact(size_of::<T>());
        elements.map(|bytes| into(T::from_le(bytes))).collect()
    }

    /// The elements in C order. `T` must be the array's type.
    pub fn values<T: Element>(&self) -> Result<Vec<T>, ValuesError> {
        if T::DTYPE != self.dtype {
            return Err(ValuesError::DType {
                have: self.dtype,
                wanted: T::DTYPE,
            });
        }
        Ok(self.elements(|value: T| value))
    }

    /// The elements in C order as `f64`, whatever the dtype; integers beyond 2^53 are rounded.
    pub fn values_f64(&self) -> Vec<f64> {
        match self.dtype {
            DType::Bool => self.elements(|v: bool| v.into()),
            DType::U8 => self.elements(|v: u8| v.into()),
            DType::U16 => self.elements(|v: u16| v.into()),
            DType::U32 => self.elements(|v: u32| v.into()),
            DType::U64 => self.elements(|v: u64| v as f64),
            DType::I8 => self.elements(|v: i8| v.into()),
            DType::I16 => self.elements(|v: i16| v.into()),
            DType::I32 => self.elements(|v: i32| v.into()),
            DType::I64 => self.elements(|v: i64| v as f64),
            DType::F32 => self.elements(|v: f32| v.into()),
            DType::F64 => self.elements(|v: f64| v),
        }
    }

    /// The array as `f64`, whatever the dtype; integers beyond 2^53 are rounded.
    pub fn to_ndarray_f64(&self) -> ArrayD<f64> {
        self.shaped(self.values_f64())
    }

    /// The array in its own type `T`.
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>, ValuesError> {
        Ok(self.shaped(self.values()?))
    }

    fn shaped<T>(&self, values: Vec<T>) -> ArrayD<T> {
        let shape: Vec<usize> = self.shape.iter().map(|n| *n as usize).collect();
        #[expect(
            clippy::expect_used,
            reason = "`new` checked that the bytes fill the shape"
        )]
        ArrayD::from_shape_vec(IxDyn(&shape), values).expect("the values fill the shape")
    }

    /// The only element of an array of one.
    pub fn scalar(&self) -> Result<Scalar, ValuesError> {
        let elements = self.shape.iter().product();
        if elements != 1 {
            return Err(ValuesError::NotScalar { elements });
        }
        Ok(Scalar::from_le_bytes(self.dtype, &self.bytes))
    }
}
