//! TLS by rustls on ring: the listener's certificate, which is read again when it changes, and whom a dialling side trusts.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::crypto;

/// A connection must stand in that time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The one protocol that is spoken inside.
const ALPN: &[u8] = b"http/1.1";

/// Why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("{}: {detail}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Certificate and key do not fit each other, or rustls cannot use them.
    #[error("{} and {}: {detail}", .cert.display(), .key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// rustls and its provider do not agree on a version of TLS.
    #[error("TLS cannot be set up: {0}")]
    SetUp(String),
}

/// What two PEM files hold, as they were read.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

impl Pem {
    fn read(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|error| wrong(path, error));
        Ok(Self { cert: read(cert)?, key: read(key)?.into() })
    }
}

fn wrong(path: &Path, detail: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), detail: detail.to_string() }
}

/// The listener's certificate and key.
pub struct Identity {
    cert_file: PathBuf,
    key_file: PathBuf,
    /// What was tried last, so that a bad file is complained of once.
    tried: Mutex<Result<Pem, TlsError>>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("cert_file", &self.cert_file).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`]: unreadable, no PEM, or a key that is not the certificate's.
    pub fn read(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let pem = Pem::read(cert_file, key_file)?;
        let key = certified(&pem, cert_file, key_file)?;
        Ok(Self {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            tried: Mutex::new(Ok(pem)),
            current: RwLock::new(Arc::new(key)),
        })
    }

    /// Looks whether the files have changed, and takes the new pair if it can be used: true then. New handshakes get it, live
    /// connections stay as they are. A pair that cannot be used leaves the old one in place, and is told once.
    ///
    /// # Errors
    /// [`TlsError`], at the first look at what is wrong.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let found = Pem::read(&self.cert_file, &self.key_file);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == found {
            return Ok(false);
        }
        tried.clone_from(&found);
        let key = certified(&found?, &self.cert_file, &self.key_file)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.cert == key.cert {
            // Back to what is in use, after something that was not.
            return Ok(false);
        }
        *current = Arc::new(key);
        Ok(true)
    }

    /// The settings of a listener that shows whatever is current.
    ///
    /// # Errors
    /// [`TlsError::SetUp`].
    pub fn server(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(crypto::tls_provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::SetUp(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn certified(pem: &Pem, cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.cert)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(cert_file, format!("is no PEM certificate: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(cert_file, "holds no PEM certificate"));
    }
    // The words of the error do not repeat the key.
    let key =
        PrivateKeyDer::from_pem_slice(&pem.key).map_err(|error| wrong(key_file, format!("is no PEM private key: {error}")))?;
    // This compares the two as well.
    CertifiedKey::from_der(chain, key, &crypto::tls_provider()).map_err(|error| TlsError::Pair {
        cert: cert_file.to_owned(),
        key: key_file.to_owned(),
        detail: error.to_string(),
    })
}

/// What the whole program makes HTTP calls with: TLS as in the rest of it, trusting the system's roots or only the certificates in `ca`. No proxy
/// of the environment stands between, and a redirect would carry a trade, a key or an event elsewhere.
///
/// # Errors
/// [`TlsError`]: the file cannot be used.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn http_client(ca: Option<&Path>) -> Result<reqwest::ClientBuilder, TlsError> {
    let tls = client(ca)?;
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(builder.connect_timeout(CONNECT_TIMEOUT).tls_backend_preconfigured((*tls).clone()))
}

/// The settings of whoever dials: trusts only the certificates in `ca`, or else the system's roots. A system without any is no error,
/// because plain addresses need none; a handshake then fails with an unknown issuer.
///
/// # Errors
/// [`TlsError`]: the file cannot be used.
pub fn client(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let pem = fs::read(path).map_err(|error| wrong(path, error))?;
        for cert in CertificateDer::pem_slice_iter(&pem) {
            let cert = cert.map_err(|error| wrong(path, format!("is no PEM certificate: {error}")))?;
            roots.add(cert).map_err(|error| wrong(path, error))?;
        }
        if roots.is_empty() {
            return Err(wrong(path, "holds no PEM certificate"));
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let mut config = ClientConfig::builder_with_provider(crypto::tls_provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::SetUp(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn shown(identity: &Identity) -> Vec<u8> {
        identity.current.read().unwrap().cert[0].to_vec()
    }

    #[test]
    fn a_changed_pair_is_taken_and_a_bad_one_is_told_once_and_left() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let write = |pair: &(String, String)| {
            fs::write(&cert, &pair.0).unwrap();
            fs::write(&key, &pair.1).unwrap();
        };
        let (first, second) = (made("a"), made("b"));
        write(&first);
        let identity = Identity::read(&cert, &key).unwrap();
        let old = shown(&identity);
        assert_eq!(identity.reload(), Ok(false));

        // Half of a renewal: the certificate is new, the key is still the old one.
        fs::write(&cert, &second.0).unwrap();
        assert!(matches!(identity.reload(), Err(TlsError::Pair { .. })));
        assert_eq!(identity.reload(), Ok(false), "told once");
        assert_eq!(shown(&identity), old);
        fs::write(&key, &second.1).unwrap();
        assert_eq!(identity.reload(), Ok(true));
        assert_ne!(shown(&identity), old);

        fs::remove_file(&key).unwrap();
        assert!(matches!(identity.reload(), Err(TlsError::File { .. })));
        assert_eq!(identity.reload(), Ok(false));
        write(&second);
        assert_eq!(identity.reload(), Ok(false), "the one in use is back");
    }

    #[test]
    fn what_is_no_certificate_is_refused_in_words_without_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        assert!(Identity::read(&cert, &key).unwrap_err().to_string().contains("cert.pem"));
        let (good_cert, good_key) = made("a");
        for (c, k, word) in [("", "", "cert.pem"), (good_cert.as_str(), "", "key.pem"), (&good_cert, &made("b").1, "cert.pem")] {
            fs::write(&cert, c).unwrap();
            fs::write(&key, k).unwrap();
            let error = Identity::read(&cert, &key).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("PRIVATE KEY-----"), "{error}");
        }
        assert!(client(Some(&key)).is_err());
        fs::write(&cert, good_cert + &good_key).unwrap();
        client(Some(&cert)).unwrap();
    }
}
