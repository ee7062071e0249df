//! The fake against the real client library.

use super::fault::{ALL, Fault, Faults, Life};
use super::{FakeApi, kubelet};
use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::watcher;
use kube::{Api, Error, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

fn config_map(name: &str, labels: &[(&str, &str)]) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.into());
    let labels = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    map.metadata.labels = Some(labels.collect());
    map
}

fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "main", "image": "image"}], "terminationGracePeriodSeconds": 5},
    }))
    .unwrap()
}

fn code(error: Error) -> (u16, String) {
    match error {
        Error::Api(status) => (status.code, status.reason),
        other => panic!("no answer of the API server: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_taken_and_versions_are_checked() {
    let api = FakeApi::new();
    let maps: Api<ConfigMap> = Api::namespaced(api.person(), "lab");
    let post = PostParams::default();
    let first = maps.create(&post, &config_map("a", &[])).await.unwrap();
    assert!(first.metadata.uid.is_some() && first.metadata.creation_timestamp.is_some());
    let taken = maps.create(&post, &config_map("a", &[])).await.unwrap_err();
    assert_eq!(code(taken), (409, "AlreadyExists".into()));

    let mut second = first.clone();
    second.data = Some(BTreeMap::from([("k".into(), "v".into())]));
    let second = maps.replace("a", &post, &second).await.unwrap();
    assert_ne!(first.resource_version(), second.resource_version());
    let outdated = maps.replace("a", &post, &first).await.unwrap_err();
    assert_eq!(code(outdated), (409, "Conflict".into()));
    let same = maps.replace("a", &post, &second).await.unwrap();
    assert_eq!(same.resource_version(), second.resource_version());

    let wrong = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some("another".into()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    assert_eq!(code(maps.delete("a", &wrong).await.unwrap_err()).0, 409);
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
    assert_eq!(
        code(maps.get("a").await.unwrap_err()),
        (404, "NotFound".into())
    );
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_by_label() {
    let api = FakeApi::new();
    let post = PostParams::default();
    for (namespace, name) in [("b", "1"), ("a", "2"), ("a", "1"), ("c", "1")] {
        let maps: Api<ConfigMap> = Api::namespaced(api.person(), namespace);
        maps.create(&post, &config_map(name, &[("ns", namespace)]))
            .await
            .unwrap();
    }
    let all: Api<ConfigMap> = Api::all(api.person());
    let mut params = ListParams::default().limit(3);
    let page = all.list(&params).await.unwrap();
    assert_eq!(page.items.len(), 3);
    params.continue_token = page.metadata.continue_.clone();
    let rest = all.list(&params).await.unwrap();
    assert_eq!((rest.items.len(), rest.metadata.continue_), (1, None));
    assert_eq!(rest.items[0].namespace().as_deref(), Some("c"));

    let some = all
        .list(&ListParams::default().labels("ns in (a, b)"))
        .await
        .unwrap();
    assert_eq!(some.items.len(), 3);
    let metadata = all.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(metadata.items.len(), 4);

    api.compact();
    api.with_store(|_| ());
    let maps: Api<ConfigMap> = Api::namespaced(api.person(), "a");
    maps.create(&post, &config_map("3", &[])).await.unwrap();
    api.compact();
    assert_eq!(code(all.list(&params).await.unwrap_err()).0, 410);
}

#[tokio::test(start_paused = true)]
async fn apply_owns_fields_and_does_nothing_twice() {
    let api = FakeApi::new();
    let services: Api<Service> = Api::namespaced(api.person(), "lab");
    let params = PatchParams::apply("operator").force();
    let wanted = |port: u16| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "labels": {"x": "y"}},
            "spec": {"ports": [{"name": "grpc", "port": port, "protocol": "TCP"}]},
        })
    };
    let first = services
        .patch("s", &params, &Patch::Apply(wanted(1)))
        .await
        .unwrap();
    assert!(first.spec.as_ref().unwrap().cluster_ip.is_some());
    let again = services
        .patch("s", &params, &Patch::Apply(wanted(1)))
        .await
        .unwrap();
    assert_eq!(first, again);
    let changed = services
        .patch("s", &params, &Patch::Apply(wanted(2)))
        .await
        .unwrap();
    assert_eq!(
        changed.spec.as_ref().unwrap().cluster_ip,
        first.spec.unwrap().cluster_ip
    );
    assert_eq!(changed.spec.unwrap().ports.unwrap()[0].port, 2);
}

