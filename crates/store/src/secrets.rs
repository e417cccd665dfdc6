//! Secrets at rest: each is sealed with XChaCha20-Poly1305 under a key from a file that is not in the database, and bound
//! to the row that holds it, so that neither a copy of the database nor a change in it gives anything away.
//!
//! The key file has a line for each key, its id and the key in base64, the newest last. New secrets are sealed with the
//! newest; older ones are kept while something is sealed with them.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use loopfour_engine::CompanyId;
use secrecy::zeroize::Zeroizing;
use uuid::Uuid;

use crate::sqlite::copy;

/// The key file's name in a data directory, unless the operator keeps it elsewhere.
pub const KEY_FILE: &str = "secrets.key";

/// The form of a sealed secret: this byte, the key's id, the nonce, then what the cipher gave.
const FORM: u8 = 1;
const ID_BYTES: usize = 8;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const HEADER: usize = 1 + ID_BYTES + NONCE_BYTES;
/// A key file is small; whatever is larger is something else.
const LARGEST_FILE: u64 = 64 * 1024;
/// Said in the file's first line, for whoever finds it.
const TITLE: &str = "# LoopFour secrets key: who has it can read the credentials in the database. Keep a copy apart from backups.";

/// Which key a secret is sealed with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretKeyId([u8; ID_BYTES]);

impl fmt::Display for SecretKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SecretKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the key file, or a secret, cannot be used. Nothing was overwritten.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be made, read or written.
    #[error("the secrets key file `{path}` cannot be used: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is not a key file.
    #[error("the secrets key file `{path}` is damaged: {cause}; put back the copy that you keep of it")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no file, and the database holds secrets.
    #[error(
        "the secrets key file `{path}` is missing, and the database's credentials are sealed with it; put it back (no \
         backup of the database has it), or name it with LOOPFOUR_SECRETS_KEY_FILE"
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// The file has not the key that the database's secrets are sealed with.
    #[error(
        "the secrets key file `{path}` is another database's: credentials are sealed with key {wanted}, which is not in \
         it; put the right file back, or name it with LOOPFOUR_SECRETS_KEY_FILE"
    )]
    Wrong {
        /// The file.
        path: PathBuf,
        /// A key that is missing in it.
        wanted: SecretKeyId,
    },
    /// What is stored was changed, or stands in another row than the one it was sealed for.
    #[error("a secret in the database was changed, or belongs to another row")]
    Tampered,
    /// The system has no randomness to give.
    #[error("no randomness: {0}")]
    Randomness(String),
}

/// Where a secret stands. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub company: CompanyId,
    pub table: &'static str,
    pub row: Uuid,
    pub column: &'static str,
}

impl Place {
    /// No part can run into the next: ids have a fixed length, and names hold no zero byte.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(self.company.0.as_bytes());
        bytes.extend_from_slice(self.row.as_bytes());
        bytes.extend_from_slice(self.table.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.column.as_bytes());
        bytes
    }
}

