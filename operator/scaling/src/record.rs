//! One line of the operator's log of decisions.

use crate::decision::Decision;
use crate::observed::Observed;
use crate::policy::Policy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

/// A line that is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It does not say what a record says.
    #[error("line {line} is no record of a decision: {source}")]
    Line {
        /// From 1 on.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Record {
    /// One line of JSON, without its end.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The records of a log. Lines that are empty say nothing.
pub fn parse(log: &str) -> Result<Vec<Record>, RecordError> {
    let filled = |(_, text): &(usize, &str)| !text.trim().is_empty();
    log.lines()
        .enumerate()
        .filter(filled)
        .map(|(i, text)| {
            serde_json::from_str(text).map_err(|source| RecordError::Line {
                line: i + 1,
                source,
            })
        })
        .collect()
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
        let log = format!("{line}\n\n{line}\n");
        assert_eq!(parse(&log).unwrap(), [record(), record()]);
    }

    #[test]
    fn an_error_names_the_line() {
        let log = format!("{}\n\n{{\"time\": 3}}\n", record().to_line().unwrap());
        let error = parse(&log).unwrap_err().to_string();
        assert!(error.starts_with("line 3 is no record"), "{error}");
    }
}