#[tokio::test(start_paused = true)]
async fn a_pod_lives_and_dies_as_on_a_node_and_orphans_are_collected() {
    let api = FakeApi::new();
    let kubelet = kubelet::start(&api, 1);
    let maps: Api<ConfigMap> = Api::namespaced(api.person(), "lab");
    let pods: Api<Pod> = Api::namespaced(api.person(), "lab");
    let owner = maps
        .create(&PostParams::default(), &config_map("owner", &[]))
        .await
        .unwrap();
    let mut owned = pod("p");
    owned.metadata.owner_references = Some(vec![
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid().unwrap(),
        }))
        .unwrap(),
    ]);
    pods.create(&PostParams::default(), &owned).await.unwrap();
    let empty: Pod =
        serde_json::from_value(json!({"metadata": {"name": "e"}, "spec": {"containers": []}}))
            .unwrap();
    let refused = pods
        .create(&PostParams::default(), &empty)
        .await
        .unwrap_err();
    assert_eq!(code(refused), (422, "Invalid".into()));

    let ready = |pod: &Pod| {
        let conditions = pod
            .status
            .as_ref()
            .and_then(|s| s.conditions.clone())
            .unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    wait_until(&api, || async { ready(&pods.get("p").await.unwrap()) }).await;
    let status = pods.get("p").await.unwrap().status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert!(status.pod_ip.is_some());

    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    wait_until(&api, || async {
        let pod = pods.get_opt("p").await.unwrap();
        pod.is_none_or(|p| p.metadata.deletion_timestamp.is_some())
    })
    .await;
    wait_until(&api, || async {
        pods.get_opt("p").await.unwrap().is_none()
    })
    .await;
    kubelet.abort();
}

async fn wait_until<F: Future<Output = bool>>(api: &FakeApi, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(3600);
    let mut seen = 0;
    while !holds().await {
        tokio::select! {
            newest = api.changed(seen) => seen = newest,
            () = tokio::time::sleep_until(deadline) => panic!("it does not come about within an hour"),
        }
    }
}