/// One key of the file.
#[derive(Clone)]
struct Key {
    id: SecretKeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl Key {
    fn random() -> Result<Key, SecretsError> {
        let mut id = [0; ID_BYTES];
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(&mut id)?;
        fill(&mut *bytes)?;
        Ok(Key { id: SecretKeyId(id), bytes })
    }

    fn parse(line: &str) -> Option<Key> {
        let (id, key) = line.split_once(' ')?;
        let bytes = Zeroizing::new(BASE64.decode(key.trim()).ok()?);
        let mut parsed = [0; ID_BYTES];
        if id.len() != 2 * ID_BYTES || !id.is_ascii() {
            return None;
        }
        for (index, byte) in parsed.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&id[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Key { id: SecretKeyId(parsed), bytes: Zeroizing::new(bytes.as_slice().try_into().ok()?) })
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), SecretsError> {
    getrandom::fill(bytes).map_err(|cause| SecretsError::Randomness(cause.to_string()))
}

/// The keys of a key file, the newest last.
pub(crate) struct Vault {
    path: PathBuf,
    keys: Vec<Key>,
}

impl Vault {
    /// Reads the key file, which must hold every key of `used`; makes one where there is none and nothing is sealed yet.
    ///
    /// # Errors
    /// The file is lost, another database's, damaged, or cannot be used.
    pub(crate) fn open(path: &Path, used: &[SecretKeyId]) -> Result<Vault, SecretsError> {
        let vault = match read_file(path)? {
            Some(text) => Vault::parse(path, &text)?,
            None if used.is_empty() => {
                Vault { path: path.to_owned(), keys: vec![Key::random()?] }.write(Existing::Stays)?;
                // Whoever made it: another start may have been faster.
                let text = read_file(path)?.ok_or_else(|| SecretsError::Lost { path: path.to_owned() })?;
                Vault::parse(path, &text)?
            }
            None => return Err(SecretsError::Lost { path: path.to_owned() }),
        };
        vault.having(used)
    }

    /// The same, if it has these keys.
    fn having(self, used: &[SecretKeyId]) -> Result<Vault, SecretsError> {
        match used.iter().find(|used| !self.keys.iter().any(|key| key.id == **used)) {
            Some(wanted) => Err(SecretsError::Wrong { path: self.path, wanted: *wanted }),
            None => Ok(self),
        }
    }

    /// Keeps other processes from changing the file until what it gives is dropped. The lock is the directory's, as the file
    /// is replaced by another.
    fn locked(&self) -> Result<Option<File>, SecretsError> {
        if !cfg!(unix) {
            return Ok(None);
        }
        let directory = self.place().and_then(|place| File::open(place.parent().unwrap_or(Path::new("."))));
        let locked = directory.and_then(|directory| directory.lock().map(|()| directory));
        locked.map(Some).map_err(|cause| SecretsError::Unusable { path: self.path.clone(), cause })
    }

    /// Where the file really is: a link to it stays one when the file is replaced.
    fn place(&self) -> std::io::Result<PathBuf> {
        match std::fs::canonicalize(&self.path) {
            // It is to be made.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(self.path.clone()),
            found => found,
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Vault, SecretsError> {
        let malformed = |cause: String| SecretsError::Malformed { path: path.to_owned(), cause };
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        // The line itself is never repeated: it may be a key.
        let keys = lines.map(|(index, line)| {
            Key::parse(line).ok_or_else(|| malformed(format!("line {} is not a key", index + 1)))
        });
        let keys = keys.collect::<Result<Vec<Key>, SecretsError>>()?;
        if keys.is_empty() {
            return Err(malformed("there is no key in it".to_owned()));
        }
        Ok(Vault { path: path.to_owned(), keys })
    }

    /// Where the key file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key that new secrets are sealed with.
    pub(crate) fn current(&self) -> SecretKeyId {
        self.newest().id
    }

    fn newest(&self) -> &Key {
        self.keys.last().expect("a vault has a key")
    }

    /// Adds a new key, with which everything is sealed from now on. The file has it before this returns, and what others
    /// added meanwhile too: databases may share a file.
    ///
    /// # Errors
    /// The file cannot be read or written, or is another one by now; it is as it was then.
    pub(crate) fn add_key(&mut self) -> Result<SecretKeyId, SecretsError> {
        let _alone = self.locked()?;
        let used: Vec<SecretKeyId> = self.keys.iter().map(|key| key.id).collect();
        let Some(text) = read_file(&self.path)? else {
            return Err(SecretsError::Lost { path: self.path.clone() });
        };
        let mut vault = Vault::parse(&self.path, &text)?.having(&used)?;
        vault.keys.push(Key::random()?);
        vault.write(Existing::IsReplaced)?;
        *self = vault;
        Ok(self.current())
    }

    /// Drops every key but the newest from the file.
    ///
    /// # Errors
    /// The file cannot be written; it is as it was then.
    pub(crate) fn forget_old_keys(&mut self) -> Result<(), SecretsError> {
        let _alone = self.locked()?;
        let newest = self.newest().clone();
        let slim = Vault { path: self.path.clone(), keys: vec![newest] };
        slim.write(Existing::IsReplaced)?;
        *self = slim;
        Ok(())
    }

    /// Writes the file beside its place and gives it its name then, so that it is always whole.
    fn write(&self, existing: Existing) -> Result<(), SecretsError> {
        let mut text = Zeroizing::new(format!("{TITLE}\n"));
        for key in &self.keys {
            let encoded = Zeroizing::new(BASE64.encode(*key.bytes));
            text.push_str(&format!("{} {}\n", key.id, *encoded));
        }
        let replaced = self.place().and_then(|place| put(&place, text.as_bytes(), existing));
        replaced.map_err(|cause| SecretsError::Unusable { path: self.path.clone(), cause })
    }

    /// Seals a secret for a place.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn seal(&self, place: Place, secret: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let key = self.newest();
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        let payload = Payload { msg: secret, aad: &place.bytes() };
        let cipher = cipher(key).encrypt(&XNonce::from(nonce), payload);
        let cipher = cipher.map_err(|_| SecretsError::Tampered)?;
        let mut sealed = Vec::with_capacity(HEADER + cipher.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&key.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&cipher);
        Ok(sealed)
    }

    /// Opens what was sealed for that place.
    ///
    /// # Errors
    /// It was changed, moved, or sealed with a key that is not in the file.
    pub(crate) fn unseal(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        let wanted = sealed_with(sealed).ok_or(SecretsError::Tampered)?;
        let key = self.keys.iter().find(|key| key.id == wanted);
        let key = key.ok_or_else(|| SecretsError::Wrong { path: self.path.clone(), wanted })?;
        let (header, cipher_text) = sealed.split_at_checked(HEADER).ok_or(SecretsError::Tampered)?;
        let nonce: [u8; NONCE_BYTES] =
            header[1 + ID_BYTES..].try_into().map_err(|_| SecretsError::Tampered)?;
        let payload = Payload { msg: cipher_text, aad: &place.bytes() };
        let secret = cipher(key).decrypt(&XNonce::from(nonce), payload);
        secret.map(Zeroizing::new).map_err(|_| SecretsError::Tampered)
    }
}

/// What becomes of a key file that is there.
#[derive(Clone, Copy)]
enum Existing {
    Stays,
    IsReplaced,
}

/// Writes a file beside its place, gives it its name then, and sees that both are on the disk.
fn put(place: &Path, bytes: &[u8], existing: Existing) -> std::io::Result<()> {
    let beside = place.with_added_extension(format!("{}.new", Uuid::now_v7().simple()));
    let written = write_new(&beside, bytes).and_then(|()| match existing {
        Existing::IsReplaced => std::fs::rename(&beside, place),
        Existing::Stays => match std::fs::hard_link(&beside, place) {
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        },
    });
    // It has its name, or it is of no use.
    let _ = std::fs::remove_file(&beside);
    written.and_then(|()| copy::sync_directory(place))
}

/// Writes a new file for its owner's eyes only, to the disk.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A vault that others may use too.
pub(crate) fn read(vault: &RwLock<Vault>) -> RwLockReadGuard<'_, Vault> {
    vault.read().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} keys)", self.keys.len())
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key.bytes).into())
}

