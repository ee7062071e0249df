//! The step that keeps the Secret with the certificates as it should be.
//!
//! The Secret is read only when the watch says that it is another one than the last time, or when something in it
//! is to be renewed.

use crate::certificates::{self, Files};
use crate::context::Context;
use crate::core::build;
use crate::core::certificates::plan;
use crate::core::cluster::ValidatedCluster;
use crate::credentials::{Credentials, Pem};
use crate::error::{Error, is};
use crate::memory::{Certificates, Memory};
use crate::object_index::{Kind, Observed};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use tracing::info;

/// Makes the certificates that are missing or old. After it, `memory.certificates` says in which version of the
/// Secret they are.
///
/// # Errors
/// What the API server answered.
pub(crate) async fn certify(
    cluster: &ValidatedCluster,
    context: &Context,
    memory: &mut Memory,
    now: Timestamp,
) -> Result<(), Error> {
    let observed = context.objects.get(Kind::Secret, &cluster.key);
    let known = memory.certificates.as_ref().is_some_and(|known| {
        observed
            .as_ref()
            .is_some_and(|secret| secret.version == known.version)
            && now < known.recheck_at
    });
    if known {
        return Ok(());
    }
    memory.certificates = None;
    let name = cluster.key.secret();
    let title = format!("Secret {name}");
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &cluster.key.namespace);
    let held = match observed {
        Some(secret) if secret.is_of_another(&cluster.uid) => {
            return Err(Error::name_taken(&title));
        }
        Some(_) => api
            .get_opt(&name)
            .await
            .map_err(|error| Error::of("read", &title, error))?,
        // Most likely there is none: creating it says whether that is so.
        None => None,
    };
    let files = held.as_ref().map(files).unwrap_or_default();
    let plan = plan(
        &certificates::read(&files),
        &certificates::names(&cluster.key),
        now,
    );
    let secret = match held {
        Some(secret) if plan.steps.is_empty() => secret,
        held => {
            info!(cluster = %cluster.key, steps = ?plan.steps, "certificates are made");
            let made = certificates::carry_out(&files, &plan.steps, &cluster.key, now)?;
            let secret = build::secret(cluster, &made);
            match held {
                Some(held) => replace(&api, secret, held, &title).await?,
                None => create(cluster, context, &api, secret, &title).await?,
            }
        }
    };
    let observed = Observed::new(Kind::Secret, &secret.metadata);
    memory.certificates = Some(Certificates {
        version: observed.version.clone(),
        recheck_at: plan.recheck_at,
        credentials: own(&secret, context),
    });
    context
        .objects
        .applied(Kind::Secret, &cluster.key, observed);
    Ok(())
}

/// Writes the Secret anew, unless somebody else did since it was read: then the API server says so, and the next
/// look reads it again.
async fn replace(
    api: &Api<Secret>,
    mut secret: Secret,
    held: Secret,
    title: &str,
) -> Result<Secret, Error> {
    secret.metadata.resource_version = held.metadata.resource_version;
    let name = held.metadata.name.unwrap_or_default();
    api.patch(
        &name,
        &PatchParams::apply(crate::FIELD_MANAGER).force(),
        &Patch::Apply(&secret),
    )
    .await
    .map_err(|error| Error::of("apply", title, error))
}

/// Creates the Secret. If there is one that the watch has not told of, keys that parts may use already must not be
/// replaced: the next look, which comes soon, knows of it and reads it.
async fn create(
    cluster: &ValidatedCluster,
    context: &Context,
    api: &Api<Secret>,
    secret: Secret,
    title: &str,
) -> Result<Secret, Error> {
    let params = PostParams {
        field_manager: Some(crate::FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, &secret).await {
        Err(conflict) if is(&conflict, 409) => {
            let found = api
                .get_metadata(&cluster.key.secret())
                .await
                .map_err(|error| Error::of("read", title, error))?;
            let found = Observed::new(Kind::Secret, &found.metadata);
            context.objects.applied(Kind::Secret, &cluster.key, found);
            Err(Error::of("create", title, conflict))
        }
        other => other.map_err(|error| Error::of("create", title, error)),
    }
}

/// The operator's own part of it.
fn own(secret: &Secret, context: &Context) -> Credentials {
    let file = |name: &str| {
        let data = secret.data.as_ref();
        data.and_then(|data| data.get(name))
            .map_or(&[][..], |bytes| &bytes.0)
    };
    let pem = Pem {
        ca: file("ca.crt"),
        certificate: file("operator.crt"),
        key: file("operator.key"),
    };
    Credentials::read(pem, &context.provider)
}

fn files(secret: &Secret) -> Files {
    secret
        .data
        .iter()
        .flatten()
        .map(|(name, bytes)| (name.clone(), bytes.0.clone()))
        .collect()
}
