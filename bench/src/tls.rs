//! What mutual TLS costs: the example on a scheduler and a worker that are processes of their own, with certificates
//! and without.

use crate::cube::Cube;
use crate::engine::{Guarded, start_scheduler};
use crate::programs::{dasklike, example, output};
use crate::report::{Report, Target};
use anyhow::{Context as _, Result};
use dasklike::context::{Context, ContextTls};
use dasklike_storage::sample::SampleCodec;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Repetitions of each, in turns.
const ROUNDS: usize = 15;

/// The name that the scheduler's certificate carries.
const NAME: &str = "scheduler.bench";

/// `dasklike-bench tls`.
pub(crate) fn run() -> Result<()> {
    let cube = Cube::standard(SampleCodec::BloscZstd)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let contexts = folder.path();
    let authority = Authority::new()?;
    let plain = Side::start(None, contexts, &authority)?;
    let secured = Side::start(Some("secured"), contexts, &authority)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let times = [plain.measure(&cube)?, secured.measure(&cube)?];
        // The first round warms up.
        if round > 0 {
            without.push(times[0]);
            with.push(times[1]);
        }
    }
    let (without, with) = (median(without), median(with));
    let mut report = Report::new(
        "tls",
        "the example as a whole process, with a scheduler and a worker of two slots, over mutual TLS and without",
    );
    report.fact("input", cube.describe()?);
    report.fact("rounds", ROUNDS);
    report.figure(
        "\nwithout, median",
        without.as_secs_f64(),
        " s",
        Target::None,
    );
    report.figure("with, median", with.as_secs_f64(), " s", Target::None);
    report.figure(
        "mutual TLS costs",
        (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0,
        " %",
        Target::AtMost(3.0),
    );
    report.print()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A scheduler with a worker, and how a client finds them.
struct Side {
    _scheduler: Guarded,
    _worker: Guarded,
    /// A context's name or an address.
    scheduler: String,
    contexts: std::path::PathBuf,
}

impl Side {
    /// With TLS if it has a name, which is then that of its context.
    fn start(name: Option<&str>, contexts: &Path, authority: &Authority) -> Result<Side> {
        let mut server = vec![];
        let mut client = vec![];
        if name.is_some() {
            for role in ["scheduler", "worker"] {
                authority.write(&contexts.join(role), role)?;
            }
            let path = |role: &str| contexts.join(role).display().to_string();
            server = vec!["--tls-dir".to_owned(), path("scheduler")];
            client = vec![
                "--tls-dir".to_owned(),
                path("worker"),
                "--tls-server-name".to_owned(),
                NAME.to_owned(),
            ];
        }
        let (running, url) = start_scheduler(&server)?;
        let worker = Guarded::start(
            dasklike()?
                .args(["worker", "--scheduler", &url, "--slots", "2"])
                .args(client),
        )?;
        let scheduler = match name {
            None => url,
            Some(name) => {
                let (certificate, key) = authority.issue("client")?;
                let context = Context {
                    address: url,
                    tls: Some(ContextTls {
                        server_name: NAME.to_owned(),
                        ca: authority.issuer.pem(),
                        certificate,
                        key,
                    }),
                    dashboard: None,
                };
                let text = serde_json::to_vec(&context).context("a context is JSON")?;
                write(&contexts.join(format!("{name}.json")), &text)?;
                name.to_owned()
            }
        };
        Ok(Side {
            _scheduler: running,
            _worker: worker,
            scheduler,
            contexts: contexts.to_owned(),
        })
    }

    fn measure(&self, cube: &Cube) -> Result<Duration> {
        let mut whole = example()?;
        whole
            .arg("--input")
            .arg(&cube.path)
            .arg("--output")
            .arg(self.contexts.join("ndvi.png"))
            .args(["--scheduler", &self.scheduler])
            .env("DASKLIKE_CONTEXTS", &self.contexts);
        let began = Instant::now();
        output(&mut whole)?;
        Ok(began.elapsed())
    }
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "bench");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Authority { issuer })
    }

    /// A certificate that both sides may show, and its key.
    fn issue(&self, role: &str) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        let name = format!("{role}.bench");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// A folder as a pod mounts it.
    fn write(&self, folder: &Path, role: &str) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (certificate, key) = self.issue(role)?;
        write(&folder.join("ca.crt"), self.issuer.pem().as_bytes())?;
        write(&folder.join("tls.crt"), certificate.as_bytes())?;
        write(&folder.join("tls.key"), key.as_bytes())
    }
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
