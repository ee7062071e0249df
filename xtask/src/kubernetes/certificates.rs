//! The cluster's own certificate authority, a certificate for each part, and their kubeconfigs.

use super::layout::{ADMIN, API_PORT, API_SERVICE, GATEWAY, Layout, NODE};
use anyhow::{Context, Result};
use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Who the API server knows: the kubeconfig's name, the user, the group. Kubernetes' own roles are bound to
/// these users, so each part may do what it may do in any cluster, and no more.
fn clients() -> [(&'static str, String, &'static str); 5] {
    let part = |name: &'static str| (name, format!("system:{name}"), "dasklike-test");
    [
        (ADMIN, ADMIN.to_owned(), "system:masters"),
        ("kubelet", format!("system:node:{NODE}"), "system:nodes"),
        part("kube-controller-manager"),
        part("kube-scheduler"),
        part("kube-proxy"),
    ]
}

/// Writes keys, certificates and kubeconfigs. No expiry is set: they live as long as the state folder, which
/// each start makes anew.
pub(crate) fn write(layout: &Layout) -> Result<()> {
    let folder = layout.state.join("pki");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let authority = authority()?;
    save(&layout.pki("ca.crt"), &authority.pem())?;

    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        GATEWAY,
        API_SERVICE,
    ];
    let names = names.map(str::to_owned).to_vec();
    let (certificate, key) = issue(&authority, CertificateParams::new(names)?, "kube-apiserver")?;
    save(&layout.pki("apiserver.crt"), &certificate)?;
    save(&layout.pki("apiserver.key"), &key)?;

    // Service account tokens are signed, not certified: a bare pair of keys.
    let accounts = KeyPair::generate()?;
    save(&layout.pki("sa.key"), &accounts.serialize_pem())?;
    save(&layout.pki("sa.pub"), &accounts.public_key_pem())?;

    for (who, user, group) in clients() {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
        let (certificate, key) = issue(&authority, params, &user)?;
        save(
            &layout.kubeconfig_of(who),
            &kubeconfig(&authority.pem(), &certificate, &key),
        )?;
        if who == ADMIN {
            // The API server is a client of the kubelet under this name.
            save(&layout.pki("admin.crt"), &certificate)?;
            save(&layout.pki("admin.key"), &key)?;
        }
    }
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "dasklike test cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// A certificate and its key, in PEM.
fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    mut params: CertificateParams,
    name: &str,
) -> Result<(String, String)> {
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// A kubeconfig that needs no other file. JSON is YAML too.
fn kubeconfig(authority: &str, certificate: &str, key: &str) -> String {
    let encoded = |pem: &str| BASE64.encode(pem.as_bytes());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "dasklike-test", "cluster": {
            "server": format!("https://{GATEWAY}:{API_PORT}"),
            "certificate-authority-data": encoded(authority),
        }}],
        "users": [{"name": "user", "user": {
            "client-certificate-data": encoded(certificate),
            "client-key-data": encoded(key),
        }}],
        "contexts": [{"name": "dasklike-test", "context": {"cluster": "dasklike-test", "user": "user"}}],
        "current-context": "dasklike-test",
    });
    format!("{config:#}\n")
}

/// Keys and certificates alike are the owner's only: one rule, and nothing is lost by it.
fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot restrict {}", path.display()))
}
