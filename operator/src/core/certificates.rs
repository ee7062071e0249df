//! Which certificates must be made now, from what the Secret holds.
//!
//! A new CA comes in three steps, each seen in the Secret itself, so that a crash between them loses nothing:
//! 1. *stage*: the next CA is added to the bundle and signs nothing. Pods read the bundle as the kubelet brings it,
//!    each when it likes.
//! 2. *promote*: when every pod must have it ([`PROPAGATION`]), it signs all certificates anew. Whoever still shows
//!    an old one is trusted: the old CA stays in the bundle.
//! 3. *drop*: an expired CA leaves the bundle. Nothing that it signed is valid any more.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long a CA is valid. A new one is made at two thirds of it, which leaves its last certificates their full life.
pub const CA_LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);
/// How long a certificate is valid; it is renewed at two thirds of it.
pub const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Certificates are valid since a little before they were made: clocks differ.
pub const BACKDATE: SignedDuration = SignedDuration::from_mins(10);
/// After so long, every pod has read what is in the Secret. The kubelet takes a minute or two.
pub const PROPAGATION: SignedDuration = SignedDuration::from_hours(1);

/// Who a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The scheduler: a server.
    Scheduler,
    /// The workers.
    Worker,
    /// People and their programs.
    Client,
    /// The operator.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Scheduler, Role::Worker, Role::Client, Role::Operator];

    /// The name in the Secret and in the certificate.
    pub fn name(self) -> &'static str {
        match self {
            Role::Scheduler => "scheduler",
            Role::Worker => "worker",
            Role::Client => "client",
            Role::Operator => "operator",
        }
    }
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
}

/// What the Secret holds, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The CA that signs, if its key fits.
    pub signer: Option<Validity>,
    /// The CA that will sign, if its key fits and the bundle has it.
    pub next: Option<Validity>,
    /// The other CAs of the bundle.
    pub others: Vec<Validity>,
    /// The certificates whose keys fit.
    pub leaves: BTreeMap<Role, Leaf>,
}

/// A certificate that the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// When it is valid.
    pub validity: Validity,
    /// The CA that signs now signed it.
    pub by_signer: bool,
    /// The names that it carries.
    pub names: BTreeSet<String>,
}

/// What to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new CA and nothing kept: the first time, or when what is there is of no use.
    Begin,
    /// The next CA, into the bundle.
    StageCa,
    /// The next CA signs from now on.
    PromoteCa,
    /// A certificate.
    Issue(Role),
    /// Expired CAs leave the bundle.
    DropCas,
}

/// What to make now, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CertificatePlan {
    /// In this order. None: all is well.
    pub steps: Vec<Step>,
    /// When something is next to be made.
    pub recheck_at: Timestamp,
}

/// What to make at `now`. `names` are those that each role's certificate must carry.
pub fn plan(
    held: &Held,
    names: &BTreeMap<Role, BTreeSet<String>>,
    now: Timestamp,
) -> CertificatePlan {
    let signer = held.signer.filter(|ca| now < ca.to);
    let Some(signer) = signer else {
        let mut steps = vec![Step::Begin];
        steps.extend(Role::ALL.map(Step::Issue));
        return CertificatePlan {
            steps,
            recheck_at: after(now, two_thirds(LEAF_LIFE)),
        };
    };
    let mut steps = Vec::new();
    let mut deadlines = Vec::new();
    let mut promoted = false;
    match held.next {
        Some(next) => {
            let due = after(next.from, BACKDATE.saturating_add(PROPAGATION));
            promoted = now >= due;
            if promoted {
                steps.push(Step::PromoteCa);
            } else {
                deadlines.push(due);
            }
        }
        None if now >= renewal(signer) => {
            steps.push(Step::StageCa);
            deadlines.push(after(now, PROPAGATION));
        }
        None => deadlines.push(renewal(signer)),
    }
    for role in Role::ALL {
        let kept = held.leaves.get(&role).filter(|leaf| {
            !promoted
                && leaf.by_signer
                && names.get(&role) == Some(&leaf.names)
                && now < renewal(leaf.validity)
        });
        match kept {
            Some(leaf) => deadlines.push(renewal(leaf.validity)),
            None => {
                steps.push(Step::Issue(role));
                deadlines.push(after(now, two_thirds(LEAF_LIFE)));
            }
        }
    }
    if held.others.iter().any(|ca| now >= ca.to) {
        steps.push(Step::DropCas);
    }
    deadlines.extend(held.others.iter().map(|ca| ca.to).filter(|to| *to > now));
    let recheck_at = deadlines.into_iter().min().unwrap_or(signer.to);
    CertificatePlan { steps, recheck_at }
}

