//! From what a user wrote to a [`ValidatedCluster`], or the field that is wrong and what it should be.
//!
//! The API server checks the schema and its rules first. What is checked again here is what types need (a cluster
//! may have been written under an older definition), and what a schema cannot say: pod templates.

use super::cluster::{MaxUnavailable, Part, Pool, ValidatedCluster};
use super::hash;
use super::labels::{self, Labels};
use super::names::{ClusterKey, DEFAULT_POOL};
use super::quantity;
use super::template;
use dasklike_operator_api::{
    Autoscaling, ComputeResources, DaskLikeCluster, PoolSpec, RawTemplate, reasons,
};
use dasklike_scaling::{Policy, PolicyError, PolicyFields, ScaleDown, ScaleUp};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// The longest name of a cluster: its pods' names must fit into 63 characters.
pub const MAX_CLUSTER_NAME: usize = 40;
/// The longest name of a pool.
pub const MAX_POOL_NAME: usize = 16;

/// What is known besides the spec.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The image of clusters that name none.
    pub default_image: &'a str,
}

/// Why a spec cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object came without what the API server always sets.
    #[error("metadata.{0} is missing: the object did not come from an API server")]
    Metadata(&'static str),
    /// A name that pods and Services cannot have.
    #[error(
        "{field}: '{name}' must be at most {longest} characters of a-z, 0-9 and '-', not at its ends{extra}"
    )]
    Name {
        /// The field.
        field: String,
        /// What it says.
        name: String,
        /// The longest it may be.
        longest: usize,
        /// What else is asked of it.
        extra: &'static str,
    },
    /// Two pools of one name.
    #[error("{field}: there is a pool named '{name}' already; give each pool a name of its own")]
    PoolTwice {
        /// The field.
        field: String,
        /// The name.
        name: String,
    },
    /// Bounds and rules that make no sense.
    #[error("{field}: {error}")]
    Autoscaling {
        /// The field.
        field: String,
        /// What is wrong.
        error: PolicyError,
    },
    /// A number that cannot be.
    #[error("{field}: {value} must be between {least} and {most}")]
    Range {
        /// The field.
        field: String,
        /// What it says.
        value: i64,
        /// The least it may be.
        least: i64,
        /// The most it may be.
        most: i64,
    },
    /// Neither a number nor a percentage.
    #[error("{field}: '{value}' must be a number or a percentage from 0% to 100%")]
    MaxUnavailable {
        /// The field.
        field: String,
        /// What it says.
        value: String,
    },
    /// A template that is no PodTemplateSpec.
    #[error("{field}: {problem}")]
    Template {
        /// The field, down to where it is wrong.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// No image, and no default either.
    #[error("spec.image: is empty, and the operator was started without --default-image")]
    NoImage,
}

impl Error {
    /// The reason in conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        reasons::INVALID_SPEC
    }
}

/// Checks a cluster and turns it into what can be built.
///
/// # Errors
/// The first field that is wrong.
pub fn validate(cluster: &DaskLikeCluster, facts: &Facts<'_>) -> Result<ValidatedCluster, Error> {
    let metadata = &cluster.metadata;
    let name = metadata.name.as_deref().ok_or(Error::Metadata("name"))?;
    let namespace = metadata
        .namespace
        .as_deref()
        .ok_or(Error::Metadata("namespace"))?;
    let uid = metadata.uid.as_deref().ok_or(Error::Metadata("uid"))?;
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(name_error(
            "metadata.name",
            name,
            MAX_CLUSTER_NAME,
            ", and begin with a letter",
        ));
    }
    label("metadata.name", name, MAX_CLUSTER_NAME)?;
    let image = image(cluster, facts)?;
    let mut more = json!({"image": image, "tls": cluster.spec.tls});
    if let Some(journal) = &cluster.spec.scheduler.journal {
        // Only where there is one, so that others are as they were.
        more["journal"] = json!({"claimName": journal.claim_name});
    }
    let scheduler = part(
        "spec.scheduler",
        template::Kind::Scheduler,
        &cluster.spec.scheduler.template,
        cluster.spec.scheduler.resources.as_ref(),
        more,
    )?;
    Ok(ValidatedCluster {
        key: ClusterKey::new(namespace, name),
        uid: uid.to_owned(),
        generation: metadata.generation.unwrap_or_default(),
        pull_secrets: cluster.spec.image_pull_secrets.clone(),
        propagated: propagated(cluster),
        suspend: cluster.spec.suspend,
        idle: cluster.spec.idle.clone(),
        tls: cluster.spec.tls.mode,
        scheduler,
        journal: cluster.spec.scheduler.journal.clone(),
        pools: pools(cluster, &image)?,
        image,
    })
}

