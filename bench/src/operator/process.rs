//! The operator as a process of its own: started, asked, measured.

use crate::machine::field;
use crate::programs;
use anyhow::{Context, Result, bail};
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The port of its metrics.
const HTTP_PORT: u16 = 18_080;
const NAMESPACE: &str = "default";
const LEASE: &str = "dasklike-operator-bench";

/// Which operator, and on which cluster.
#[derive(Args)]
pub(crate) struct OperatorProcess {
    /// A cluster as `cargo xtask cluster up` makes it
    #[arg(long, env = "DASKLIKE_TEST_KUBECONFIG")]
    kubeconfig: PathBuf,
    /// The operator; the one beside this program if not given
    #[arg(long)]
    operator: Option<PathBuf>,
}

impl OperatorProcess {
    /// How to reach the cluster.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The cluster's API server.
    pub(crate) async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)
            .with_context(|| format!("cannot read {}", self.kubeconfig.display()))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Client::try_from(config)?)
    }
}

/// What it used.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time, user and system.
    pub(crate) cpu: Duration,
    /// The most memory that it had at any time.
    pub(crate) peak_megabytes: f64,
}

/// A moment of rest.
pub(crate) struct Settled {
    pub(crate) usage: Usage,
    pub(crate) requests: f64,
}

/// The process, which ends with this.
pub(crate) struct Operator {
    child: Child,
    folder: TempDir,
    led_after: Duration,
    http: reqwest::Client,
}

impl Operator {
    /// Starts it and waits until it leads.
    pub(crate) async fn start(args: &OperatorProcess) -> Result<Operator> {
        let mut command = match &args.operator {
            Some(path) => Command::new(path),
            None => programs::operator()?,
        };
        remove_old_lease(args).await?;
        let folder = tempfile::tempdir().context("cannot make a folder for the operator's log")?;
        let log =
            File::create(folder.path().join("log")).context("cannot make the operator's log")?;
        let began = Instant::now();
        let child = command
            .args([
                "run",
                "--identity",
                "bench",
                "--lease-namespace",
                NAMESPACE,
                "--lease-name",
                LEASE,
            ])
            .args([
                "--default-image",
                "localhost/dasklike:dev",
                "--http-port",
                &HTTP_PORT.to_string(),
            ])
            .env("KUBECONFIG", &args.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .context("cannot start the operator")?;
        let mut operator = Operator {
            child,
            folder,
            led_after: Duration::ZERO,
            http: reqwest::Client::new(),
        };
        operator.wait_until_it_leads(began).await?;
        Ok(operator)
    }

    async fn wait_until_it_leads(&mut self, began: Instant) -> Result<()> {
        loop {
            if self
                .metrics()
                .await
                .is_ok_and(|m| m.lines().any(|l| l == "dasklike_operator_leader 1"))
            {
                self.led_after = began.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                self.show_log();
                bail!("the operator ended: {status}");
            }
            if began.elapsed() > Duration::from_secs(30) {
                self.show_log();
                bail!("the operator does not lead after 30 s");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// From its start until it led.
    pub(crate) fn led_after(&self) -> Duration {
        self.led_after
    }

    /// Shows the last of what it said.
    pub(crate) fn show_log(&self) {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(40)..] {
            eprintln!("operator: {line}");
        }
    }

    /// What it used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.child.id());
        let peak = field(&format!("{folder}/status"), "VmHWM").context("the operator has ended")?;
        let kilobytes: f64 = peak.trim_end_matches(" kB").parse()?;
        let stat = std::fs::read_to_string(format!("{folder}/stat"))?;
        // The fields after the program's name, which may hold spaces: user and system time are the 12th and 13th.
        let after = stat
            .rsplit_once(") ")
            .context("/proc/PID/stat has a name")?
            .1;
        let ticks = after.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
        Ok(Usage {
            cpu: Duration::from_secs_f64(
                ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            ),
            peak_megabytes: kilobytes / 1000.0,
        })
    }

    /// Waits until it has made no request for five seconds.
    pub(crate) async fn settled(&self) -> Result<Settled> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut requests = self.requests().await?;
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let later = self.requests().await?;
            if later == requests || Instant::now() > deadline {
                return Ok(Settled {
                    usage: self.usage()?,
                    requests: later,
                });
            }
            requests = later;
        }
    }

    /// Its requests to the API server so far, but for the Lease and watches.
    pub(crate) async fn requests(&self) -> Result<f64> {
        let text = self.metrics().await?;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("dasklike_operator_api_requests_total{"));
        let counted =
            lines.filter(|line| !line.contains("\"leases\"") && !line.contains("\"watch\""));
        let values = counted
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(_, value)| value.parse::<f64>());
        values
            .sum::<Result<f64, _>>()
            .context("a counter is no number")
    }

    async fn metrics(&self) -> Result<String> {
        let url = format!("http://127.0.0.1:{HTTP_PORT}/metrics");
        Ok(self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to hand over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn remove_old_lease(args: &OperatorProcess) -> Result<()> {
    let client = args.client().await?;
    let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
        kube::Api::namespaced(client, NAMESPACE);
    match leases
        .delete(LEASE, &kube::api::DeleteParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => {
            other?;
            Ok(())
        }
    }
}
