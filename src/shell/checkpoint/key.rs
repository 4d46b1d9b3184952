//! The key that signs checkpoints: a file of its own that only the service reads, and the list of public keys beside it.
//!
//! ```text
//!  keys/checkpoint.key   the secret, 64 hexadecimal digits; never copied by a backup
//!  keys/checkpoint.pub   public keys, one a line, oldest first: a restored folder signs with a new one
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::claim::unhex;
use crate::shell::data_dir::{self, DataDirError, failed, replace};
use crate::shell::journal::hex;

/// Signs checkpoints.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.public)
    }
}

impl Signer {
    /// The key of a data folder; the second part says whether it was made now.
    ///
    /// # Errors
    /// When there is something else in its place, or the disk refuses.
    pub fn of(data: &Path) -> Result<(Self, bool), DataDirError> {
        let path = secret_path(data);
        let (signer, made) = match fs::read_to_string(&path) {
            Ok(text) => {
                let seed = unhex(text.trim()).and_then(|seed| Self::from_seed(&seed));
                (seed.ok_or(DataDirError::NoKey { path: path.clone() })?, false)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Self::make(&path)?, true),
            Err(error) => return Err(failed(&path, "read")(error)),
        };
        close_to_others(&path)?;
        let mut keys = known_keys(data)?;
        if !keys.contains(&signer.public) {
            keys.push(signer.public.clone());
            replace(&public_path(data), format!("{}\n", keys.join("\n")).as_bytes())?;
        }
        Ok((signer, made))
    }

    fn make(path: &Path) -> Result<Self, DataDirError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(failed(dir, "make"))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed(dir, "close"))?;
        let seed = data_dir::random_id(32)?;
        // Never a moment in which others may read it, or in which half of it is there.
        let aside = path.with_extension("new");
        drop(fs::remove_file(&aside));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&aside);
        let mut file = file.map_err(failed(&aside, "make"))?;
        writeln!(file, "{seed}").and_then(|()| file.sync_all()).map_err(failed(&aside, "write"))?;
        fs::rename(&aside, path).map_err(failed(path, "put in place"))?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir, "sync"))?;
        let signer = unhex(&seed).and_then(|seed| Self::from_seed(&seed));
        signer.ok_or(DataDirError::NoKey { path: path.to_path_buf() })
    }

    /// From the 32 bytes of a secret; `None` for another number of bytes.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = hex(pair.public_key().as_ref());
        Some(Self { pair, public })
    }

    /// The public key, hex.
    pub fn public(&self) -> &str {
        &self.public
    }

    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }
}

/// Takes the secret from everybody else, should a copy by hand have opened it.
fn close_to_others(path: &Path) -> Result<(), DataDirError> {
    let mode = fs::metadata(path).map_err(failed(path, "look at"))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!("{}: others could read it; closed to them, think of a new key", path.display());
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed(path, "close"))?;
    }
    Ok(())
}

fn secret_path(data: &Path) -> PathBuf {
    data.join("keys").join("checkpoint.key")
}

/// Where the public keys of a data folder stand.
pub(crate) fn public_path(data: &Path) -> PathBuf {
    data.join("keys").join("checkpoint.pub")
}

/// The public keys a data folder has signed with, oldest first, hex; none when there is no list yet.
///
/// # Errors
/// When the list cannot be read.
pub fn known_keys(data: &Path) -> Result<Vec<String>, DataDirError> {
    let path = public_path(data);
    match fs::read_to_string(&path) {
        Ok(text) => {
            Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(&path, "read")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_closed_to_others() {
        let data = tempfile::tempdir().unwrap();
        let (first, made) = Signer::of(data.path()).unwrap();
        assert!(made);
        let path = secret_path(data.path());
        let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(rights(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let (again, made) = Signer::of(data.path()).unwrap();
        assert_eq!((made, again.public(), rights(&path)), (false, first.public(), 0o600));
        // Lost, as after a restore: the old public key stays in the list.
        fs::remove_file(&path).unwrap();
        let (second, _) = Signer::of(data.path()).unwrap();
        assert_eq!(known_keys(data.path()).unwrap(), [first.public(), second.public()]);
        fs::write(&path, "no key\n").unwrap();
        assert!(matches!(Signer::of(data.path()), Err(DataDirError::NoKey { .. })));
    }
}