/// What the spec says, else what was used so far, else the operator's default.
fn image(cluster: &DaskLikeCluster, facts: &Facts<'_>) -> Result<String, Error> {
    let kept = cluster
        .status
        .as_ref()
        .and_then(|status| status.image.as_deref())
        .unwrap_or_default();
    [cluster.spec.image.as_str(), kept, facts.default_image]
        .into_iter()
        .find(|image| !image.is_empty())
        .map(str::to_owned)
        .ok_or(Error::NoImage)
}

fn propagated(cluster: &DaskLikeCluster) -> Labels {
    let own = cluster.metadata.labels.as_ref();
    cluster
        .spec
        .propagate_labels
        .iter()
        .filter(|key| !labels::is_reserved(key))
        .filter_map(|key| Some((key.clone(), own?.get(key)?.clone())))
        .collect()
}

fn pools(cluster: &DaskLikeCluster, image: &str) -> Result<Vec<Pool>, Error> {
    let mut pools = vec![pool(
        "spec.worker",
        DEFAULT_POOL,
        &cluster.spec.worker,
        cluster,
        image,
    )?];
    for (index, named) in cluster.spec.pools.iter().enumerate() {
        let field = format!("spec.pools[{index}]");
        let name_field = format!("{field}.name");
        label(&name_field, &named.name, MAX_POOL_NAME)?;
        if pools.iter().any(|pool| pool.name == named.name) {
            return Err(Error::PoolTwice {
                field: name_field,
                name: named.name.clone(),
            });
        }
        pools.push(pool(&field, &named.name, &named.pool, cluster, image)?);
    }
    Ok(pools)
}

fn pool(
    field: &str,
    name: &str,
    spec: &PoolSpec,
    cluster: &DaskLikeCluster,
    image: &str,
) -> Result<Pool, Error> {
    let part = part(
        field,
        template::Kind::Worker,
        &spec.template,
        spec.resources.as_ref(),
        json!({"image": image, "tls": cluster.spec.tls, "slots": spec.slots}),
    )?;
    let slots = within(&format!("{field}.slots"), spec.slots, 1024)?;
    let autoscaling = spec.autoscaling.as_ref();
    Ok(Pool {
        name: name.to_owned(),
        replicas: count(&format!("{field}.replicas"), spec.replicas)?,
        slots,
        expected_slots: NonZeroU32::new(slots).unwrap_or_else(|| processors(&part.resources)),
        expected_memory: limit(&part.resources, "memory").map(|bytes| bytes as u64),
        autoscaling: autoscaling
            .map(|autoscaling| policy(&format!("{field}.autoscaling"), autoscaling))
            .transpose()?,
        max_unavailable: max_unavailable(field, &spec.max_unavailable)?,
        drain_timeout_seconds: spec.drain_timeout_seconds.max(0),
        part,
    })
}

/// The CPU limit as whole processors, as the kubelet tells it to the container; 1 where there is none to read.
fn processors(resources: &ResourceRequirements) -> NonZeroU32 {
    let whole = limit(resources, "cpu");
    // A cast of a float keeps to the bounds of the integer.
    NonZeroU32::new(whole.unwrap_or(1.0).ceil() as u32).unwrap_or(NonZeroU32::MIN)
}

fn limit(resources: &ResourceRequirements, name: &str) -> Option<f64> {
    quantity::number(resources.limits.as_ref()?.get(name)?)
}

