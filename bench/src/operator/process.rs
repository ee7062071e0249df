//! The operator as a process of its own: started, asked, measured.

use super::child::{Process, Usage};
use crate::programs;
use anyhow::{Context, Result, bail};
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The port of its metrics.
const HTTP_PORT: u16 = 18_080;
/// The namespace of its Lease.
pub(crate) const NAMESPACE: &str = "default";
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

/// A moment of rest.
pub(crate) struct Settled {
    pub(crate) usage: Usage,
    pub(crate) requests: f64,
}

/// The process, which ends with this.
pub(crate) struct Operator {
    process: Process,
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
        remove_lease(&args.client().await?, LEASE).await?;
        let began = Instant::now();
        command
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
            .env("KUBECONFIG", &args.kubeconfig);
        let mut operator = Operator {
            process: Process::start(&mut command)?,
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
            self.process.still_runs()?;
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
        self.process.show_log();
    }

    /// What it used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
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

/// Removes the Lease of an operator that has ended, which the next would wait for.
pub(crate) async fn remove_lease(client: &Client, name: &str) -> Result<()> {
    let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
        kube::Api::namespaced(client.clone(), NAMESPACE);
    match leases
        .delete(name, &kube::api::DeleteParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => {
            other?;
            Ok(())
        }
    }
}