/// The names that a watcher knows after it has seen everything, through cuts and a forgotten past.
#[tokio::test(start_paused = true)]
async fn a_watcher_keeps_up_through_cuts_and_a_forgotten_past() {
    for (seed, fault) in (0..8).zip(
        [
            Fault::WatchCut,
            Fault::Expired,
            Fault::SlowWatch,
            Fault::Internal,
        ]
        .into_iter()
        .cycle(),
    ) {
        let api = FakeApi::new();
        api.set_faults(Faults::seeded(seed, fault, 10));
        let life = Life::long();
        let watched: Api<ConfigMap> = Api::all(api.client(&life));
        let config = watcher::Config::default().labels("keep=yes").page_size(2);
        let changes = kube::runtime::WatchStreamExt::default_backoff(watcher(watched, config));
        pin_mut!(changes);
        let maps: Api<ConfigMap> = Api::namespaced(api.person(), "lab");
        let post = PostParams::default();
        for n in 0..5 {
            maps.create(
                &post,
                &config_map(&format!("early-{n}"), &[("keep", "yes")]),
            )
            .await
            .unwrap();
        }
        let writer = async {
            for n in 0..20 {
                tokio::time::sleep(Duration::from_millis(700)).await;
                if fault == Fault::Expired && n % 3 == 2 {
                    // Only who asks for a watch anew hears that the past is forgotten.
                    api.cut_watches();
                }
                let name = format!("late-{n}");
                maps.create(&post, &config_map(&name, &[("keep", "yes")]))
                    .await
                    .unwrap();
                match n % 3 {
                    0 => drop(maps.delete(&name, &DeleteParams::default()).await.unwrap()),
                    1 => {
                        // An object that stops to match is gone for the watcher.
                        let patch = json!({"metadata": {"labels": {"keep": "no"}}});
                        maps.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
                            .await
                            .unwrap();
                    }
                    _ => {}
                }
            }
            std::future::pending::<()>().await
        };
        let wanted: Vec<String> = (0..5)
            .map(|n| format!("early-{n}"))
            .chain((0..20).filter(|n| n % 3 == 2).map(|n| format!("late-{n}")))
            .collect();
        let mut known = BTreeMap::new();
        let mut listing = BTreeMap::new();
        let reader = async {
            loop {
                match changes.next().await.unwrap() {
                    Ok(watcher::Event::Init) => listing.clear(),
                    Ok(watcher::Event::InitApply(o)) => drop(listing.insert(o.name_any(), ())),
                    Ok(watcher::Event::InitDone) => known = std::mem::take(&mut listing),
                    Ok(watcher::Event::Apply(o)) => drop(known.insert(o.name_any(), ())),
                    Ok(watcher::Event::Delete(o)) => drop(known.remove(&o.name_any())),
                    Err(_) => {}
                }
                let mut names: Vec<&String> = known.keys().collect();
                let mut wanted: Vec<&String> = wanted.iter().collect();
                names.sort();
                wanted.sort();
                if names == wanted {
                    return;
                }
            }
        };
        tokio::select! {
            () = reader => {}
            () = writer => {}
            () = tokio::time::sleep(Duration::from_secs(3600)) => panic!("seed {seed}, {fault:?}: it misses something"),
        }
        if fault != Fault::Internal {
            assert!(
                api.faults_met() > 0,
                "seed {seed}, {fault:?}: nothing went wrong"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_gets_bookmarks_and_ends_in_time() {
    let api = FakeApi::new();
    let maps: Api<ConfigMap> = Api::all(api.person());
    let params = kube::api::WatchParams::default().timeout(200);
    let began = Instant::now();
    let events = maps.watch(&params, "1").await.unwrap();
    let events: Vec<_> = events.try_collect().await.unwrap();
    assert_eq!(events.len(), 3);
    assert!(
        events
            .iter()
            .all(|e| matches!(e, kube::api::WatchEvent::Bookmark(_)))
    );
    assert_eq!(began.elapsed().as_secs(), 200);
}

#[tokio::test(start_paused = true)]
async fn faults_look_as_they_do_in_the_wild() {
    for fault in ALL {
        let api = FakeApi::new();
        let life = Life::long();
        api.set_faults(Faults::seeded(7, fault, 1));
        let maps: Api<ConfigMap> = Api::namespaced(api.client(&life), "lab");
        let mut failures = Vec::new();
        for n in 0..20 {
            let name = format!("n{n}");
            let began = Instant::now();
            if let Err(error) = maps
                .create(&PostParams::default(), &config_map(&name, &[]))
                .await
            {
                let there = !api
                    .objects("configmaps")
                    .iter()
                    .all(|o| o["metadata"]["name"] != name.as_str());
                failures.push((error, there, began.elapsed().as_secs()));
            }
        }
        let seen: Vec<(u16, bool, u64)> = failures
            .into_iter()
            .map(|(error, there, secs)| match error {
                Error::Api(status) => (status.code, there, secs),
                _ => (0, there, secs),
            })
            .collect();
        let expected = match fault {
            Fault::Conflict => vec![(409, false, 0)],
            Fault::Invalid => vec![(422, false, 0)],
            Fault::TooManyRequests => vec![(429, false, 0)],
            Fault::Internal => vec![(500, false, 0)],
            Fault::TimeoutIgnored => vec![(504, false, 60)],
            Fault::TimeoutApplied => vec![(504, true, 60)],
            Fault::ResetApplied => vec![(0, true, 0)],
            Fault::Expired | Fault::WatchCut | Fault::SlowWatch => vec![],
        };
        assert_eq!(seen, expected, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_life_ends_with_a_write_that_is_carried_out_and_not_answered() {
    let api = FakeApi::new();
    let life = Life::ends_with_write(2);
    let maps: Api<ConfigMap> = Api::namespaced(api.client(&life), "lab");
    let post = PostParams::default();
    maps.create(&post, &config_map("a", &[])).await.unwrap();
    maps.create(&post, &config_map("a", &[])).await.unwrap_err();
    let (b, c) = (config_map("b", &[]), config_map("c", &[]));
    tokio::select! {
        _ = maps.create(&post, &b) => panic!("it saw the answer"),
        () = life.over() => {}
    }
    tokio::select! {
        _ = maps.create(&post, &c) => panic!("it lives"),
        () = tokio::time::sleep(Duration::from_secs(3600)) => {}
    }
    let names: Vec<_> = api
        .objects("configmaps")
        .iter()
        .map(|o| o["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(api.take_seen().iter().filter(|s| s.writes()).count(), 3);
}
