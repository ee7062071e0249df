//! The conditions, each with a reason taken from the pods or from what the API server said.

use super::counts::{Counts, of_pool};
use super::{Facts, Refusal};
use crate::core::autoscale::Scaled;
use crate::core::cluster::ValidatedCluster;
use crate::core::observed::{ObservedPod, Trouble};
use crate::core::sizing::Mode;
use dasklike_operator_api::{ConditionType, IdleAction, Truth, reasons};
use std::collections::BTreeMap;

/// A condition without its times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) type_: ConditionType,
    pub(super) truth: Truth,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Judged {
    pub(super) fn new(
        type_: ConditionType,
        truth: Truth,
        reason: &str,
        message: impl Into<String>,
    ) -> Judged {
        Judged {
            type_,
            truth,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    /// The same words about something else.
    fn about(&self, type_: ConditionType) -> Judged {
        Judged {
            type_,
            ..self.clone()
        }
    }
}

/// All five, always in this order, which is that of their types.
pub(super) fn judge(cluster: &ValidatedCluster, facts: Facts<'_>, pools: &[Counts]) -> Vec<Judged> {
    let scheduler = scheduler(cluster, facts);
    let workers = workers(cluster, facts, pools);
    let ready = ready(cluster, &scheduler, &workers);
    let progressing = progressing(cluster, facts, pools, &scheduler, &workers);
    vec![
        ready,
        scheduler,
        workers,
        progressing,
        scaling(cluster, facts),
    ]
}

fn ready(cluster: &ValidatedCluster, scheduler: &Judged, workers: &Judged) -> Judged {
    for part in [scheduler, workers] {
        if part.truth != Truth::True {
            return part.about(ConditionType::Ready);
        }
    }
    Judged::new(
        ConditionType::Ready,
        Truth::True,
        reasons::READY,
        format!("clients compute at {}", cluster.scheduler_url()),
    )
}

fn scheduler(cluster: &ValidatedCluster, facts: Facts<'_>) -> Judged {
    let no = |reason: &str, message: String| {
        Judged::new(ConditionType::SchedulerReady, Truth::False, reason, message)
    };
    let name = cluster.key.scheduler();
    let Some(pod) = facts.pods.get(&name) else {
        if cluster.suspend {
            return no(reasons::SUSPENDED, "spec.suspend is true".to_owned());
        }
        return match refusal(facts.refusals, &name) {
            Some(refusal) => no(refusal.reason, said(refusal)),
            None => no(reasons::MISSING, format!("pod {name} is being made")),
        };
    };
    if pod.owner.as_deref() != Some(&cluster.uid) {
        return no(
            reasons::NAME_TAKEN,
            format!("pod {name} is not of this cluster; delete it or rename the cluster"),
        );
    }
    if pod.deleting {
        return no(reasons::TERMINATING, format!("pod {name} is going away"));
    }
    if pod.is_ready() && !facts.service {
        return match refusal(facts.refusals, &name) {
            Some(refusal) => no(refusal.reason, said(refusal)),
            None => no(reasons::MISSING, format!("Service {name} is being made")),
        };
    }
    if pod.is_ready() {
        return Judged::new(
            ConditionType::SchedulerReady,
            Truth::True,
            reasons::READY,
            match *pod.hash == *cluster.scheduler.hash {
                true => format!("pod {name} accepts work"),
                false => format!("pod {name} accepts work, and is outdated"),
            },
        );
    }
    match trouble(pod) {
        Some(trouble) => no(&trouble.reason, format!("pod {name}: {}", trouble.message)),
        None => no(reasons::STARTING, format!("pod {name} starts")),
    }
}

fn workers(cluster: &ValidatedCluster, facts: Facts<'_>, pools: &[Counts]) -> Judged {
    let judged = |truth, reason: &str, message: String| {
        Judged::new(ConditionType::WorkersReady, truth, reason, message)
    };
    if cluster.suspend {
        return judged(
            Truth::False,
            reasons::SUSPENDED,
            "spec.suspend is true".to_owned(),
        );
    }
    let desired: u64 = pools.iter().map(|pool| u64::from(pool.desired)).sum();
    let ready: u64 = pools
        .iter()
        .map(|pool| u64::from(pool.ready.min(pool.desired)))
        .sum();
    let counted = format!("{ready} of {desired} workers are ready");
    if desired == 0 {
        return judged(
            Truth::True,
            reasons::NONE_WANTED,
            "no workers are wanted".to_owned(),
        );
    }
    if ready >= desired {
        return judged(Truth::True, reasons::READY, counted);
    }
    let refused = facts
        .refusals
        .iter()
        .find(|refusal| refusal.object != pod_object(&cluster.key.scheduler()));
    if let Some(refusal) = refused {
        return judged(
            Truth::False,
            refusal.reason,
            format!("{counted}; {}", said(refusal)),
        );
    }
    match commonest_trouble(cluster, facts) {
        Some((trouble, pod, 1)) => judged(
            Truth::False,
            &trouble.reason,
            format!("{counted}; pod {pod}: {}", trouble.message),
        ),
        Some((trouble, pod, pods)) => judged(
            Truth::False,
            &trouble.reason,
            format!("{counted}; {pods} pods, such as {pod}: {}", trouble.message),
        ),
        None => judged(Truth::False, reasons::WORKERS_NOT_READY, counted),
    }
}

/// What most of the pods that are not ready suffer from, the first of them by name, and how many they are.
fn commonest_trouble(
    cluster: &ValidatedCluster,
    facts: Facts<'_>,
) -> Option<(Trouble, String, usize)> {
    let mut by_reason: BTreeMap<String, Vec<(&String, Trouble)>> = BTreeMap::new();
    let waiting = cluster
        .pools
        .iter()
        .flat_map(|pool| of_pool(cluster, pool, facts.pods))
        .filter(|(_, pod)| pod.is_current() && !pod.is_ready());
    for (name, pod) in waiting {
        if let Some(trouble) = trouble(pod) {
            by_reason
                .entry(trouble.reason.clone())
                .or_default()
                .push((name, trouble));
        }
    }
    let commonest = by_reason
        .into_values()
        // Of equals the last in the order of words: `max_by_key` says so, and any fixed choice is good.
        .max_by_key(Vec::len)?;
    let number = commonest.len();
    let (name, trouble) = commonest.into_iter().next()?;
    Some((trouble, name.clone(), number))
}

/// What keeps a pod from being ready. A crash loop is told with how the process ended: that is what one asks next.
fn trouble(pod: &ObservedPod) -> Option<Trouble> {
    let trouble = pod.trouble.as_deref()?;
    let Some(ended) = &pod.termination else {
        return Some(trouble.clone());
    };
    let code = ended
        .exit_code
        .map_or_else(String::new, |code| format!(" with exit code {code}"));
    Some(Trouble {
        reason: match ended.reason.as_str() {
            "OOMKilled" => ended.reason.clone(),
            _ => trouble.reason.clone(),
        },
        message: format!("{}; last ended as {}{code}", trouble.message, ended.reason),
    })
}

fn progressing(
    cluster: &ValidatedCluster,
    facts: Facts<'_>,
    pools: &[Counts],
    scheduler: &Judged,
    workers: &Judged,
) -> Judged {
    let yes = |reason: &str, message: String| {
        Judged::new(ConditionType::Progressing, Truth::True, reason, message)
    };
    let sum = |of: fn(&Counts) -> u32| pools.iter().map(of).fold(0, u32::saturating_add);
    let missing = sum(|pool| pool.desired.saturating_sub(pool.current));
    let (outdated, draining) = (sum(|pool| pool.outdated), sum(|pool| pool.draining));
    let waits = facts
        .plan
        .pools
        .iter()
        .any(|pool| pool.recheck_at.is_some());
    if outdated > 0 {
        return yes(
            reasons::ROLLING,
            format!("{outdated} workers are outdated and will be replaced"),
        );
    }
    if missing > 0 && waits {
        return yes(
            reasons::BACKING_OFF,
            format!(
                "{missing} workers are missing; the last ones ended too soon, so new ones wait"
            ),
        );
    }
    if missing > 0 {
        return yes(
            reasons::CREATING,
            format!("{missing} workers are to be made"),
        );
    }
    if draining > 0 {
        return yes(
            reasons::DRAINING,
            format!("{draining} workers finish what they compute and go"),
        );
    }
    let settled = |part: &Judged| part.truth == Truth::True || part.reason == reasons::SUSPENDED;
    for part in [scheduler, workers] {
        if !settled(part) {
            return part.about(ConditionType::Progressing).so(Truth::True);
        }
    }
    let message = match cluster.suspend {
        true => "suspended: no pods",
        false => "all pods are what the spec asks for",
    };
    Judged::new(
        ConditionType::Progressing,
        Truth::False,
        reasons::SETTLED,
        message,
    )
}

impl Judged {
    fn so(mut self, truth: Truth) -> Judged {
        self.truth = truth;
        self
    }
}

fn scaling(cluster: &ValidatedCluster, facts: Facts<'_>) -> Judged {
    let judged = |truth, reason: &str, message: String| {
        Judged::new(ConditionType::ScalingActive, truth, reason, message)
    };
    match facts.plan.sizing.mode {
        Mode::Suspended => judged(
            Truth::False,
            reasons::SUSPENDED,
            "spec.suspend is true".to_owned(),
        ),
        Mode::Idle { .. } => judged(
            Truth::True,
            reasons::IDLE,
            format!(
                "no work for {} s: no workers until there is a job",
                after_seconds(cluster)
            ),
        ),
        Mode::IdleDelete { .. } => judged(
            Truth::True,
            reasons::IDLE_DELETE,
            format!(
                "no work for {} s: the cluster is deleted",
                after_seconds(cluster)
            ),
        ),
        Mode::Spec => by_spec(cluster, facts),
    }
}

fn by_spec(cluster: &ValidatedCluster, facts: Facts<'_>) -> Judged {
    let pools = cluster.pools.iter().zip(&facts.plan.sizing.scaled);
    let scaled: Vec<(&str, &Scaled)> = pools
        .filter_map(|(pool, scaled)| Some((pool.name.as_str(), scaled.as_ref()?)))
        .collect();
    let judged = |truth, reason: &str, message: String| {
        Judged::new(ConditionType::ScalingActive, truth, reason, message)
    };
    if scaled.is_empty() {
        let message = format!(
            "the number of workers is what the spec says{}",
            sleep(cluster)
        );
        return judged(Truth::False, reasons::FIXED, message);
    }
    if let Some((pool, hold)) = scaled
        .iter()
        .find_map(|(pool, scaled)| Some((pool, scaled.decision.hold?)))
    {
        return judged(Truth::False, hold.name(), format!("pool {pool}: {hold}"));
    }
    // The numbers that decisions follow from change all the time; those of each change are in `scalingDecisions`.
    let bounds = scaled.iter().map(|(pool, scaled)| {
        let (policy, dry) = (&scaled.policy, scaled.policy.dry_run());
        let dry = if dry {
            " (dryRun: told and not done)"
        } else {
            ""
        };
        format!("{pool}: {} to {}{dry}", policy.min(), policy.max())
    });
    let message = format!(
        "the number of workers follows the work; {}{}",
        bounds.collect::<Vec<_>>().join(", "),
        sleep(cluster)
    );
    match scaled.iter().all(|(_, scaled)| scaled.policy.dry_run()) {
        true => judged(Truth::False, reasons::DRY_RUN, message),
        false => judged(Truth::True, reasons::FOLLOWS_WORK, message),
    }
}

/// What `spec.idle` adds to it.
fn sleep(cluster: &ValidatedCluster) -> String {
    match &cluster.idle {
        Some(idle) if idle.action == IdleAction::Delete => {
            format!("; deleted after {} s without work", idle.after_seconds)
        }
        Some(idle) => format!("; none after {} s without work", idle.after_seconds),
        None => String::new(),
    }
}

fn after_seconds(cluster: &ValidatedCluster) -> i64 {
    cluster.idle.as_ref().map_or(0, |idle| idle.after_seconds)
}

fn refusal<'a>(refusals: &'a [Refusal], pod: &str) -> Option<&'a Refusal> {
    let object = pod_object(pod);
    refusals
        .iter()
        .find(|refusal| refusal.object == object || !refusal.object.starts_with("pod "))
}

/// How refusals name a pod.
fn pod_object(name: &str) -> String {
    format!("pod {name}")
}

fn said(refusal: &Refusal) -> String {
    format!("{}: {}", refusal.object, refusal.message)
}