/// When a certificate is renewed: at two thirds of its life.
fn renewal(validity: Validity) -> Timestamp {
    after(
        validity.from,
        two_thirds(validity.to.duration_since(validity.from)),
    )
}

fn two_thirds(life: SignedDuration) -> SignedDuration {
    life / 3 * 2
}

fn after(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn at(days: i32) -> Timestamp {
        after("2026-01-01T00:00:00Z".parse().unwrap(), DAY * days)
    }

    fn validity(from: i32, to: i32) -> Validity {
        Validity {
            from: at(from),
            to: at(to),
        }
    }

    fn names() -> BTreeMap<Role, BTreeSet<String>> {
        Role::ALL
            .map(|role| (role, BTreeSet::from([role.name().to_owned()])))
            .into()
    }

    /// All is well: a CA of day 0, leaves of day 0.
    fn good() -> Held {
        Held {
            signer: Some(validity(0, 365)),
            next: None,
            others: Vec::new(),
            leaves: names()
                .into_iter()
                .map(|(role, names)| {
                    let leaf = Leaf {
                        validity: validity(0, 90),
                        by_signer: true,
                        names,
                    };
                    (role, leaf)
                })
                .collect(),
        }
    }

    fn with_fresh_leaves(mut held: Held, day: i32) -> Held {
        for leaf in held.leaves.values_mut() {
            leaf.validity = validity(day, day + 90);
        }
        held
    }

    fn all_issued() -> Vec<Step> {
        Role::ALL.map(Step::Issue).to_vec()
    }

    #[test]
    fn what_is_made_when() {
        let begin = [vec![Step::Begin], all_issued()].concat();
        let mut no_client = good();
        no_client.leaves.remove(&Role::Client);
        let mut renamed = good();
        renamed.leaves.get_mut(&Role::Scheduler).unwrap().names =
            BTreeSet::from(["old".to_owned()]);
        let mut foreign = good();
        foreign.leaves.get_mut(&Role::Worker).unwrap().by_signer = false;
        let mut staged = with_fresh_leaves(good(), 240);
        staged.next = Some(Validity {
            from: after(at(244), -BACKDATE),
            to: at(609),
        });
        let mut promoted = with_fresh_leaves(good(), 340);
        promoted.signer = Some(validity(244, 609));
        promoted.others = vec![validity(0, 365)];
        let hour = SignedDuration::from_hours(1);
        let minute = SignedDuration::from_mins(1);
        let cases = [
            (
                "nothing there",
                Held::default(),
                at(0),
                begin.clone(),
                at(60),
            ),
            ("all is well", good(), at(1), vec![], at(60)),
            (
                "leaves are renewed at two thirds",
                good(),
                at(60),
                all_issued(),
                at(120),
            ),
            (
                "one is missing",
                no_client,
                at(1),
                vec![Step::Issue(Role::Client)],
                at(60),
            ),
            (
                "one has other names",
                renamed,
                at(1),
                vec![Step::Issue(Role::Scheduler)],
                at(60),
            ),
            (
                "one is of another CA",
                foreign,
                at(1),
                vec![Step::Issue(Role::Worker)],
                at(60),
            ),
            (
                "the next CA is staged at two thirds",
                with_fresh_leaves(good(), 240),
                at(244),
                vec![Step::StageCa],
                after(at(244), hour),
            ),
            (
                "it signs nothing until all have it",
                staged.clone(),
                after(at(244), hour - minute),
                vec![],
                after(at(244), hour),
            ),
            (
                "then it signs all",
                staged,
                after(at(244), hour),
                [vec![Step::PromoteCa], all_issued()].concat(),
                after(after(at(244), hour), DAY * 60),
            ),
            (
                "the old one stays while it is valid",
                promoted.clone(),
                at(364),
                vec![],
                at(365),
            ),
            (
                "and is dropped after",
                promoted,
                at(365),
                vec![Step::DropCas],
                at(400),
            ),
            (
                "an expired CA is of no use",
                good(),
                at(365),
                begin,
                at(425),
            ),
        ];
        for (name, held, now, steps, recheck_at) in cases {
            assert_eq!(
                plan(&held, &names(), now),
                CertificatePlan { steps, recheck_at },
                "{name}"
            );
        }
    }

    /// A leaf never outlives its CA, so an old CA can be dropped when it expires.
    #[test]
    fn a_cas_last_leaves_have_their_full_life() {
        let last_signed = two_thirds(CA_LIFE) + PROPAGATION;
        assert!(last_signed + LEAF_LIFE < CA_LIFE);
    }
}
