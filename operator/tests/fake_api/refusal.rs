//! The API server's refusals, in its words.

use serde_json::{Value, json};

/// An answer that is no success.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    reason: &'static str,
    message: String,
    retry_after: Option<u32>,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Refusal {
        Refusal {
            code,
            reason,
            message,
            retry_after: None,
        }
    }

    /// 404.
    pub fn not_found(resource: &str, name: &str) -> Refusal {
        Refusal::new(404, "NotFound", format!("{resource} {name:?} not found"))
    }

    /// 409 for a name that is taken.
    pub fn exists(resource: &str, name: &str) -> Refusal {
        let message = format!("{resource} {name:?} already exists");
        Refusal::new(409, "AlreadyExists", message)
    }

    /// 409 for a version or uid that is not the present one.
    pub fn conflict(resource: &str, name: &str, why: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Refusal::new(409, "Conflict", message)
    }

    /// 410.
    pub fn expired() -> Refusal {
        let message = "The resourceVersion for the provided watch is too old.".to_owned();
        Refusal::new(410, "Expired", message)
    }

    /// 422.
    pub fn invalid(resource: &str, name: &str, why: &str) -> Refusal {
        let message = format!("{resource} {name:?} is invalid: {why}");
        Refusal::new(422, "Invalid", message)
    }

    /// 400.
    pub fn bad(why: &str) -> Refusal {
        Refusal::new(400, "BadRequest", why.to_owned())
    }

    /// 429.
    pub fn too_many(retry_after_seconds: u32) -> Refusal {
        let message =
            "the server has received too many requests and has asked us to try again later";
        Refusal {
            retry_after: Some(retry_after_seconds),
            ..Refusal::new(429, "TooManyRequests", message.to_owned())
        }
    }

    /// 500.
    pub fn internal() -> Refusal {
        let message = "Internal error occurred: etcdserver: leader changed".to_owned();
        Refusal::new(500, "InternalError", message)
    }

    /// 504.
    pub fn timeout() -> Refusal {
        let message = "Timeout: request did not complete within the allotted timeout".to_owned();
        Refusal::new(504, "Timeout", message)
    }

    /// The seconds of the header `Retry-After`.
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// The body.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(seconds) = self.retry_after {
            status["details"] = json!({ "retryAfterSeconds": seconds });
        }
        status
    }
}