fn policy(field: &str, spec: &Autoscaling) -> Result<Policy, Error> {
    let max_replicas = count(&format!("{field}.maxReplicas"), spec.max_replicas)?;
    let (up, down) = (&spec.scale_up, &spec.scale_down);
    // How large each may be is the policy's own knowledge.
    let number =
        |name: &str, value| within(&format!("{field}.{name}"), value, i32::MAX.unsigned_abs());
    let fields = PolicyFields {
        min_replicas: within(
            &format!("{field}.minReplicas"),
            spec.min_replicas,
            max_replicas,
        )?,
        max_replicas,
        target_seconds: number("targetSeconds", spec.target_seconds)?,
        scale_up: ScaleUp {
            max_pods: number("scaleUp.maxPods", up.max_pods)?,
            max_percent: number("scaleUp.maxPercent", up.max_percent)?,
            period_seconds: number("scaleUp.periodSeconds", up.period_seconds)?,
        },
        scale_down: ScaleDown {
            stabilization_window_seconds: number(
                "scaleDown.stabilizationWindowSeconds",
                down.stabilization_window_seconds,
            )?,
            max_percent: number("scaleDown.maxPercent", down.max_percent)?,
        },
        dry_run: spec.dry_run,
    };
    Policy::new(fields).map_err(|error| Error::Autoscaling {
        field: field.to_owned(),
        error,
    })
}

/// What a kind of pod is made from. `extra` is what counts for its hash besides template and resources.
fn part(
    field: &str,
    kind: template::Kind,
    raw: &RawTemplate,
    resources: Option<&ComputeResources>,
    extra: Value,
) -> Result<Part, Error> {
    let template = template::parse(&format!("{field}.template"), raw)?;
    let made_from = json!({
        "recipe": hash::RECIPE,
        "template": raw,
        "resources": resources,
        "more": extra,
    });
    Ok(Part {
        resources: resources.map_or_else(|| default_resources(kind), requirements),
        template,
        hash: hash::of(&made_from),
    })
}

fn requirements(resources: &ComputeResources) -> ResourceRequirements {
    let list = |from: &BTreeMap<String, IntOrString>| {
        (!from.is_empty()).then(|| {
            from.iter()
                .map(|(name, amount)| (name.clone(), quantity(amount)))
                .collect()
        })
    };
    ResourceRequirements {
        requests: list(&resources.requests),
        limits: list(&resources.limits),
        claims: None,
    }
}

fn quantity(amount: &IntOrString) -> Quantity {
    match amount {
        IntOrString::Int(number) => Quantity(number.to_string()),
        IntOrString::String(text) => Quantity(text.clone()),
    }
}

/// Small enough for a test cluster's node; a worker's CPU limit is what its slots come from.
fn default_resources(kind: template::Kind) -> ResourceRequirements {
    let list = |pairs: &[(&str, &str)]| {
        Some(
            pairs
                .iter()
                .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())))
                .collect(),
        )
    };
    let (requests, limits) = match kind {
        template::Kind::Scheduler => (
            list(&[("cpu", "100m"), ("memory", "256Mi")]),
            list(&[("memory", "1Gi")]),
        ),
        template::Kind::Worker => (
            list(&[("cpu", "500m"), ("memory", "1Gi")]),
            list(&[("cpu", "1"), ("memory", "1Gi")]),
        ),
    };
    ResourceRequirements {
        requests,
        limits,
        claims: None,
    }
}

fn max_unavailable(field: &str, value: &IntOrString) -> Result<MaxUnavailable, Error> {
    let parsed = match value {
        IntOrString::Int(number) => u32::try_from(*number).ok().map(MaxUnavailable::Count),
        IntOrString::String(text) => match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(MaxUnavailable::Percent),
            None => text.parse().ok().map(MaxUnavailable::Count),
        },
    };
    parsed.ok_or_else(|| Error::MaxUnavailable {
        field: format!("{field}.maxUnavailable"),
        value: quantity(value).0,
    })
}

fn count(field: &str, value: i32) -> Result<u32, Error> {
    within(field, value, 10_000)
}

fn within(field: &str, value: i32, most: u32) -> Result<u32, Error> {
    u32::try_from(value)
        .ok()
        .filter(|value| *value <= most)
        .ok_or_else(|| Error::Range {
            field: field.to_owned(),
            value: i64::from(value),
            least: 0,
            most: i64::from(most),
        })
}

fn label(field: &str, name: &str, longest: usize) -> Result<(), Error> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = !name.is_empty()
        && name.len() <= longest
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if good {
        Ok(())
    } else {
        Err(name_error(field, name, longest, ""))
    }
}

fn name_error(field: &str, name: &str, longest: usize, extra: &'static str) -> Error {
    Error::Name {
        field: field.to_owned(),
        name: name.to_owned(),
        longest,
        extra,
    }
}
