//! What the rest of a cluster does with pods: a scheduler places them, a kubelet starts them, makes them ready and
//! ends them, and the garbage collector deletes what has lost its owners.

use super::FakeApi;
use super::delete::collect_garbage;
use super::store::{Key, Store};
use fastrand::Rng;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// A pod's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Place,
    Start,
    BecomeReady,
    End,
}

struct Kubelet {
    api: FakeApi,
    rng: Rng,
    /// By uid.
    due: BTreeMap<String, (Step, Instant)>,
    addresses: u32,
}

/// Starts it. It works until the handle is aborted.
pub fn start(api: &FakeApi, seed: u64) -> JoinHandle<()> {
    let kubelet = Kubelet {
        api: api.clone(),
        rng: Rng::with_seed(seed),
        due: BTreeMap::new(),
        addresses: 0,
    };
    tokio::spawn(kubelet.run())
}

impl Kubelet {
    async fn run(mut self) {
        let api = self.api.clone();
        loop {
            // What this pass itself changes asks for another one.
            let seen = api.with_store(|store| {
                let seen = store.revision();
                collect_garbage(store);
                self.work(store);
                seen
            });
            let next = self.due.values().map(|(_, at)| *at).min();
            let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                _ = api.changed(seen) => {}
                () = sleep_until(next) => {}
            }
        }
    }

    fn work(&mut self, store: &mut Store) {
        let pods: Vec<Value> = store.all("pods").into_iter().cloned().collect();
        let uids: Vec<&str> = pods
            .iter()
            .map(|p| p["metadata"]["uid"].as_str().unwrap())
            .collect();
        self.due.retain(|uid, _| uids.contains(&uid.as_str()));
        let now = Instant::now();
        for pod in &pods {
            let uid = pod["metadata"]["uid"].as_str().unwrap();
            let Some(step) = next_step(pod) else {
                self.due.remove(uid);
                continue;
            };
            let at = match self.due.get(uid) {
                Some((planned, at)) if *planned == step => *at,
                _ => now + self.takes(step),
            };
            self.due.insert(uid.to_owned(), (step, at));
            if at <= now {
                self.due.remove(uid);
                self.carry_out(store, pod, step);
            }
        }
    }

    fn takes(&mut self, step: Step) -> Duration {
        let longest = match step {
            Step::Place => 20,
            Step::Start => 200,
            Step::BecomeReady => 1500,
            Step::End => 800,
        };
        Duration::from_millis(self.rng.u64(1..longest))
    }

    fn carry_out(&mut self, store: &mut Store, pod: &Value, step: Step) {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap().to_owned();
        let key: Key = ("pods".to_owned(), text("namespace"), text("name"));
        let now = store.clock.stamp(SignedDuration::ZERO);
        let mut pod = pod.clone();
        match step {
            Step::Place => {
                pod["spec"]["nodeName"] = json!("node-1");
                pod["status"]["conditions"] = json!([condition("PodScheduled", "True", &now)]);
            }
            Step::Start => {
                self.addresses += 1;
                let address = format!("10.0.{}.{}", self.addresses / 250, self.addresses % 250 + 1);
                pod["status"]["podIP"] = json!(address);
                pod["status"]["podIPs"] = json!([{ "ip": address }]);
                pod["status"]["startTime"] = json!(now);
                set_ready(&mut pod, "Running", false, &now);
            }
            Step::BecomeReady => set_ready(&mut pod, "Running", true, &now),
            Step::End => {
                store.remove(&key);
                return;
            }
        }
        store.update(key, pod);
    }
}

fn next_step(pod: &Value) -> Option<Step> {
    let ready = || {
        let conditions = pod["status"]["conditions"].as_array();
        conditions.is_some_and(|c| {
            c.iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
        })
    };
    match pod["status"]["phase"].as_str() {
        _ if pod["metadata"]["deletionTimestamp"].is_string() => Some(Step::End),
        Some("Succeeded" | "Failed") => None,
        Some("Running") if ready() => None,
        Some("Running") => Some(Step::BecomeReady),
        _ if pod["spec"]["nodeName"].is_string() => Some(Step::Start),
        _ => Some(Step::Place),
    }
}

fn set_ready(pod: &mut Value, phase: &str, ready: bool, now: &str) {
    let truth = if ready { "True" } else { "False" };
    let statuses: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "imageID": "sha256:0", "ready": ready,
                "started": true, "restartCount": 0, "state": {"running": {"startedAt": now}}, "lastState": {},
            })
        })
        .collect();
    pod["status"]["phase"] = json!(phase);
    pod["status"]["containerStatuses"] = json!(statuses);
    pod["status"]["conditions"] = json!([
        condition("PodScheduled", "True", now),
        condition("Initialized", "True", now),
        condition("ContainersReady", truth, now),
        condition("Ready", truth, now),
    ]);
}

fn condition(kind: &str, status: &str, now: &str) -> Value {
    json!({ "type": kind, "status": status, "lastTransitionTime": now, "lastProbeTime": null })
}

/// Ends a pod's containers as a failed or a finished pod, as `restartPolicy: Never` would.
pub fn finish(api: &FakeApi, namespace: &str, name: &str, exit_code: i32, reason: &str) {
    api.with_store(|store| {
        let key: Key = ("pods".to_owned(), namespace.to_owned(), name.to_owned());
        let now = store.clock.stamp(SignedDuration::ZERO);
        let mut pod = store.get(&key).expect("the pod to end is there").clone();
        set_ready(
            &mut pod,
            if exit_code == 0 {
                "Succeeded"
            } else {
                "Failed"
            },
            false,
            &now,
        );
        for status in pod["status"]["containerStatuses"].as_array_mut().unwrap() {
            status["state"] = json!({"terminated": {
                "exitCode": exit_code, "reason": reason, "startedAt": now, "finishedAt": now,
            }});
        }
        store.update(key, pod);
    });
}
