//! What a request asks for: its path and query in Kubernetes' terms.

use super::refusal::Refusal;
use http::{HeaderMap, Method, Uri, header};
use std::collections::BTreeMap;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `v1` or `group/version`.
    pub api_version: String,
    /// The plural.
    pub resource: String,
    /// None for all namespaces.
    pub namespace: Option<String>,
    /// None for the collection.
    pub name: Option<String>,
    /// `status`, if any.
    pub subresource: Option<String>,
}

impl Route {
    /// The parts of a path.
    pub fn parse(path: &str) -> Result<Route, Refusal> {
        let unknown = || Refusal::not_found("path", path);
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let (api_version, rest) = match parts[..] {
            ["api", version, ..] => (version.to_owned(), &parts[2..]),
            ["apis", group, version, ..] => (format!("{group}/{version}"), &parts[3..]),
            _ => return Err(unknown()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
                (Some((*namespace).to_owned()), rest)
            }
            _ => (None, rest),
        };
        let (resource, name, subresource) = match rest {
            [resource] => (resource, None, None),
            [resource, name] => (resource, Some(name), None),
            [resource, name, sub] => (resource, Some(name), Some(sub)),
            _ => return Err(unknown()),
        };
        let owned = |part: Option<&&str>| part.map(|p| (*p).to_owned());
        Ok(Route {
            api_version,
            resource: (*resource).to_owned(),
            namespace,
            name: owned(name),
            subresource: owned(subresource),
        })
    }

    /// The plural with the subresource.
    pub fn label(&self) -> String {
        match &self.subresource {
            Some(sub) => format!("{}/{sub}", self.resource),
            None => self.resource.clone(),
        }
    }
}

/// The query's pairs.
pub fn query(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_owned().collect()
}

/// Kubernetes' name for what a request does.
pub fn verb(
    method: &Method,
    route: &Route,
    query: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> &'static str {
    let watch = query.get("watch").is_some_and(|w| w == "true" || w == "1");
    let content = headers
        .get(header::CONTENT_TYPE)
        .map_or("", |c| c.to_str().unwrap());
    match *method {
        Method::GET if watch => "watch",
        Method::GET if route.name.is_some() => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH if content.starts_with("application/apply-patch") => "apply",
        Method::PATCH => "patch",
        Method::DELETE if route.name.is_some() => "delete",
        _ => "deletecollection",
    }
}
