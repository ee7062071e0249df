//! Why two sides do not come together, in words that say what to look at.

use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// What a plain client is told when it finds TLS.
pub(super) const SPEAKS_TLS: &str = "the scheduler there speaks TLS: write tls:// instead of tcp://, and give \
                                     --tls-dir a folder with its ca.crt, tls.crt and tls.key, or use a context";

/// What went wrong, as the client sees it.
pub(super) fn seen_by_client(error: &io::Error) -> String {
    match tls(error) {
        Some(Error::InvalidCertificate(e)) => match e {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the scheduler's certificate is not from an authority in ca.crt: is it another cluster, or was it \
                 made anew?"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the scheduler's certificate has expired ({e}): does this machine's clock go right?")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the scheduler has another name ({e}): is it another cluster? --tls-server-name says which name to expect")
            }
            other => format!("the scheduler's certificate cannot be accepted ({other})"),
        },
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA | AlertDescription::DecryptError => {
                "the scheduler does not know the authority of this certificate: is it another cluster, or was it \
                 made anew?"
                    .to_owned()
            }
            AlertDescription::CertificateExpired => {
                "this certificate has expired: get a new one (`dasklike connect` does)".to_owned()
            }
            AlertDescription::CertificateRequired => {
                "the scheduler wants a certificate and got none".to_owned()
            }
            other => format!("the scheduler refused this certificate ({other:?})"),
        },
        Some(Error::InvalidMessage(_)) => {
            "the scheduler there speaks no TLS: write tcp:// instead of tls://, without credentials".to_owned()
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the other side closed the connection before it had said anything".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What went wrong, as the server sees it, for its log.
pub(super) fn seen_by_server(error: &io::Error) -> String {
    match tls(error) {
        Some(Error::NoCertificatesPresented) => "it showed no certificate".to_owned(),
        Some(Error::InvalidCertificate(e)) => format!("its certificate is not accepted: {e}"),
        Some(Error::AlertReceived(alert)) => {
            format!("it does not accept this scheduler's certificate ({alert:?})")
        }
        Some(Error::InvalidMessage(_)) => "it speaks no TLS".to_owned(),
        _ => error.to_string(),
    }
}

fn tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
