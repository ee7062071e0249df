//! The objects, their versions and their past.

use super::clock::Clock;
use super::schema::Definition;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Plural, namespace, name. Cluster-wide objects have an empty namespace.
pub type Key = (String, String, String);

/// Who applied which fields: the manager's last applied object.
pub type Managers = BTreeMap<String, Value>;

/// What happened to an object.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version that the change made.
    pub revision: u64,
    /// The plural.
    pub resource: String,
    /// What it was before; none if it was created.
    pub before: Option<Value>,
    /// What it is now; none if it is gone.
    pub after: Option<Value>,
}

/// All that an API server keeps.
pub struct Store {
    /// The time of day.
    pub clock: Clock,
    objects: BTreeMap<Key, Value>,
    managers: BTreeMap<Key, Managers>,
    changes: Vec<Change>,
    definitions: BTreeMap<String, Definition>,
    revision: u64,
    compacted: u64,
    uids: u64,
}

impl Store {
    /// An empty one.
    pub fn new(clock: Clock) -> Store {
        Store {
            clock,
            objects: BTreeMap::new(),
            managers: BTreeMap::new(),
            changes: Vec::new(),
            definitions: BTreeMap::new(),
            // A version of 0 has a meaning of its own.
            revision: 1,
            compacted: 0,
            uids: 0,
        }
    }

    /// The newest version.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Changes after `revision`; `None` if they are forgotten.
    pub fn since(&self, revision: u64) -> Option<&[Change]> {
        if revision < self.compacted {
            return None;
        }
        let first = self.changes.partition_point(|c| c.revision <= revision);
        Some(&self.changes[first..])
    }

    /// Forgets all changes up to now.
    pub fn compact(&mut self) {
        self.compacted = self.revision;
        self.changes.clear();
    }

    /// Adds a custom resource.
    pub fn install(&mut self, definition: &Value) {
        let definition = Definition::new(definition);
        self.definitions
            .insert(definition.plural.clone(), definition);
    }

    /// A custom resource's definition.
    pub fn definition(&self, resource: &str) -> Option<&Definition> {
        self.definitions.get(resource)
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// All of a plural.
    pub fn all(&self, resource: &str) -> Vec<&Value> {
        let all = self.objects.iter().filter(|(key, _)| key.0 == resource);
        all.map(|(_, object)| object).collect()
    }

    /// Every object with its key.
    pub fn everything(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter()
    }

    /// Whether an object with this uid is there.
    pub fn has_uid(&self, uid: &str) -> bool {
        self.objects.values().any(|o| o["metadata"]["uid"] == uid)
    }

    /// Who applied what to an object.
    pub fn managers(&self, key: &Key) -> Managers {
        self.managers.get(key).cloned().unwrap_or_default()
    }

    /// Notes who applied what.
    pub fn set_managers(&mut self, key: &Key, managers: Managers) {
        self.managers.insert(key.clone(), managers);
    }

    /// Puts a new object in, with uid, time and version. The key must be free.
    pub fn insert(&mut self, key: Key, mut object: Value) -> Value {
        self.uids += 1;
        let metadata = metadata(&mut object);
        metadata.insert("uid".into(), json!(format!("uid-{}", self.uids)));
        metadata.insert(
            "creationTimestamp".into(),
            json!(self.clock.stamp(SignedDuration::ZERO)),
        );
        metadata.insert("generation".into(), json!(1));
        self.commit(key, None, object)
    }

    /// Puts another state of an object in, unless nothing differs. A change of the spec counts the generation up.
    pub fn update(&mut self, key: Key, mut object: Value) -> Value {
        let before = self.objects[&key].clone();
        let spec_changed = before["spec"] != object["spec"];
        let generation =
            before["metadata"]["generation"].as_u64().unwrap() + u64::from(spec_changed);
        metadata(&mut object).insert("generation".into(), json!(generation));
        metadata(&mut object).insert(
            "resourceVersion".into(),
            before["metadata"]["resourceVersion"].clone(),
        );
        match object == before {
            true => before,
            false => self.commit(key, Some(before), object),
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &Key) -> Value {
        self.revision += 1;
        self.managers.remove(key);
        let mut object = self
            .objects
            .remove(key)
            .expect("who removes an object has seen it");
        let before = object.clone();
        metadata(&mut object).insert("resourceVersion".into(), json!(self.revision.to_string()));
        self.changes.push(Change {
            revision: self.revision,
            resource: key.0.clone(),
            before: Some(before),
            after: None,
        });
        object
    }

    fn commit(&mut self, key: Key, before: Option<Value>, mut object: Value) -> Value {
        self.revision += 1;
        metadata(&mut object).insert("resourceVersion".into(), json!(self.revision.to_string()));
        self.changes.push(Change {
            revision: self.revision,
            resource: key.0.clone(),
            before,
            after: Some(object.clone()),
        });
        self.objects.insert(key, object.clone());
        object
    }
}

/// An object's metadata, which is made if it is missing.
pub fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    let object = object.as_object_mut().expect("an object is a JSON object");
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    metadata.as_object_mut().expect("metadata is a JSON object")
}
