//! `dasklike scaling NAME`: the last decisions about a cluster in Kubernetes, with what they were made from.

use super::client;
use super::cluster::Cluster;
use crate::commands::{print, print_json};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct ShowScalingArgs {
    /// The cluster's name
    name: String,
    /// Its namespace [default: your kubeconfig's]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ShowScalingArgs {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
        let cluster = runtime.block_on(async {
            let (client, namespace) = client(self.namespace.as_deref()).await?;
            Cluster::find(client, namespace, &self.name).await
        })?;
        match self.json {
            true => print_json(&as_json(&cluster.status)),
            false => print(&as_text(&cluster.status)),
        }
    }
}

fn condition(status: &Value) -> Option<&Value> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == "ScalingActive")
}

fn decisions(status: &Value) -> &[Value] {
    status["scalingDecisions"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

fn as_json(status: &Value) -> Value {
    json!({
        "active": condition(status),
        "pools": status["pools"],
        "decisions": decisions(status),
    })
}

fn as_text(status: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut text = match condition(status) {
        Some(c) => format!("{}: {}\n", word(&c["reason"]), word(&c["message"])),
        None => "the operator has not looked at this cluster yet\n".to_owned(),
    };
    for pool in status["pools"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "{}: {} wanted, {} ready, {} draining\n",
            word(&pool["name"]),
            word(&pool["desired"]),
            word(&pool["ready"]),
            word(&pool["draining"])
        ));
    }
    let decisions = decisions(status);
    if decisions.is_empty() {
        text.push_str("nothing was changed yet\n");
        return text;
    }
    text.push_str("\nTIME                  POOL        FROM   TO  WHY\n");
    for decision in decisions {
        let dry = match decision["dryRun"] == true {
            true => "only told: ",
            false => "",
        };
        text.push_str(&format!(
            "{:<20}  {:<10} {:>5} {:>4}  {}: {dry}{}\n",
            word(&decision["time"]),
            word(&decision["pool"]),
            word(&decision["from"]),
            word(&decision["to"]),
            word(&decision["reason"]),
            word(&decision["message"])
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_shown_with_what_they_follow_from() {
        let status = json!({
            "conditions": [{"type": "ScalingActive", "reason": "FollowsWork", "message": "m"}],
            "pools": [{"name": "default", "desired": 3, "ready": 1, "draining": 0}],
            "scalingDecisions": [{"time": "2026-01-01T00:00:00Z", "pool": "default", "from": 0, "to": 3,
                "reason": "MoreWork", "message": "9 tasks"}],
        });
        let text = as_text(&status);
        for expected in ["FollowsWork: m", "3 wanted, 1 ready", "MoreWork: 9 tasks"] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(as_text(&json!({})).contains("nothing was changed yet"));
    }
}
