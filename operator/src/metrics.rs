//! What the operator counts, for `/metrics`.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};
use std::time::Duration;

/// Upper bounds in seconds: requests take milliseconds, a reconcile may create hundreds of pods.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well, whether or not there was anything to do.
    Success,
    /// With an error: it is tried again.
    Error,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Error => "error",
        }
    }
}

/// The operator's counters. Cheap to share: each is a handle.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: Histogram,
    errors: IntCounterVec,
    queue_depth: IntGauge,
    pods_created: IntCounter,
    pods_deleted: IntCounterVec,
    api_requests: IntCounterVec,
    api_seconds: HistogramVec,
    demand_streams: IntGauge,
    leader: IntGauge,
}

impl Metrics {
    /// All at zero. Fails only if two have the same name, which the tests rule out.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let metrics = Metrics {
            registry: Registry::new(),
            reconciles: counters("reconciles_total", "Reconciles that ended.", &["result"])?,
            reconcile_seconds: Histogram::with_opts(histogram(
                "reconcile_duration_seconds",
                "How long a reconcile took.",
            ))?,
            errors: counters(
                "errors_total",
                "Reconciles that failed, by what failed.",
                &["category"],
            )?,
            queue_depth: gauge("queue_depth", "Clusters that wait for a reconcile.")?,
            pods_created: IntCounter::with_opts(opts("pods_created_total", "Pods created."))?,
            pods_deleted: counters(
                "pods_deleted_total",
                "Pods deleted, by reason.",
                &["reason"],
            )?,
            api_requests: counters(
                "api_requests_total",
                "Requests to the API server; code is 'error' if none came back.",
                &["verb", "resource", "code"],
            )?,
            api_seconds: HistogramVec::new(
                histogram(
                    "api_request_duration_seconds",
                    "How long the API server took to start its answer.",
                ),
                &["verb", "resource"],
            )?,
            demand_streams: gauge("demand_streams", "Schedulers that report their demand.")?,
            leader: gauge("leader", "1 on the replica that leads, else 0.")?,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let all: [Box<dyn prometheus::core::Collector>; 10] = [
            Box::new(self.reconciles.clone()),
            Box::new(self.reconcile_seconds.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.queue_depth.clone()),
            Box::new(self.pods_created.clone()),
            Box::new(self.pods_deleted.clone()),
            Box::new(self.api_requests.clone()),
            Box::new(self.api_seconds.clone()),
            Box::new(self.demand_streams.clone()),
            Box::new(self.leader.clone()),
        ];
        all.into_iter().try_for_each(|c| self.registry.register(c))
    }

    /// A reconcile ended after `took`.
    pub fn reconciled(&self, outcome: Outcome, took: Duration) {
        self.reconciles.with_label_values(&[outcome.label()]).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A reconcile failed; `category` is the name of its error's variant, so that there are few.
    pub fn failed(&self, category: &'static str) {
        self.errors.with_label_values(&[category]).inc();
    }

    /// So many clusters wait for a reconcile.
    pub fn queued(&self, clusters: usize) {
        self.queue_depth
            .set(i64::try_from(clusters).unwrap_or(i64::MAX));
    }

    /// A pod was created.
    pub fn pod_created(&self) {
        self.pods_created.inc();
    }

    /// A pod was deleted; `reason` is one of a few words.
    pub fn pod_deleted(&self, reason: &'static str) {
        self.pods_deleted.with_label_values(&[reason]).inc();
    }

    /// The API server answered with `code`, or not at all, after `took`.
    pub fn api_request(&self, verb: &str, resource: &str, code: Option<u16>, took: Duration) {
        let code = code.map_or_else(|| "error".to_owned(), |code| code.to_string());
        self.api_requests
            .with_label_values(&[verb, resource, &code])
            .inc();
        self.api_seconds
            .with_label_values(&[verb, resource])
            .observe(took.as_secs_f64());
    }

    /// So many schedulers report their demand.
    pub fn demand_streams(&self, open: usize) {
        self.demand_streams
            .set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All of it in Prometheus' text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn name(suffix: &str) -> String {
    format!("dasklike_operator_{suffix}")
}

fn opts(suffix: &str, help: &str) -> Opts {
    Opts::new(name(suffix), help)
}

fn histogram(suffix: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name(suffix), help).buckets(SECONDS.to_vec())
}

fn gauge(suffix: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    IntGauge::with_opts(opts(suffix, help))
}

fn counters(suffix: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(opts(suffix, help), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::new().unwrap();
        metrics.reconciled(Outcome::Success, Duration::from_millis(3));
        metrics.failed("conflict");
        metrics.queued(4);
        metrics.pod_created();
        metrics.pod_deleted("scale_down");
        metrics.api_request("create", "pods", Some(201), Duration::from_millis(2));
        metrics.api_request("list", "pods", None, Duration::from_secs(40));
        metrics.demand_streams(7);
        metrics.leads(true);
        let text = metrics.text().unwrap();
        for line in [
            "dasklike_operator_reconciles_total{result=\"success\"} 1",
            "dasklike_operator_reconcile_duration_seconds_bucket{le=\"0.005\"} 1",
            "dasklike_operator_errors_total{category=\"conflict\"} 1",
            "dasklike_operator_queue_depth 4",
            "dasklike_operator_pods_created_total 1",
            "dasklike_operator_pods_deleted_total{reason=\"scale_down\"} 1",
            "dasklike_operator_api_requests_total{code=\"201\",resource=\"pods\",verb=\"create\"} 1",
            "dasklike_operator_api_requests_total{code=\"error\",resource=\"pods\",verb=\"list\"} 1",
            "dasklike_operator_api_request_duration_seconds_count{resource=\"pods\",verb=\"list\"} 1",
            "dasklike_operator_demand_streams 7",
            "dasklike_operator_leader 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
