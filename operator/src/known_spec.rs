//! The step before a decision: the spec, checked. A scheduler at work says something many times a minute, and the spec
//! is the same each time.

use crate::context::Context;
use crate::core::cluster::ValidatedCluster;
use crate::core::labels::Labels;
use crate::core::validate::{self, validate};
use crate::memory::Memory;
use dasklike_operator_api::DaskLikeCluster;
use std::sync::Arc;

/// A spec that was checked, and what it was made from besides: labels have no generation.
#[derive(Clone, Debug)]
pub(crate) struct KnownSpec {
    validated: Arc<ValidatedCluster>,
    labels: Option<Labels>,
}

/// What can be built of a cluster, as it is known from an earlier look if its spec is still the same.
///
/// # Errors
/// The first field that is wrong.
pub(crate) fn known_spec(
    cluster: &DaskLikeCluster,
    context: &Context,
    memory: &mut Memory,
) -> Result<Arc<ValidatedCluster>, validate::Error> {
    let metadata = &cluster.metadata;
    if let Some(known) = &memory.spec
        && Some(known.validated.generation) == metadata.generation
        && known.labels == metadata.labels
    {
        return Ok(known.validated.clone());
    }
    let facts = validate::Facts {
        default_image: &context.default_image,
    };
    let validated = Arc::new(validate(cluster, &facts)?);
    memory.spec = Some(KnownSpec {
        validated: validated.clone(),
        labels: metadata.labels.clone(),
    });
    Ok(validated)
}
