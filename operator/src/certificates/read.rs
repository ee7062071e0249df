//! What a Secret's files are worth: of what cannot be read or does not fit together, nothing is kept.

use super::{CA_CERTIFICATES, CA_KEY, Files, NEXT_CA_KEY, certificate_file, key_file};
use crate::core::certificates::{Held, Leaf, Role, Validity};
use jiff::Timestamp;
use rcgen::KeyPair;
use std::collections::BTreeSet;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

/// Reads a Secret's files.
pub fn read(files: &Files) -> Held {
    let pems: Vec<Pem> = file(files, CA_CERTIFICATES)
        .map(|bytes| {
            Pem::iter_from_buffer(bytes)
                .filter_map(Result::ok)
                .collect()
        })
        .unwrap_or_default();
    let bundle: Vec<X509Certificate<'_>> = pems
        .iter()
        .filter_map(|pem| pem.parse_x509().ok())
        .collect();
    let Some((signer, rest)) = bundle
        .split_first()
        .filter(|(signer, _)| key(files, CA_KEY).is_some_and(|key| fits(&key, signer)))
    else {
        return Held::default();
    };
    let next_key = key(files, NEXT_CA_KEY);
    let is_next = |ca: &X509Certificate<'_>| next_key.as_ref().is_some_and(|key| fits(key, ca));
    Held {
        signer: validity(signer),
        next: rest.iter().find(|ca| is_next(ca)).and_then(validity),
        others: rest
            .iter()
            .filter(|ca| !is_next(ca))
            .filter_map(validity)
            .collect(),
        leaves: Role::ALL
            .into_iter()
            .filter_map(|role| Some((role, leaf(files, role, signer)?)))
            .collect(),
    }
}

fn leaf(files: &Files, role: Role, signer: &X509Certificate<'_>) -> Option<Leaf> {
    let pem = Pem::iter_from_buffer(file(files, &certificate_file(role))?)
        .next()?
        .ok()?;
    let certificate = pem.parse_x509().ok()?;
    if !fits(&key(files, &key_file(role))?, &certificate) {
        return None;
    }
    Some(Leaf {
        validity: validity(&certificate)?,
        by_signer: certificate
            .verify_signature(Some(signer.public_key()))
            .is_ok(),
        names: names(&certificate),
    })
}

/// The common name and the server names.
fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let common = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned);
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let servers = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
    common.chain(servers).collect()
}

fn validity(certificate: &X509Certificate<'_>) -> Option<Validity> {
    let validity = certificate.validity();
    Some(Validity {
        from: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        to: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    })
}

fn file<'a>(files: &'a Files, name: &str) -> Option<&'a [u8]> {
    files.get(name).map(Vec::as_slice)
}

fn key(files: &Files, name: &str) -> Option<KeyPair> {
    KeyPair::from_pem(std::str::from_utf8(file(files, name)?).ok()?).ok()
}

fn fits(key: &KeyPair, certificate: &X509Certificate<'_>) -> bool {
    *key.public_key_raw() == *certificate.public_key().subject_public_key.data
}
