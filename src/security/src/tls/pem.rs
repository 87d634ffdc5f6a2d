//! Certificates and keys out of PEM files.

use std::fs;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Identity, TlsError};

/// A file's certificates; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        certificates.push(certificate.map_err(|e| malformed(path, &e))?);
    }
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// A certificate with its chain, and its key.
pub(super) fn identity(
    files: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    Ok((certificates(&files.certificate)?, key(&files.key)?))
}

/// The authorities in a file.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut problem = String::new();
    for certificate in certificates(path)? {
        if let Err(e) = roots.add(certificate) {
            problem = e.to_string();
        }
    }
    if roots.is_empty() {
        return Err(TlsError::Authority { path: path.to_owned(), problem });
    }
    Ok(roots)
}

/// A file's first private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(&read(path)?) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => Err(TlsError::NoKey { path: path.to_owned() }),
        Err(e) => Err(malformed(path, &e)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn malformed(path: &Path, e: &PemError) -> TlsError {
    TlsError::Pem { path: path.to_owned(), problem: e.to_string() }
}
