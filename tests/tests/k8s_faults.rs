//! What goes wrong with the pods of a cluster on a real Kubernetes, and certificates that change under them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dasklike::context::Context;
use dasklike_tests::k8s::engine::try_ndvi_timeseries;
use dasklike_tests::k8s::operator::{
    Connection, SOON, apply, condition, install, ready, run, status, uninstall,
};
use dasklike_tests::k8s::port_forward::PortForward;
use dasklike_tests::k8s::work::{Jobs, Store, reruns, scheduler, slow, with_store};
use dasklike_tests::k8s::{Namespace, until, with_namespace};
use k8s_openapi::api::core::v1::Secret;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// Files of the cluster's Secret.
async fn secret(namespace: &Namespace, file: &str) -> String {
    let secret = namespace.api::<Secret>().get("demo-tls").await.unwrap();
    let data = secret.data.unwrap_or_default();
    data.get(file)
        .map(|bytes| String::from_utf8(bytes.0.clone()).unwrap())
        .unwrap_or_default()
}

/// The certificate that the scheduler shows to whoever comes with this context.
fn shown(address: SocketAddr, context: &Context) -> Result<CertificateDer<'static>, String> {
    let tls = context.tls.as_ref().unwrap();
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(tls.ca.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let certificate = CertificateDer::from_pem_slice(tls.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let name = ServerName::try_from(tls.server_name.clone()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address).map_err(|e| e.to_string())?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut socket)
            .map_err(|e| e.to_string())?;
    }
    Ok(connection.peer_certificates().unwrap()[0].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn certificates_are_renewed_in_the_middle_of_work_and_expired_ones_are_refused() {
    with_store(async move |namespace, store| {
        let Store { input, facts, .. } = &store;
        let worker = slow(json!({"replicas": 2}));
        apply(
            &namespace,
            "demo",
            json!({"worker": worker, "scheduler": scheduler()}),
        );
        ready(&namespace, "demo").await;
        let connection = Connection::open(&namespace, "demo").await;
        let jobs = Jobs::start(1, connection.contexts(), input, facts);
        jobs.one_more().await;

        // As at two thirds of their lives, the certificates are made anew.
        let before = secret(&namespace, "scheduler.crt").await;
        let files = ["scheduler.crt", "worker.crt", "client.crt", "operator.crt"];
        let removed = files.map(|file| json!({"op": "remove", "path": format!("/data/{file}")}));
        let patch = json!(removed).to_string();
        run(
            &namespace,
            &[
                "patch",
                "secret",
                "demo-tls",
                "--type=json",
                "--patch",
                &patch,
            ],
        );
        let renewed = until("new certificates", SOON, || async {
            let now = secret(&namespace, "scheduler.crt").await;
            match now.is_empty() || now == before {
                true => Err("the Secret has none yet".to_owned()),
                false => Ok(now),
            }
        })
        .await;
        // The kubelet brings them within a minute or two; a pod that changed it looks at once.
        run(
            &namespace,
            &[
                "annotate",
                "pods",
                "--selector=dasklike.dev/cluster=demo",
                "look=again",
            ],
        );
        let expected = CertificateDer::from_pem_slice(renewed.as_bytes()).unwrap();
        let forward = PortForward::start(&namespace, "pod/demo-scheduler", 8786);
        let file = connection.contexts().join("demo.json");
        until(
            "the scheduler to show its new certificate",
            SOON,
            || async {
                let context = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
                match shown(forward.address, &context)? == expected {
                    true => Ok(()),
                    false => Err("it shows the old one".to_owned()),
                }
            },
        )
        .await;
        jobs.one_more().await;
        jobs.one_more().await;
        jobs.end().await;
        assert_eq!(reruns(&namespace, "demo-scheduler").await, 0.0);

        // One that the cluster's own authority signed, and that has ended.
        let authority = secret(&namespace, "ca.crt").await;
        let key = KeyPair::from_pem(&secret(&namespace, "ca.key").await).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
        let key = KeyPair::generate().unwrap();
        let ended = params.signed_by(&key, &issuer).unwrap();
        let mut context: Context = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let contexts = tempfile::tempdir().unwrap();
        let tls = context.tls.as_mut().unwrap();
        (tls.certificate, tls.key) = (ended.pem(), key.serialize_pem());
        let text = serde_json::to_vec(&context).unwrap();
        std::fs::write(contexts.path().join("demo.json"), text).unwrap();
        let said = try_ndvi_timeseries("demo", contexts.path(), input).await;
        let said = said
            .err()
            .expect("a client whose certificate has ended computed");
        assert!(said.contains("expired"), "{said}");
    })
    .await;
}

fn spec(worker: Value) -> Value {
    json!({"worker": worker, "scheduler": scheduler()})
}

/// Waits until the status tells of such an end of a worker, and people are told too.
async fn explained(namespace: &Namespace, reasons: &[&str], event: &str) {
    let what = format!("to tell of {reasons:?}");
    let told = status(namespace, "demo", &what, |cluster| {
        let reason = cluster["status"]["lastTermination"]["reason"].as_str();
        reason.is_some_and(|reason| reasons.contains(&reason))
    })
    .await;
    let pod = told["status"]["lastTermination"]["pod"].as_str().unwrap();
    assert!(pod.starts_with("demo-default-"), "{told}");
    until("an event that tells people", SOON, || async {
        let events = run(namespace, &["get", "events"]);
        match events.contains(event) {
            true => Ok(()),
            false => Err(events),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes: cargo xtask test --only k8s"]
async fn workers_that_run_out_of_memory_or_are_evicted_are_explained_and_healed() {
    with_namespace(async move |namespace| {
        install(&namespace, &[]);
        // A worker that fills its memory: what is in /dev/shm counts as the container's.
        let sample = |path: &str| {
            json!(["sample", path, "--steps=8", "--size=2048", "--codec=none"])
        };
        let mut hungry = slow(json!({"replicas": 1}));
        hungry["resources"]["limits"] = json!({"cpu": "1", "memory": "32Mi"});
        hungry["resources"]["requests"]["memory"] = json!("32Mi");
        hungry["template"] = json!({"spec": {"containers": [
            {"name": "worker", "args": sample("/dev/shm/cube.zarr")}]}});
        apply(&namespace, "demo", spec(hungry));
        explained(&namespace, &["OOMKilled"], "OOMKilled").await;
        status(&namespace, "demo", "to say why it is not Ready", |cluster| {
            condition(cluster, "WorkersReady").0 == "False"
                && condition(cluster, "WorkersReady").2.contains("OOMKilled")
        })
        .await;
        let healthy = || spec(slow(json!({"replicas": 1, "template": null})));
        apply(&namespace, "demo", healthy());
        ready(&namespace, "demo").await;

        // One that writes more than its volume may hold: the kubelet evicts the pod.
        let mut greedy = slow(json!({"replicas": 1}));
        greedy["template"] = json!({"spec": {
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}],
            "containers": [{
                "name": "writer", "image": "localhost/dasklike:dev", "imagePullPolicy": "IfNotPresent",
                "args": sample("/scratch/cube.zarr"),
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                "resources": {"limits": {"memory": "256Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        }});
        apply(&namespace, "demo", spec(greedy));
        // Its worker may end well before that; then the pod's own events tell of the eviction.
        explained(&namespace, &["Evicted", "Completed"], "Evicted").await;
        apply(&namespace, "demo", healthy());
        ready(&namespace, "demo").await;
        uninstall(&namespace);
    })
    .await;
}
