//! Makes what a plan says, with fresh keys.

use super::{
    CA_CERTIFICATES, CA_KEY, Files, NEXT_CA_KEY, certificate_file, common_name, key_file,
    server_names,
};
use crate::core::certificates::{BACKDATE, CA_LIFE, LEAF_LIFE, Role, Step};
use crate::core::names::ClusterKey;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::OffsetDateTime;
use x509_parser::pem::Pem;

const END: &str = "-----END CERTIFICATE-----";

/// The files after these steps.
///
/// # Errors
/// A CA that cannot be read, or a random number generator that gives nothing.
pub fn carry_out(
    files: &Files,
    steps: &[Step],
    key: &ClusterKey,
    now: Timestamp,
) -> Result<Files, rcgen::Error> {
    let mut files = files.clone();
    // Read once for all that it signs, until another step may have changed the CAs.
    let mut signer = None;
    for step in steps {
        if !matches!(step, Step::Issue(_)) {
            signer = None;
        }
        match step {
            Step::Begin => {
                let (certificate, private) = authority(key, now)?;
                files.clear();
                put(&mut files, CA_CERTIFICATES, certificate);
                put(&mut files, CA_KEY, private);
            }
            Step::StageCa => {
                let (certificate, private) = authority(key, now)?;
                let mut bundle = bundle(&files);
                bundle.insert(bundle.len().min(1), certificate);
                put(&mut files, CA_CERTIFICATES, bundle.concat());
                put(&mut files, NEXT_CA_KEY, private);
            }
            Step::PromoteCa => promote(&mut files),
            Step::Issue(role) => {
                let signer = match &mut signer {
                    Some(signer) => signer,
                    none => none.insert(Signer::read(&files)?),
                };
                signer.issue(&mut files, *role, key, now)?;
            }
            Step::DropCas => {
                let mut bundle = bundle(&files);
                bundle.retain(|certificate| valid_to(certificate).is_none_or(|to| now < to));
                put(&mut files, CA_CERTIFICATES, bundle.concat());
            }
        }
    }
    Ok(files)
}

/// A new CA: its certificate and key.
fn authority(key: &ClusterKey, now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let private = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // Two CAs of a cluster differ in their names, so that it can be seen which one signed.
    params.distinguished_name.push(
        DnType::CommonName,
        format!("{}.{} CA {}", key.name, key.namespace, now.as_second()),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date(now, -BACKDATE), date(now, CA_LIFE));
    let certificate = params.self_signed(&private)?;
    Ok((certificate.pem(), private.serialize_pem()))
}

/// The first CA in the bundle, and its key.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    valid_to: Option<Timestamp>,
}

impl Signer {
    fn read(files: &Files) -> Result<Signer, rcgen::Error> {
        let certificate = bundle(files).into_iter().next().unwrap_or_default();
        let private = KeyPair::from_pem(&text(files, CA_KEY))?;
        Ok(Signer {
            issuer: Issuer::from_ca_cert_pem(&certificate, private)?,
            valid_to: valid_to(&certificate),
        })
    }

    /// A certificate, which never outlives its CA.
    fn issue(
        &self,
        files: &mut Files,
        role: Role,
        key: &ClusterKey,
        now: Timestamp,
    ) -> Result<(), rcgen::Error> {
        let private = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let (servers, usage) = match role {
            Role::Scheduler => (server_names(key), ExtendedKeyUsagePurpose::ServerAuth),
            _ => (Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
        };
        let mut params = CertificateParams::new(servers)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name(key, role));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date(now, -BACKDATE);
        let left = self.valid_to.map(|to| to.duration_since(now));
        params.not_after = date(now, left.map_or(LEAF_LIFE, |left| left.min(LEAF_LIFE)));
        let certificate = params.signed_by(&private, &self.issuer)?;
        put(files, &certificate_file(role), certificate.pem());
        put(files, &key_file(role), private.serialize_pem());
        Ok(())
    }
}

/// The next CA becomes the first of the bundle, and its key the one that signs.
fn promote(files: &mut Files) {
    let Some(private) = files.remove(NEXT_CA_KEY) else {
        return;
    };
    let mut bundle = bundle(files);
    // It was put right behind the one that signs.
    if bundle.len() > 1 {
        bundle.swap(0, 1);
    }
    put(files, CA_CERTIFICATES, bundle.concat());
    files.insert(CA_KEY.to_owned(), private);
}

/// The CAs of the bundle, each as PEM.
fn bundle(files: &Files) -> Vec<String> {
    text(files, CA_CERTIFICATES)
        .split_inclusive(END)
        .map(str::trim)
        .filter(|block| block.ends_with(END))
        .map(|block| format!("{block}\n"))
        .collect()
}

fn valid_to(certificate: &str) -> Option<Timestamp> {
    let pem = Pem::iter_from_buffer(certificate.as_bytes()).next()?.ok()?;
    let parsed = pem.parse_x509().ok()?;
    Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
}

fn text(files: &Files, name: &str) -> String {
    files
        .get(name)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default()
}

fn put(files: &mut Files, name: &str, text: String) {
    files.insert(name.to_owned(), text.into_bytes());
}

/// Certificates know the years 1950 to 9999; a clock beyond is broken, and gets the beginning of time.
fn date(now: Timestamp, distance: SignedDuration) -> OffsetDateTime {
    now.checked_add(distance)
        .ok()
        .and_then(|time| OffsetDateTime::from_unix_timestamp(time.as_second()).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
