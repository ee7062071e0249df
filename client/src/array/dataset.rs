//! Datasets: the named arrays of a store, decoded as xarray decodes them.

use super::cf::Encoding;
use super::coord::Coord;
use super::data_array::{Attrs, Coords, DataArray};
use super::error::ArrayError;
use super::expr::Expr;
use super::select::{Index, Selector};
use super::time::{CfTime, NAT};
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::plan::Dim;
use dasklike_storage::{ArrayInfo, DatasetInfo, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The float dtype in which scale and offset are evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecodeFloat {
    /// xarray's: `float64`, since the attributes of a Zarr array are doubles.
    #[default]
    F64,
    /// `float32`: half the bytes to compute on, 24 bits of precision.
    F32,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    store: BTreeMap<String, String>,
    mask_and_scale: bool,
    float: DecodeFloat,
    scales: BTreeMap<String, (Option<f64>, Option<f64>)>,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            store: BTreeMap::new(),
            mask_and_scale: true,
            float: DecodeFloat::F64,
            scales: BTreeMap::new(),
        }
    }
}

impl OpenOptions {
    /// An option of the store itself, such as `endpoint`, `region` or `anonymous` for `s3://`.
    pub fn store_option(mut self, name: &str, value: &str) -> OpenOptions {
        self.store.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Whether missing values become NaN and scale and offset are applied; `true` unless said otherwise.
    pub fn mask_and_scale(mut self, decode: bool) -> OpenOptions {
        self.mask_and_scale = decode;
        self
    }

    /// The float dtype of scaled arrays.
    pub fn decode_float(mut self, float: DecodeFloat) -> OpenOptions {
        self.float = float;
        self
    }

    /// Scale and offset of a variable, in the place of its attributes; `None` leaves the attribute.
    pub fn scale_offset(
        mut self,
        variable: &str,
        scale: Option<f64>,
        offset: Option<f64>,
    ) -> OpenOptions {
        self.scales.insert(variable.to_owned(), (scale, offset));
        self
    }
}

/// Why a dataset cannot be opened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpenError {
    /// The location names no store.
    #[error(transparent)]
    Store(#[from] dasklike_storage::StoreError),
    /// What is there is not a dataset.
    #[error(transparent)]
    Dataset(#[from] dasklike_storage::OpenError),
    /// A coordinate could not be read.
    #[error(transparent)]
    Coordinate(#[from] dasklike_storage::ReadError),
    /// No runtime for I/O.
    #[error("cannot start the reading of {location}: {source}")]
    Runtime {
        location: String,
        source: std::io::Error,
    },
}

/// The arrays of a Zarr group, lazily.
#[derive(Clone, Debug)]
pub struct Dataset {
    location: Arc<str>,
    attrs: Arc<Attrs>,
    variables: BTreeMap<String, DataArray>,
    /// Arrays that are there but cannot be read, and why.
    unreadable: Arc<BTreeMap<String, String>>,
    missing: OnceLock<DataArray>,
}

impl Dataset {
    /// Opens a store: a path, or a `file://`, `http(s)://` or `s3://` URL. Metadata and coordinates are read
    /// now, everything else when something is computed.
    pub fn open(location: &str, options: &OpenOptions) -> Result<Dataset, OpenError> {
        let (info, labels) = blocking(location, async {
            let store = Store::open(location, &options.store)?;
            let info = dasklike_storage::open_dataset(&store).await?;
            let labels = info
                .arrays
                .iter()
                .filter(|a| is_coordinate(a))
                .map(|a| async {
                    let labels = match a.source.shape[0] {
                        ..=LABELS_LIMIT => {
                            coordinate(a, &dasklike_storage::read_all(&a.source).await?)
                        }
                        len => Coord::Undecoded {
                            len: len as usize,
                            reason: format!(
                                "it has {len} labels, {LABELS_LIMIT} at most are kept in memory"
                            )
                            .into(),
                        },
                    };
                    Ok::<_, OpenError>((a.source.dims[0].clone(), Arc::new(labels)))
                });
            let labels: Coords = futures::future::try_join_all(labels)
                .await?
                .into_iter()
                .collect();
            Ok((info, labels))
        })?;
        Ok(Dataset::decode(info, &labels, options))
    }

    fn decode(info: DatasetInfo, labels: &Coords, options: &OpenOptions) -> Dataset {
        let mut variables = BTreeMap::new();
        let mut unreadable: BTreeMap<String, String> = info.unreadable.into_iter().collect();
        for array in info.arrays {
            let name = array.name.clone();
            let variable = encoding(&array, options)
                .and_then(|e| decoded(array, &e, labels).map_err(|e| e.to_string()));
            match variable {
                Ok(variable) => {
                    variables.insert(name, variable);
                }
                Err(reason) => {
                    unreadable.insert(name, reason);
                }
            }
        }
        Dataset {
            location: info.location.into(),
            attrs: Arc::new(info.attributes),
            variables,
            unreadable: Arc::new(unreadable),
            missing: OnceLock::new(),
        }
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Result<&DataArray, ArrayError> {
        self.variables.get(name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> ArrayError {
        if let Some(reason) = self.unreadable.get(name) {
            let (name, store, reason) =
                (name.to_owned(), self.location.to_string(), reason.clone());
            return ArrayError::Unreadable {
                name,
                store,
                reason,
            };
        }
        let names: Vec<&str> = self.names().collect();
        let have = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        ArrayError::UnknownVariable {
            name: name.to_owned(),
            store: self.location.to_string(),
            have,
        }
    }

    /// The variables' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// The attributes of the group.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// Where it is: an absolute path or a URL.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Selects by label in every variable that has the dim; see [`DataArray::sel`].
    pub fn sel(&self, dim: &str, labels: impl Into<Selector>) -> Result<Dataset, ArrayError> {
        let labels = labels.into();
        self.map_dim(dim, |v| v.sel(dim, labels.clone()))
    }

    /// Selects by position in every variable that has the dim; see [`DataArray::isel`].
    pub fn isel(&self, dim: &str, index: impl Into<Index>) -> Result<Dataset, ArrayError> {
        let index = index.into();
        self.map_dim(dim, |v| v.isel(dim, index))
    }

    fn map_dim(
        &self,
        dim: &str,
        select: impl Fn(&DataArray) -> Result<DataArray, ArrayError>,
    ) -> Result<Dataset, ArrayError> {
        let has = |v: &DataArray| v.dims().iter().any(|d| &**d == dim);
        if !self.variables.values().any(has) {
            let dims: std::collections::BTreeSet<&str> = self
                .variables
                .values()
                .flat_map(|v| v.dims().iter().map(|d| &**d))
                .collect();
            let have = dims.into_iter().collect::<Vec<_>>().join(", ");
            return Err(dasklike_graph::plan::PlanError::UnknownDim {
                dim: dim.to_owned(),
                have,
            }
            .into());
        }
        let mut variables = BTreeMap::new();
        for (name, variable) in &self.variables {
            let selected = if has(variable) {
                select(variable)?
            } else {
                variable.clone()
            };
            variables.insert(name.clone(), selected);
        }
        Ok(Dataset {
            variables,
            missing: OnceLock::new(),
            ..self.clone()
        })
    }
}

/// `ds["red"]`. A name that is not there gives an array that carries the error, like every other mistake in an
/// expression; the first such name is the one reported.
impl std::ops::Index<&str> for Dataset {
    type Output = DataArray;
    fn index(&self, name: &str) -> &DataArray {
        match self.variables.get(name) {
            Some(variable) => variable,
            None => self
                .missing
                .get_or_init(|| DataArray::poisoned(self.unknown(name))),
        }
    }
}

/// Runs on a runtime of its own, in a thread of its own: the caller may be inside another runtime.
fn blocking<T: Send>(
    location: &str,
    work: impl Future<Output = Result<T, OpenError>> + Send,
) -> Result<T, OpenError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|source| OpenError::Runtime {
                location: location.to_owned(),
                source,
            })?;
            runtime.block_on(work)
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The most labels of a dim: beyond, the metadata is more likely to be damaged than to mean it.
const LABELS_LIMIT: u64 = 1 << 26;

fn is_coordinate(array: &ArrayInfo) -> bool {
    array.source.dims.len() == 1 && *array.source.dims[0] == *array.name
}

/// The labels of a dim from its stored coordinate: times by their units, numbers by mask, scale and offset.
fn coordinate(array: &ArrayInfo, bytes: &[u8]) -> Coord {
    let dtype = array.source.dtype;
    let undecoded = |reason: String| Coord::Undecoded {
        len: array.source.shape[0] as usize,
        reason: reason.into(),
    };
    let encoding = match Encoding::of(array, (None, None)) {
        Ok(encoding) => encoding,
        Err(reason) => return undecoded(reason),
    };
    let stored: Vec<Scalar> = bytes
        .chunks_exact(dtype.size())
        .map(|b| encoding.read(Scalar::from_le_bytes(dtype, b)))
        .collect();
    let text = |key: &str| array.attributes.get(key).and_then(|v| v.as_str());
    if let Some(units) = text("units").filter(|u| CfTime::is_time(u)) {
        return match CfTime::parse(units, text("calendar")) {
            Ok(rule) => Coord::Time(
                stored
                    .iter()
                    .map(|s| decode_time(rule, *s, &encoding))
                    .collect(),
            ),
            Err(reason) => undecoded(reason),
        };
    }
    let integers = stored
        .iter()
        .map(|s| i64::try_from(as_integer(*s)?).ok())
        .collect::<Option<Vec<_>>>();
    match integers {
        Some(v) if encoding.is_plain() => Coord::Int(v.into()),
        _ => Coord::Float(
            stored
                .iter()
                .map(|s| decode_number(*s, &encoding))
                .collect(),
        ),
    }
}

fn as_integer(value: Scalar) -> Option<i128> {
    match value {
        Scalar::I64(v) => Some(v as i128),
        Scalar::U64(v) => Some(v as i128),
        Scalar::Bool(v) => Some(v as i128),
        Scalar::F32(_) | Scalar::F64(_) => None,
    }
}

fn decode_time(rule: CfTime, value: Scalar, encoding: &Encoding) -> i64 {
    if encoding.missing.contains(&value) {
        return NAT;
    }
    match (as_integer(value), encoding.scale, encoding.offset) {
        (Some(v), None, None) => i64::try_from(v).map_or(NAT, |v| rule.decode_int(v)),
        _ => rule.decode_float(decode_number(value, encoding)),
    }
}

fn decode_number(value: Scalar, encoding: &Encoding) -> f64 {
    if encoding.missing.contains(&value) {
        return f64::NAN;
    }
    let scaled = encoding
        .scale
        .map_or(value.as_f64(), |s| value.as_f64() * s);
    encoding.offset.map_or(scaled, |o| scaled + o)
}

/// How a variable is decoded; the error says why it cannot be.
fn encoding(array: &ArrayInfo, options: &OpenOptions) -> Result<Encoding, String> {
    let time_like = array
        .attributes
        .get("units")
        .and_then(|v| v.as_str())
        .is_some_and(CfTime::is_time);
    let given = options.scales.get(&array.name).copied();
    let (scale, offset) = given.unwrap_or_default();
    let mut encoding = if options.mask_and_scale && !time_like {
        Encoding::of(array, (scale, offset))?
    } else {
        Encoding {
            scale,
            offset,
            ..Encoding::default()
        }
    };
    if options.float == DecodeFloat::F32 {
        encoding.float = Some(DType::F32);
    }
    Ok(encoding)
}

/// A variable: the stored array, its decoding, and the labels of its dims.
fn decoded(
    array: ArrayInfo,
    encoding: &Encoding,
    labels: &Coords,
) -> Result<DataArray, ArrayError> {
    let fits = |dim: &Dim, coord: &Arc<Coord>| {
        let at = array.source.dims.iter().position(|d| d == dim);
        at.is_some_and(|i| array.source.shape[i] == coord.len() as u64)
    };
    let coords: Coords = labels
        .iter()
        .filter(|(d, c)| fits(d, c))
        .map(|(d, c)| (d.clone(), c.clone()))
        .collect();
    let raw = Expr::source(array.source)?;
    let expr = encoding.decode(&raw)?;
    Ok(DataArray::new(
        Some(array.name.into()),
        expr,
        coords,
        Arc::new(array.attributes),
    ))
}
