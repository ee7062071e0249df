//! Contexts: how to reach clusters, by name. `dasklike connect` writes them; [`crate::Client::connect`] reads them.
//!
//! A context is one JSON file of the user's own (it holds a key), `dasklike/contexts/NAME.json` in the user's
//! configuration folder, or in the folder that the environment variable `DASKLIKE_CONTEXTS` names.

use dasklike_proto_engine::transport::{ClientTls, ConnectError, Connector, Credentials, Pem};
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// The variable that names another folder.
const FOLDER: &str = "DASKLIKE_CONTEXTS";

/// The name of a context, which is also that of its file: letters, digits, `.`, `_` and `-`, the first no sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextName(String);

/// A way to a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The scheduler's address, `tcp://` without `tls` and `tls://` with it.
    pub address: String,
    /// What `tls://` needs.
    pub tls: Option<ContextTls>,
    /// The dashboard's address, as seen from here.
    pub dashboard: Option<String>,
}

/// What a context holds for TLS.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextTls {
    /// The name that the scheduler's certificate carries.
    pub server_name: String,
    /// The cluster's authorities, as PEM.
    pub ca: String,
    /// The client's certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM.
    pub key: String,
}

/// A key must not get into a log.
impl fmt::Debug for ContextTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// Why there is no context.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// A file could not have the name.
    #[error(
        "{0:?} is no name of a context: it takes letters, digits, `.`, `_` and `-`, a letter or digit first, 100 at \
         most"
    )]
    Name(String),
    /// Nobody wrote it.
    #[error(
        "no context is named \"{name}\"; {}: `dasklike connect {name}` makes one for a cluster in Kubernetes, and an \
         address is written tcp://{name}",
        known_text(known, folder)
    )]
    Unknown {
        /// The name.
        name: ContextName,
        /// Those that there are.
        known: Vec<ContextName>,
        /// Where they are.
        folder: PathBuf,
    },
    /// The system does not say where the user's settings are.
    #[error("cannot tell where contexts are: set HOME, or {FOLDER} to a folder")]
    NoHome,
    /// A file cannot be read, written or removed.
    #[error("cannot {what} the context {}: {source}", file.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no context.
    #[error("{} is not a context: {source}: make it anew with `dasklike connect`, or remove it", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

fn known_text(known: &[ContextName], folder: &Path) -> String {
    let names: Vec<&str> = known.iter().map(|n| n.0.as_str()).collect();
    match names.as_slice() {
        [] => format!("there are none in {}", folder.display()),
        names => format!("there are {} in {}", names.join(", "), folder.display()),
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ContextName {
    type Err = ContextError;

    fn from_str(name: &str) -> Result<ContextName, ContextError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let good = name.len() <= 100
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(plain);
        if good {
            Ok(ContextName(name.to_owned()))
        } else {
            Err(ContextError::Name(name.to_owned()))
        }
    }
}

impl Context {
    /// Reads a context.
    pub fn load(name: &ContextName) -> Result<Context, ContextError> {
        load_from(&folder()?, name)
    }

    /// Writes a context, for the user's own eyes only. One of this name is replaced, at once and whole.
    pub fn save(&self, name: &ContextName) -> Result<PathBuf, ContextError> {
        save_in(&folder()?, self, name)
    }

    /// Removes a context. One that is not there is fine.
    pub fn remove(name: &ContextName) -> Result<(), ContextError> {
        let file = file(&folder()?, name);
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &file)(e)),
            _ => Ok(()),
        }
    }

    /// The way to its scheduler.
    pub fn connector(&self) -> Result<Connector, ConnectError> {
        let tls = self.tls.as_ref().map(|tls| {
            let pem = Pem {
                ca: tls.ca.clone(),
                certificate: tls.certificate.clone(),
                key: tls.key.clone(),
            };
            ClientTls {
                credentials: Credentials::Pem(Arc::new(pem)),
                server_name: Some(tls.server_name.clone()),
            }
        });
        Connector::to(&self.address, tls)
    }
}

