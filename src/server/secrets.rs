//! Secrets from files: the pepper under which tokens and keys are hashed, and the preset admin key.

use std::{fs, io::Write, path::Path};

use super::StartError;
use crate::{config::Config, crypto};

/// Reads the pepper, or makes it at the first start: `used` says that secrets were hashed already, so that a new one would shut
/// everybody out.
pub(super) fn pepper(config: &Config, used: bool) -> Result<[u8; 32], StartError> {
    if let Some(path) = &config.secret_key_file {
        return read_pepper(path);
    }
    let path = config.data_dir.join("secret.key");
    if path.exists() {
        return read_pepper(&path);
    }
    if used {
        let detail = "is missing, and tokens and keys were hashed under it: restore it from the backup of this data folder";
        return Err(wrong(&path, detail));
    }
    make_pepper(&path)
}

/// The preset admin key, if there is one.
pub(super) fn admin_key(config: &Config) -> Result<Option<String>, StartError> {
    match (&config.admin_key, &config.admin_key_file) {
        (Some(key), _) => Ok(Some(key.clone())),
        (None, Some(path)) => read_private(path).map(Some),
        (None, None) => Ok(None),
    }
}

fn wrong(path: &Path, detail: impl ToString) -> StartError {
    StartError::SecretFile { path: path.to_owned(), detail: detail.to_string() }
}

fn read_private(path: &Path) -> Result<String, StartError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(|error| wrong(path, error))?.permissions().mode();
        // systemd gives credentials by an access list, whose mask stands in the group's bits, and the kernel hides the folder from others.
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder));
        if mode & (if given { 0o007 } else { 0o077 }) != 0 {
            return Err(wrong(path, format!("others can read it (mode {:o}); chmod 600 it", mode & 0o777)));
        }
    }
    fs::read_to_string(path).map_err(|error| wrong(path, error))
}

fn read_pepper(path: &Path) -> Result<[u8; 32], StartError> {
    let text = read_private(path)?;
    let digits = text.trim();
    let number = |at: usize| digits.get(at * 2..at * 2 + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = number(at).filter(|_| digits.len() == 64).ok_or_else(|| wrong(path, "must hold 64 hexadecimal digits"))?;
    }
    Ok(bytes)
}

fn make_pepper(path: &Path) -> Result<[u8; 32], StartError> {
    let bytes: [u8; 32] = crypto::random().map_err(|error| wrong(path, error))?;
    let write = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(crypto::hex(&bytes).as_bytes())?;
        // Whatever is hashed under it is worthless without it, so it is on the disk before anything else is.
        file.sync_all()?;
        #[cfg(unix)]
        if let Some(dir) = path.parent() {
            fs::File::open(dir)?.sync_all()?;
        }
        Ok::<_, std::io::Error>(())
    };
    write().map_err(|error| wrong(path, error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        Config { data_dir: dir.to_owned(), ..Config::default() }
    }

    #[test]
    fn the_pepper_is_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let first = pepper(&config(dir.path()), false).unwrap();
        assert_eq!(pepper(&config(dir.path()), true).unwrap(), first);
        assert_ne!(first, [0; 32]);
    }

    #[test]
    fn a_lost_pepper_is_not_made_anew_under_secrets_that_need_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(pepper(&config(dir.path()), true).unwrap_err().to_string().contains("restore it"));
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        pepper(&config(dir.path()), false).unwrap();
        let path = dir.path().join("secret.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(pepper(&config(dir.path()), true).unwrap_err().to_string().contains("chmod 600"));
    }
}
