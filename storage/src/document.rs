//! Finding the metadata documents of a store: the arrays of a group, or one array.

use crate::error::{OpenError, ReadErrorKind};
use crate::json;
use crate::store::{Place, Store};
use serde_json::{Map, Value};
use std::path::Path;

/// An array's documents.
pub(crate) struct ArrayDocument {
    /// Its path in the store, without slashes at its ends; empty if the store is the array.
    pub(crate) path: String,
    /// `.zarray`, or `zarr.json` without attributes.
    pub(crate) metadata: Value,
    pub(crate) attributes: Map<String, Value>,
}

/// A group's documents, those of the groups in it included; or of a lone array.
pub(crate) struct Documents {
    pub(crate) attributes: Map<String, Value>,
    /// Sorted by path.
    pub(crate) arrays: Vec<ArrayDocument>,
}

/// The most bytes of a metadata document.
const DOCUMENT_LIMIT: u64 = 256 << 20;

/// Finds what is in a store.
pub(crate) async fn find(store: &Store) -> Result<Documents, OpenError> {
    let mut probe = Probe {
        store,
        refused: None,
    };
    let mut documents = if let Some(root) = probe.get("zarr.json").await? {
        v3(store, root)?
    } else if let Some(consolidated) = probe.get(".zmetadata").await? {
        v2_consolidated(store, &consolidated)?
    } else if let Some(array) = probe.get(".zarray").await? {
        let attributes = object(probe.get(".zattrs").await?.unwrap_or_default());
        let array = ArrayDocument {
            path: String::new(),
            metadata: array,
            attributes,
        };
        Documents {
            attributes: Map::new(),
            arrays: vec![array],
        }
    } else if probe.get(".zgroup").await?.is_some() {
        listed(store, ".zgroup")?
    } else {
        return Err(probe.nothing());
    };
    documents.arrays.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(documents)
}

/// Looks for documents that may not be there.
struct Probe<'a> {
    store: &'a Store,
    /// The first document we were not let at. Buckets that may not be listed say so of every missing key, so it
    /// matters only if nothing else is found.
    refused: Option<(String, ReadErrorKind)>,
}

impl Probe<'_> {
    async fn get(&mut self, key: &str) -> Result<Option<Value>, OpenError> {
        match self.store.get(key, DOCUMENT_LIMIT).await {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => parse(self.store, key, &bytes).map(Some),
            Err(kind @ ReadErrorKind::Forbidden(_)) => {
                self.refused.get_or_insert((key.to_owned(), kind));
                Ok(None)
            }
            Err(kind) => Err(unread(self.store, key, kind)),
        }
    }

    fn nothing(self) -> OpenError {
        match self.refused {
            Some((key, kind)) => unread(self.store, &key, kind),
            None => OpenError::NotZarr {
                store: self.store.location().to_owned(),
            },
        }
    }
}

fn unread(store: &Store, key: &str, kind: ReadErrorKind) -> OpenError {
    OpenError::Read {
        store: store.location().to_owned(),
        key: key.to_owned(),
        kind,
    }
}

fn malformed(store: &Store, document: &str, what: impl Into<String>) -> OpenError {
    OpenError::Metadata {
        store: store.location().to_owned(),
        document: document.to_owned(),
        what: what.into(),
    }
}

