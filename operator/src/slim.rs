//! Objects as they are read from the API server: without what says nothing new. Most of an object are its spec and its
//! `managedFields`, of which a reader would make a tree of small allocations to throw it away.

use crate::packed::PackedCluster;
use dasklike_operator_api::{DaskLikeCluster, DaskLikeClusterSpec, DaskLikeClusterStatus};
use http::{HeaderValue, Request, header};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use kube::runtime::watcher::Event;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Kubernetes' name for an object without its spec and status.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// An object's metadata alone, and all that the API server is asked for.
#[derive(Deserialize)]
#[serde(bound = "")]
pub(crate) struct SlimMeta<K> {
    #[serde(default, deserialize_with = "metadata")]
    pub(crate) metadata: ObjectMeta,
    #[serde(skip)]
    of: PhantomData<fn() -> K>,
}

/// A pod's metadata and status.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SlimPod {
    #[serde(default, deserialize_with = "metadata")]
    pub(crate) metadata: ObjectMeta,
    #[serde(default)]
    pub(crate) status: PodStatus,
}

/// A cluster with slim metadata.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SlimCluster {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    spec: DaskLikeClusterSpec,
    #[serde(default)]
    status: Option<DaskLikeClusterStatus>,
}

impl SlimCluster {
    fn pack(self) -> PackedCluster {
        PackedCluster::new(DaskLikeCluster {
            metadata: self.metadata,
            spec: self.spec,
            status: self.status,
        })
    }
}

/// The same event about the same clusters, as they are kept.
pub(crate) fn pack(event: Event<SlimCluster>) -> Event<PackedCluster> {
    match event {
        Event::Apply(cluster) => Event::Apply(cluster.pack()),
        Event::Delete(cluster) => Event::Delete(cluster.pack()),
        Event::Init => Event::Init,
        Event::InitApply(cluster) => Event::InitApply(cluster.pack()),
        Event::InitDone => Event::InitDone,
    }
}

/// What the operator looks at in metadata.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let slim = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        generation: slim.generation,
        creation_timestamp: slim.creation_timestamp,
        deletion_timestamp: slim.deletion_timestamp,
        labels: slim.labels,
        owner_references: slim.owner_references,
        ..ObjectMeta::default()
    })
}

impl<K> Clone for SlimMeta<K> {
    fn clone(&self) -> SlimMeta<K> {
        SlimMeta {
            metadata: self.metadata.clone(),
            of: PhantomData,
        }
    }
}

impl<K> fmt::Debug for SlimMeta<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.metadata.fmt(f)
    }
}

/// The same request, of whose answer only the metadata are wanted: most of an object that was just written is what was
/// sent.
pub(crate) fn for_metadata(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    request
        .headers_mut()
        .insert(header::ACCEPT, HeaderValue::from_static(METADATA));
    request
}

/// It has the place of another resource in the API.
macro_rules! resource_of {
    ($whole:ty, $slim:ty, metadata: $metadata:literal $(, $generic:ident)?) => {
        impl$(<$generic: Resource<DynamicType = ()>>)? Resource for $slim {
            type DynamicType = ();
            type Scope = <$whole as Resource>::Scope;

            fn kind(_: &()) -> Cow<'_, str> {
                <$whole>::kind(&())
            }

            fn group(_: &()) -> Cow<'_, str> {
                <$whole>::group(&())
            }

            fn version(_: &()) -> Cow<'_, str> {
                <$whole>::version(&())
            }

            fn plural(_: &()) -> Cow<'_, str> {
                <$whole>::plural(&())
            }

            fn metadata_api() -> bool {
                $metadata
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource_of!(Pod, SlimPod, metadata: false);
resource_of!(DaskLikeCluster, SlimCluster, metadata: false);
resource_of!(DaskLikeCluster, PackedCluster, metadata: false);
resource_of!(K, SlimMeta<K>, metadata: true, K);