/// The folder that contexts are in.
fn folder() -> Result<PathBuf, ContextError> {
    if let Some(folder) = std::env::var_os(FOLDER).filter(|f| !f.is_empty()) {
        return Ok(folder.into());
    }
    let base = etcetera::choose_base_strategy().map_err(|_| ContextError::NoHome)?;
    Ok(base.config_dir().join("dasklike/contexts"))
}

fn file(folder: &Path, name: &ContextName) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn failed<'a>(what: &'static str, file: &'a Path) -> impl Fn(io::Error) -> ContextError + 'a {
    move |source| ContextError::File {
        what,
        file: file.to_owned(),
        source,
    }
}

fn load_from(folder: &Path, name: &ContextName) -> Result<Context, ContextError> {
    let file = file(folder, name);
    let text = match std::fs::read(&file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(ContextError::Unknown {
                name: name.clone(),
                known: known(folder),
                folder: folder.to_owned(),
            });
        }
        text => text.map_err(failed("read", &file))?,
    };
    serde_json::from_slice(&text).map_err(|source| ContextError::Content { file, source })
}

fn save_in(folder: &Path, context: &Context, name: &ContextName) -> Result<PathBuf, ContextError> {
    std::fs::create_dir_all(folder).map_err(failed("write", folder))?;
    let file = file(folder, name);
    // Beside it and renamed: whoever reads sees the old one or the new one.
    let fresh = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write_private(&fresh, context).and_then(|()| std::fs::rename(&fresh, &file));
    if written.is_err() {
        // What could not be written may not be there.
        let _ = std::fs::remove_file(&fresh);
    }
    written.map_err(failed("write", &file))?;
    Ok(file)
}

fn write_private(file: &Path, context: &Context) -> io::Result<()> {
    // One that a process of the same number left behind may be readable by others.
    let _ = std::fs::remove_file(file);
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    serde_json::to_writer_pretty(&mut out, context)?;
    out.write_all(b"\n")
}

/// The contexts in a folder; none if it cannot be read.
fn known(folder: &Path) -> Vec<ContextName> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.filter_map(|f| f.file_name().to_str()?.strip_suffix(".json")?.parse().ok());
    let mut names: Vec<ContextName> = names.collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn name(text: &str) -> ContextName {
        text.parse().unwrap()
    }

    fn context(address: &str) -> Context {
        Context {
            address: address.into(),
            tls: Some(ContextTls {
                server_name: "demo-scheduler.ns.svc".into(),
                ca: "ca".into(),
                certificate: "certificate".into(),
                key: "secret".into(),
            }),
            dashboard: Some("http://localhost:1".into()),
        }
    }

    #[test]
    fn what_was_saved_is_loaded_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("made/when/needed");
        let file = save_in(&inner, &context("tls://a:1"), &name("demo")).unwrap();
        save_in(&inner, &context("tls://b:1"), &name("demo")).unwrap();
        assert_eq!(
            load_from(&inner, &name("demo")).unwrap(),
            context("tls://b:1")
        );
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1);
        assert!(!format!("{:?}", context("tls://a")).contains("secret"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_known() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_from(folder.path(), &name("demo"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("there are none"), "{error}");
        for known in ["sentinel", "era5"] {
            save_in(folder.path(), &context("tls://a"), &name(known)).unwrap();
        }
        let error = load_from(folder.path(), &name("demo"))
            .unwrap_err()
            .to_string();
        let told = "no context is named \"demo\"; there are era5, sentinel in ";
        assert!(error.starts_with(told), "{error}");
        assert!(error.contains("`dasklike connect demo`"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_context_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("demo.json"), "{}").unwrap();
        let error = load_from(folder.path(), &name("demo")).unwrap_err();
        assert!(
            matches!(&error, ContextError::Content { .. })
                && error.to_string().contains("demo.json"),
            "{error}"
        );
    }

    #[test]
    fn names_are_those_of_files() {
        for good in ["demo", "Demo_2", "a.b-c", "0"] {
            assert!(good.parse::<ContextName>().is_ok(), "{good}");
        }
        for bad in [
            "", "../x", ".x", "a/b", "a b", "-a", "tcp://a", "host:1", "ä",
        ] {
            assert!(
                matches!(bad.parse::<ContextName>(), Err(ContextError::Name(_))),
                "{bad}"
            );
        }
    }
}