/// The key that something is sealed with; none if it is no sealed secret.
pub(crate) fn sealed_with(sealed: &[u8]) -> Option<SecretKeyId> {
    let (form, rest) = sealed.split_first()?;
    let id = rest.get(..ID_BYTES)?.try_into().ok()?;
    (*form == FORM).then_some(SecretKeyId(id))
}

/// The file's text; none if there is no file. Warns where others may read it.
fn read_file(path: &Path) -> Result<Option<Zeroizing<String>>, SecretsError> {
    let unusable = |cause| SecretsError::Unusable { path: path.to_owned(), cause };
    // Looked at before it is opened: a pipe would wait for somebody to write.
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(unusable(std::io::Error::other("it is not a plain file"))),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unusable(cause)),
    }
    let file = File::open(path).map_err(unusable)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().map_err(unusable)?.permissions());
        if mode & 0o077 != 0 {
            let (path, mode) = (path.display(), mode & 0o777);
            tracing::warn!(
                "others may read the secrets key file `{path}`: its mode is {mode:04o}; `chmod 600` it"
            );
        }
    }
    let mut text = Zeroizing::new(String::new());
    let length = file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unusable)?;
    // A part of it would be written back as the whole.
    if length as u64 > LARGEST_FILE {
        return Err(unusable(std::io::Error::other(format!("it has more than {LARGEST_FILE} bytes"))));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place {
        company: CompanyId(Uuid::from_u128(1)),
        table: "connections",
        row: Uuid::from_u128(2),
        column: "secret",
    };

    fn vault(directory: &tempfile::TempDir) -> Vault {
        Vault::open(&directory.path().join(KEY_FILE), &[]).unwrap()
    }

    #[test]
    fn a_secret_opens_only_where_it_was_sealed() {
        let directory = tempfile::tempdir().unwrap();
        let vault = vault(&directory);
        let sealed = vault.seal(HERE, b"rk_test_secret").unwrap();
        assert_eq!(&**vault.unseal(HERE, &sealed).unwrap(), b"rk_test_secret");
        assert_ne!(vault.seal(HERE, b"rk_test_secret").unwrap(), sealed, "no nonce comes twice");
        let elsewhere = [
            Place { company: CompanyId(Uuid::from_u128(3)), ..HERE },
            Place { row: Uuid::from_u128(3), ..HERE },
            Place { table: "sessions", ..HERE },
            Place { column: "webhook_secrets", ..HERE },
        ];
        for place in elsewhere {
            assert!(matches!(vault.unseal(place, &sealed), Err(SecretsError::Tampered)), "{place:?}");
        }
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(vault.unseal(HERE, &changed).is_err(), "byte {index}");
            assert!(vault.unseal(HERE, &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn the_file_is_made_once_and_for_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let first = vault(&directory);
        assert_eq!(vault(&directory).current(), first.current());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(first.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_lost_wrong_or_damaged_file_is_refused_and_left_as_it_is() {
        let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mine = vault(&directory);
        let used = [mine.current()];
        let path = other.path().join(KEY_FILE);
        assert!(matches!(Vault::open(&path, &used), Err(SecretsError::Lost { .. })));
        assert!(!path.exists());
        vault(&other);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Vault::open(&path, &used), Err(SecretsError::Wrong { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        for text in [
            "",
            "# nothing\n",
            "0011223344556677 AAAA\n",
            "x y\n",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9} AA\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let refused = Vault::open(&path, &[]).unwrap_err();
            assert!(matches!(refused, SecretsError::Malformed { .. }), "{text:?}: {refused}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        // Larger than any key file, and yet it begins with keys.
        let long = format!("{}#{}", std::fs::read_to_string(mine.path()).unwrap(), "x".repeat(65 * 1024));
        std::fs::write(&path, long).unwrap();
        assert!(matches!(Vault::open(&path, &used), Err(SecretsError::Unusable { .. })));
        // A pipe would wait for somebody to write into it.
        for no_file in [directory.path(), Path::new("/dev/null")] {
            assert!(matches!(Vault::open(no_file, &[]), Err(SecretsError::Unusable { .. })), "{no_file:?}");
        }
    }

    #[test]
    fn databases_that_share_a_file_do_not_lose_each_others_keys() {
        let directory = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (vault(&directory), vault(&directory));
        let (first, second) = (one.add_key().unwrap(), other.add_key().unwrap());
        Vault::open(one.path(), &[first, second]).unwrap();
        let many: Vec<SecretKeyId> = std::thread::scope(|scope| {
            let add = || vault(&directory).add_key().unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        Vault::open(one.path(), &many).unwrap();
        // What another file took the place of is not written over.
        std::fs::remove_file(one.path()).unwrap();
        assert!(matches!(other.add_key(), Err(SecretsError::Lost { .. })));
        let third = vault(&directory).current();
        assert!(matches!(other.add_key(), Err(SecretsError::Wrong { .. })));
        assert_eq!(vault(&directory).current(), third);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_file_stays_one() {
        let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let real = Vault::open(&other.path().join("real.key"), &[]).unwrap();
        let link = directory.path().join(KEY_FILE);
        std::os::unix::fs::symlink(real.path(), &link).unwrap();
        let added = Vault::open(&link, &[]).unwrap().add_key().unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Vault::open(real.path(), &[]).unwrap().current(), added);
    }

    #[test]
    fn old_keys_open_what_they_sealed_until_they_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let mut vault = vault(&directory);
        let old = vault.seal(HERE, b"one").unwrap();
        let added = vault.add_key().unwrap();
        let new = vault.seal(HERE, b"two").unwrap();
        assert_eq!((sealed_with(&new), sealed_with(&old) == Some(added)), (Some(added), false));
        let mut again = Vault::open(vault.path(), &[added]).unwrap();
        assert_eq!(&**again.unseal(HERE, &old).unwrap(), b"one");
        again.forget_old_keys().unwrap();
        let last = Vault::open(vault.path(), &[added]).unwrap();
        assert_eq!(&**last.unseal(HERE, &new).unwrap(), b"two");
        assert!(matches!(last.unseal(HERE, &old), Err(SecretsError::Wrong { .. })));
    }
}
