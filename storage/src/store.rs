//! A place with keys and bytes: a folder, or an object store.

use crate::error::{ReadErrorKind, StoreError};
use crate::remote::{self, Span};
use bytes::Bytes;
use object_store::ObjectStore;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder or an object store with Zarr in it, not yet looked into.
#[derive(Clone, Debug)]
pub struct Store {
    location: String,
    options: BTreeMap<String, String>,
    place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Local(PathBuf),
    Remote {
        store: Arc<dyn ObjectStore>,
        prefix: object_store::path::Path,
    },
}

impl Store {
    /// Opens a path, or a `file://`, `http(s)://` or `s3://` URL, without reading anything yet.
    ///
    /// Options are of `s3://` alone: `endpoint` (a URL), `region`, `anonymous` (`true` or `false`); none is a
    /// secret. Credentials come from the environment (`AWS_ACCESS_KEY_ID` and so on). For `https://` the program
    /// must have installed a TLS provider.
    ///
    /// # Errors
    /// When the location has no known form, a folder is not there, or an option is not one of these.
    pub fn open(location: &str, options: &BTreeMap<String, String>) -> Result<Store, StoreError> {
        let scheme = location.split_once("://").map(|(scheme, _)| scheme);
        remote::check_options(scheme, options)?;
        let place = match scheme {
            None => Place::Local(folder(location, Path::new(location))?),
            Some("file") => Place::Local(folder(location, &file_path(location)?)?),
            Some("http" | "https") => remote::http(location)?,
            Some("s3") => remote::s3(location, options)?,
            Some(_) => {
                return Err(StoreError::Scheme {
                    location: location.to_owned(),
                });
            }
        };
        let location = match &place {
            // Workers may run in another folder than the client.
            Place::Local(path) => {
                path.to_str()
                    .map(str::to_owned)
                    .ok_or_else(|| StoreError::Path {
                        location: location.to_owned(),
                        what: "the path is not valid unicode".to_owned(),
                    })?
            }
            Place::Remote { .. } => location.trim_end_matches('/').to_owned(),
        };
        Ok(Store {
            location,
            options: options.clone(),
            place,
        })
    }

    /// Where it is: an absolute path or a URL.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The options it was opened with.
    pub fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    /// Whether it is a folder of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The bytes of `key`, `None` if there is no such key. At most `bound` bytes, or an error.
    pub(crate) async fn get(&self, key: &str, bound: u64) -> Result<Option<Bytes>, ReadErrorKind> {
        match &self.place {
            Place::Local(root) => {
                let path = root.join(key);
                let bytes = match std::fs::metadata(&path) {
                    Ok(m) if m.is_dir() => return Ok(None),
                    Ok(m) if m.len() > bound => {
                        return Err(ReadErrorKind::TooLarge {
                            bytes: m.len(),
                            bound,
                        });
                    }
                    Ok(_) => std::fs::read(&path),
                    Err(e) => Err(e),
                };
                match bytes {
                    Ok(bytes) => Ok(Some(bytes.into())),
                    Err(e) if is_absent(&e) => Ok(None),
                    Err(e) => Err(e.into()),
                }
            }
            Place::Remote { store, prefix } => {
                remote::get(store, prefix, key, Span::Whole { bound }).await
            }
        }
    }
}

/// Whether a file is simply not there. A path through a file that is not a folder is not there either.
pub(crate) fn is_absent(e: &std::io::Error) -> bool {
    matches!(
        e.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

fn folder(location: &str, path: &Path) -> Result<PathBuf, StoreError> {
    let wrong = |what: String| StoreError::Path {
        location: location.to_owned(),
        what,
    };
    let path = path.canonicalize().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => wrong("no such file or folder".to_owned()),
        _ => wrong(e.to_string()),
    })?;
    if path.is_dir() {
        Ok(path)
    } else {
        Err(wrong(
            "it is a file; expected the folder of a zarr store".to_owned(),
        ))
    }
}

fn file_path(location: &str) -> Result<PathBuf, StoreError> {
    let wrong = |what: String| StoreError::Url {
        location: location.to_owned(),
        what,
    };
    let url = reqwest::Url::parse(location).map_err(|e| wrong(e.to_string()))?;
    url.to_file_path()
        .map_err(|()| wrong("expected file:///absolute/path".to_owned()))
}
