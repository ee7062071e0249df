//! What goes wrong between this program and Kubernetes, in words that say what to do.

use dasklike_proto_engine::transport::root_cause;
use kube::Error;
use kube::client::UpgradeConnectionError;

/// Why a command in Kubernetes fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubeError {
    /// The user may not.
    #[error(
        "Kubernetes does not let you {verb} {resource} in namespace {namespace:?}: ask for a role that allows it ({why})"
    )]
    Forbidden {
        verb: &'static str,
        resource: &'static str,
        namespace: String,
        why: String,
    },
    /// The user is not known.
    #[error("Kubernetes does not know you: renew the credentials of your kubeconfig ({0})")]
    Unauthorized(String),
    /// There is no such cluster.
    #[error(
        "namespace {namespace:?} has no DaskLikeCluster {name:?}; {}",
        known_text(known)
    )]
    NoCluster {
        name: String,
        namespace: String,
        known: Vec<String>,
    },
    /// The operator was never installed.
    #[error(
        "this Kubernetes knows no DaskLikeClusters: install the charts dasklike-crds and dasklike-operator first"
    )]
    NoOperator,
    /// There is no kubeconfig, or it makes no sense.
    #[error("the kubeconfig cannot be used ({0}): does `kubectl get pods` work?")]
    Config(String),
    /// A Secret is not what the operator makes.
    #[error("Secret {secret:?} lacks {item:?}: did anything but the operator change it?")]
    Secret { secret: String, item: &'static str },
    /// The API server does not answer, or not as it should.
    #[error("cannot {verb} {resource} ({why}): does `kubectl get pods` work?")]
    Api {
        verb: &'static str,
        resource: &'static str,
        why: String,
    },
}

fn known_text(known: &[String]) -> String {
    match known {
        [] => "it has none at all: is it another namespace (-n)?".to_owned(),
        known => format!("it has {}", known.join(", ")),
    }
}

/// What was asked of Kubernetes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    verb: &'static str,
    resource: &'static str,
    namespace: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn new(verb: &'static str, resource: &'static str, namespace: &'a str) -> Self {
        Request {
            verb,
            resource,
            namespace,
        }
    }

    /// The error of a request that failed.
    pub(crate) fn failed(self, error: Error) -> KubeError {
        let Request {
            verb,
            resource,
            namespace,
        } = self;
        match error {
            Error::Api(status) if status.code == 403 => KubeError::Forbidden {
                verb,
                resource,
                namespace: namespace.to_owned(),
                why: status.message,
            },
            Error::Api(status) if status.code == 401 => KubeError::Unauthorized(status.message),
            Error::Api(status) => KubeError::Api {
                verb,
                resource,
                why: status.message,
            },
            Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code))
                if code.as_u16() == 403 =>
            {
                KubeError::Forbidden {
                    verb,
                    resource,
                    namespace: namespace.to_owned(),
                    why: code.to_string(),
                }
            }
            Error::Auth(e) => KubeError::Unauthorized(e.to_string()),
            e @ (Error::InferConfig(_) | Error::InferKubeconfig(_)) => {
                KubeError::Config(root_cause(&e))
            }
            e => KubeError::Api {
                verb,
                resource,
                why: root_cause(&e),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn status(code: u16, message: &str) -> Error {
        Error::Api(Status::failure(message, "").with_code(code).boxed())
    }

    #[test]
    fn a_forbidden_request_names_verb_and_resource() {
        let request = Request::new("get", "secrets", "team-a");
        let text = request.failed(status(403, "no such luck")).to_string();
        for part in ["get", "secrets", "team-a", "no such luck"] {
            assert!(text.contains(part), "{text}");
        }
        let code = "403".parse().unwrap();
        let refused = Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code));
        let text = Request::new("create", "pods/portforward", "team-a")
            .failed(refused)
            .to_string();
        assert!(text.contains("create pods/portforward"), "{text}");
    }

    #[test]
    fn who_is_not_known_is_told_to_renew() {
        let error = Request::new("list", "pods", "a").failed(status(401, "Unauthorized"));
        assert!(matches!(error, KubeError::Unauthorized(_)), "{error}");
    }

    #[test]
    fn a_missing_cluster_is_answered_with_those_there_are() {
        let known = vec!["era5".to_owned(), "sentinel".to_owned()];
        let error = KubeError::NoCluster {
            name: "demo".into(),
            namespace: "team-a".into(),
            known,
        };
        let text = error.to_string();
        assert!(
            text.contains("demo") && text.contains("era5, sentinel"),
            "{text}"
        );
    }
}
