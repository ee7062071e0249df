//! What can go wrong between the operator and the API server, by what is done about it.

use crate::core::status::Refusal;
use dasklike_operator_api::reasons;

/// Why a look at a cluster did not come to its end. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do as asked, and may the next time.
    #[error("{action}: {source}")]
    Api {
        /// What was tried, such as `create pod demo-scheduler`.
        action: String,
        /// What was answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// A certificate could not be made.
    #[error("cannot make certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// The API server refused, and will until something changes. The status has its words.
    #[error("{}: {}", .0.object, .0.message)]
    Refused(Refusal),
}

impl Error {
    /// The category in metrics and logs.
    pub fn category(&self) -> &'static str {
        match self {
            Error::Api { source, .. } => match &**source {
                kube::Error::Api(status) => match status.code {
                    409 => "conflict",
                    429 => "throttled",
                    500..=599 => "server",
                    _ => "api",
                },
                _ => "connection",
            },
            Error::Certificates(_) => "certificates",
            Error::Refused(refusal) => match refusal.reason {
                reasons::FORBIDDEN => "forbidden",
                reasons::QUOTA_EXCEEDED => "quota",
                reasons::NAME_TAKEN => "name_taken",
                _ => "refused",
            },
        }
    }

    /// Sorts an answer: a refusal that people must hear of, or something that passes.
    pub(crate) fn of(verb: &str, object: &str, source: kube::Error) -> Error {
        let kube::Error::Api(status) = &source else {
            return Error::passing(verb, object, source);
        };
        // A namespace that is being deleted takes its clusters with it: nobody needs to hear of it.
        let terminating = status.message.contains("is being terminated");
        let reason = match status.code {
            403 if terminating => return Error::passing(verb, object, source),
            403 if status.message.contains("exceeded quota") => reasons::QUOTA_EXCEEDED,
            // Admission, such as pod security, answers in this way too, but speaks of rules and not of rights.
            403 if status.message.contains(" cannot ") => reasons::FORBIDDEN,
            400 | 403 | 422 => reasons::CREATE_REFUSED,
            _ => return Error::passing(verb, object, source),
        };
        Error::Refused(Refusal {
            object: object.to_owned(),
            reason,
            message: status.message.clone(),
        })
    }

    /// An object of this name is somebody else's, most likely of a cluster of this name that was just deleted. When
    /// it goes, the watch says so.
    pub(crate) fn name_taken(object: &str) -> Error {
        Error::Refused(Refusal {
            object: object.to_owned(),
            reason: reasons::NAME_TAKEN,
            message:
                "exists and is not of this cluster; delete it, or give the cluster another name"
                    .to_owned(),
        })
    }

    fn passing(verb: &str, object: &str, source: kube::Error) -> Error {
        Error::Api {
            action: format!("{verb} {object}"),
            source: Box::new(source),
        }
    }
}

/// Whether the API server answered with this code.
pub(crate) fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
