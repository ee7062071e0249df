//! One line of the operator's log of decisions.

use crate::decision::Decision;
use crate::observed::Observed;
use crate::policy::Policy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was decided about one pool, with all that it was decided from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When.
    pub time: Timestamp,
    /// The cluster, as `namespace/name`.
    pub cluster: String,
    /// The pool.
    pub pool: String,
    /// What was allowed.
    pub policy: Policy,
    /// What was seen.
    pub observed: Observed,
    /// What was decided.
    pub decision: Decision,
}

/// A line that is a decision, and not one that can be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is a decision that this version cannot read: {source}")]
pub struct RecordError {
    /// From 1 on.
    line: usize,
    /// What is wrong with it.
    source: serde_json::Error,
}

impl Record {
    /// One line of JSON, without its end.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The records of a log: lines that are records, and lines of JSON whose field `decision` holds one as text, as the
/// operator writes them. All other lines are passed over, for a log says other things too.
pub fn parse(log: &str) -> Result<Vec<Record>, RecordError> {
    let records = log.lines().enumerate().filter_map(|(i, text)| {
        let line: Value = serde_json::from_str(text).ok()?;
        let record = match line.get("decision")? {
            Value::String(text) => serde_json::from_str(text),
            _ => serde_json::from_value(line),
        };
        Some(record.map_err(|source| RecordError {
            line: i + 1,
            source,
        }))
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{History, decide};

    fn record() -> Record {
        let policy = Policy::up_to(4);
        let observed: Observed = serde_json::from_str(
            r#"{"slotsPerWorker":2,"workers":[],"demand":{"readyTasks":9,"runningTasks":0,"blockedTasks":0,
            "queueSeconds":500},"current":0}"#,
        )
        .unwrap();
        let time = "2026-01-01T00:00:00Z".parse().unwrap();
        let decision = decide(&policy, &observed, &History::default(), time);
        Record {
            time,
            cluster: "a/b".to_owned(),
            pool: "default".to_owned(),
            policy,
            observed,
            decision,
        }
    }

    #[test]
    fn a_line_comes_back_as_it_went() {
        let line = record().to_line().unwrap();
        assert!(!line.contains('\n'));
        let inner = serde_json::json!({"level": "INFO", "decision": line, "pool": "default"});
        let log = format!("{line}\n\nno JSON\n{{\"message\": \"leads\"}}\n{inner}\n");
        assert_eq!(parse(&log).unwrap(), [record(), record()]);
    }

    #[test]
    fn an_error_names_the_line() {
        let log = format!(
            "{}\n\n{{\"decision\": \"{{}}\"}}\n",
            record().to_line().unwrap()
        );
        let error = parse(&log).unwrap_err().to_string();
        assert!(error.starts_with("line 3 is a decision"), "{error}");
    }
}