fn parse(store: &Store, key: &str, bytes: &[u8]) -> Result<Value, OpenError> {
    let value = json::parse(bytes).map_err(|e| malformed(store, key, e))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(malformed(store, key, "expected a json object"))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn take(document: &mut Value, name: &str) -> Value {
    document
        .as_object_mut()
        .and_then(|d| d.remove(name))
        .unwrap_or_default()
}

fn v3_array(path: String, mut metadata: Value) -> ArrayDocument {
    let attributes = object(take(&mut metadata, "attributes"));
    ArrayDocument {
        path,
        metadata,
        attributes,
    }
}

fn v3(store: &Store, mut root: Value) -> Result<Documents, OpenError> {
    match root["node_type"].as_str() {
        Some("array") => Ok(Documents {
            attributes: Map::new(),
            arrays: vec![v3_array(String::new(), root)],
        }),
        Some("group") => {
            let attributes = object(take(&mut root, "attributes"));
            let consolidated = take(&mut root, "consolidated_metadata");
            let Value::Object(nodes) = take(&mut consolidated.clone(), "metadata") else {
                return listed(store, "zarr.json").map(|d| Documents { attributes, ..d });
            };
            let arrays = nodes
                .into_iter()
                .filter(|(_, node)| node["node_type"] == "array");
            let arrays = arrays
                .map(|(path, node)| v3_array(path.trim_matches('/').to_owned(), node))
                .collect();
            Ok(Documents { attributes, arrays })
        }
        _ => Err(malformed(
            store,
            "zarr.json",
            "node_type is neither \"group\" nor \"array\"",
        )),
    }
}

fn v2_consolidated(store: &Store, document: &Value) -> Result<Documents, OpenError> {
    let Some(entries) = document["metadata"].as_object() else {
        return Err(malformed(
            store,
            ".zmetadata",
            "it has no object \"metadata\"",
        ));
    };
    let attributes = |key: &str| object(entries.get(key).cloned().unwrap_or_default());
    let arrays = entries.iter().filter_map(|(key, metadata)| {
        let path = match key.strip_suffix(".zarray")? {
            "" => "",
            parent => parent.strip_suffix('/')?,
        };
        let attributes = attributes(&joined(path, ".zattrs"));
        Some(ArrayDocument {
            path: path.to_owned(),
            metadata: metadata.clone(),
            attributes,
        })
    });
    Ok(Documents {
        arrays: arrays.collect(),
        attributes: attributes(".zattrs"),
    })
}

pub(crate) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}/{key}")
    }
}

/// Walks the folders of a group without consolidated metadata. `group` is the document that makes a folder one.
fn listed(store: &Store, group: &str) -> Result<Documents, OpenError> {
    let Place::Local(root) = store.place() else {
        return Err(OpenError::NotConsolidated {
            store: store.location().to_owned(),
        });
    };
    let attributes = match group {
        ".zgroup" => object(read(store, root, ".zattrs")?.unwrap_or_default()),
        _ => Map::new(),
    };
    let mut documents = Documents {
        attributes,
        arrays: Vec::new(),
    };
    walk(store, root, "", group == ".zgroup", &mut documents.arrays)?;
    Ok(documents)
}

fn walk(
    store: &Store,
    root: &Path,
    path: &str,
    v2: bool,
    arrays: &mut Vec<ArrayDocument>,
) -> Result<(), OpenError> {
    let failed = |e: std::io::Error| unread(store, path, e.into());
    for entry in std::fs::read_dir(root.join(path)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.path().is_dir() {
            continue;
        }
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = joined(path, &name);
        if v2 && let Some(metadata) = read(store, root, &joined(&path, ".zarray"))? {
            let attributes =
                object(read(store, root, &joined(&path, ".zattrs"))?.unwrap_or_default());
            arrays.push(ArrayDocument {
                path,
                metadata,
                attributes,
            });
        } else if v2 && root.join(&path).join(".zgroup").exists() {
            walk(store, root, &path, v2, arrays)?;
        } else if !v2 && let Some(document) = read(store, root, &joined(&path, "zarr.json"))? {
            match document["node_type"].as_str() {
                Some("array") => arrays.push(v3_array(path, document)),
                _ => walk(store, root, &path, v2, arrays)?,
            }
        }
    }
    Ok(())
}

fn read(store: &Store, root: &Path, key: &str) -> Result<Option<Value>, OpenError> {
    match std::fs::read(root.join(key)) {
        Ok(bytes) => parse(store, key, &bytes).map(Some),
        Err(e) if crate::store::is_absent(&e) => Ok(None),
        Err(e) => Err(unread(store, key, e.into())),
    }
}
