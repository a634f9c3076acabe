//! Accounts: names with a role, and an API key or a password each.
//!
//! They stand in one JSON file, by default `accounts.json` in the database's folder, readable by its
//! owner only. The file is apart from the database so that accounts can be made while a server has it
//! open; it is replaced as a whole and synced, and it is no part of a backup. It holds digests of keys
//! and SCRAM verifiers of passwords, from which neither a key nor a password can be had. Invariant:
//! whether a name exists is not told apart from a wrong key or password, in text or in time.

mod secret;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::access::{Principal, Role};
use super::problem::Problem;

pub(crate) use secret::{ScramVerifier, random_number, random_password};

/// The version of the file.
const VERSION: u32 = 1;

/// The longest name of an account, in bytes.
const NAME: usize = 63;

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    version: u32,
    accounts: Vec<Account>,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// Its name, unique.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// When it was made, in seconds since 1970.
    pub(crate) created: u64,
    /// From when on it is refused, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) expires: Option<u64>,
    /// The SHA-256 of its API key, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    /// The verifier of its password.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    password: Option<ScramVerifier>,
}

impl Account {
    /// Whether it has an API key.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether it has a password.
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    fn principal(&self) -> Principal {
        Principal { name: Arc::from(self.name.as_str()), role: self.role }
    }

    fn is_current(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// The accounts of a file, as they were when it was read last.
#[derive(Debug)]
pub(crate) struct Accounts {
    path: PathBuf,
    book: RwLock<Arc<Vec<Account>>>,
    /// Whether there was a file: then somebody has to say who they are, whatever it holds.
    closed: AtomicBool,
    /// What a name that does not exist is asked to prove; it cannot be proved.
    decoy: Decoy,
}

#[derive(Debug)]
struct Decoy(Vec<u8>);

impl Accounts {
    /// Reads the accounts of a file; there are none where there is no file.
    pub(crate) fn open(path: &Path) -> Result<Accounts, Problem> {
        let accounts = read(path)?;
        Ok(Accounts {
            path: path.to_path_buf(),
            closed: AtomicBool::new(accounts.is_some()),
            book: RwLock::new(Arc::new(accounts.unwrap_or_default())),
            decoy: Decoy(secret::random_bytes()?),
        })
    }

    /// Reads the file again. Nobody is let in because the file has gone.
    pub(crate) fn reload(&self) -> Result<(), Problem> {
        let Some(accounts) = read(&self.path)? else {
            if self.is_open() {
                return Ok(());
            }
            let message = format!("{} has gone; the accounts stay", self.path.display());
            return Err(Problem::account(message));
        };
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Whether nobody has to say who they are, since no account was ever made.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }

    /// Every account, by name.
    pub(crate) fn all(&self) -> Arc<Vec<Account>> {
        Arc::clone(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose API key this is.
    pub(crate) fn by_key(&self, key: &str, now: u64) -> Option<Principal> {
        let digest = secret::digest(key);
        let accounts = self.all();
        let mut found = None;
        // All are compared, so that the time tells nothing.
        for account in accounts.iter() {
            if let Some(known) = &account.key
                && secret::equal(known.as_bytes(), digest.as_bytes())
            {
                found = Some(account);
            }
        }
        found.filter(|account| account.is_current(now)).map(Account::principal)
    }

    /// Whose name and password these are.
    pub(crate) fn by_password(&self, name: &str, password: &str, now: u64) -> Option<Principal> {
        let proved = self.verifier(name).proves(password);
        self.principal(name, now).filter(|_| proved)
    }

    /// What somebody who claims a name has to prove. For a name without a password one that nobody can
    /// prove, the same each time.
    pub(crate) fn verifier(&self, name: &str) -> ScramVerifier {
        let accounts = self.all();
        let account = accounts.iter().find(|account| account.name == name);
        account
            .and_then(|account| account.password.clone())
            .unwrap_or_else(|| ScramVerifier::decoy(name, &self.decoy.0))
    }

    /// What somebody with this name may do, once they have proved it.
    pub(crate) fn principal(&self, name: &str, now: u64) -> Option<Principal> {
        let accounts = self.all();
        let account = accounts.iter().find(|account| account.name == name)?;
        account.is_current(now).then(|| account.principal())
    }
}

/// The accounts of a file, to be changed.
#[derive(Debug)]
pub(crate) struct Editor {
    path: PathBuf,
    accounts: Vec<Account>,
}

impl Editor {
    /// Reads a file to change it.
    pub(crate) fn open(path: &Path) -> Result<Editor, Problem> {
        Ok(Editor { path: path.to_path_buf(), accounts: read(path)?.unwrap_or_default() })
    }

    /// Every account.
    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Makes an account without key and password.
    pub(crate) fn add(
        &mut self,
        name: &str,
        role: Role,
        created: u64,
        expires: Option<u64>,
    ) -> Result<(), Problem> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
        if name.is_empty() || name.len() > NAME || !name.chars().all(sound) {
            let message = format!("`{name}` is no name for an account");
            let next = format!("use up to {NAME} letters, digits and _ - . @");
            return Err(Problem::account(message).next(next));
        }
        if self.accounts.iter().any(|account| account.name == name) {
            return Err(Problem::account(format!("there is an account `{name}` already")));
        }
        let name = name.to_owned();
        self.accounts.push(Account { name, role, created, expires, key: None, password: None });
        Ok(())
    }

    /// Gives an account a new API key, in place of the one it had, and returns it: it is not kept.
    pub(crate) fn new_key(&mut self, name: &str) -> Result<String, Problem> {
        let key = secret::random_key()?;
        self.find(name)?.key = Some(secret::digest(&key));
        Ok(key)
    }

    /// Gives an account a password, in place of the one it had.
    pub(crate) fn set_password(&mut self, name: &str, password: &str) -> Result<(), Problem> {
        let verifier = ScramVerifier::of(password)?;
        self.find(name)?.password = Some(verifier);
        Ok(())
    }

    /// Removes an account.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Problem> {
        self.find(name)?;
        self.accounts.retain(|account| account.name != name);
        Ok(())
    }

    /// Writes the file: durable when this returns, and never half.
    pub(crate) fn save(mut self) -> Result<(), Problem> {
        self.accounts.sort_by(|a, b| a.name.cmp(&b.name));
        let book = Book { version: VERSION, accounts: self.accounts };
        let mut text = serde_json::to_vec_pretty(&book)
            .map_err(|error| Problem::internal(error.to_string()))?;
        text.push(b'\n');
        replace(&self.path, &text).map_err(|error| {
            Problem::account(format!("cannot write {}: {error}", self.path.display()))
        })
    }

    fn find(&mut self, name: &str) -> Result<&mut Account, Problem> {
        let found = self.accounts.iter_mut().find(|account| account.name == name);
        found.ok_or_else(|| Problem::account(format!("no account `{name}`")))
    }
}

/// The accounts of a file; `None` where there is no file.
fn read(path: &Path) -> Result<Option<Vec<Account>>, Problem> {
    let wrong = |why: String| Problem::account(format!("{}: {why}", path.display()));
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    };
    let book: Book = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("is no file of accounts: {error}")))?;
    if book.version != VERSION {
        return Err(wrong(format!("has version {}, not {VERSION}", book.version)));
    }
    Ok(Some(book.accounts))
}

/// Writes beside the file, syncs, and renames over it.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    let beside = path.with_extension("json.new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{Accounts, Editor, Role};

    fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("accounts.json");
        (folder, path)
    }

    #[test]
    fn keys_and_passwords_open_and_nothing_else_does() {
        let (_folder, path) = file();
        let mut editor = Editor::open(&path).expect("no file is no accounts");
        editor.add("shop", Role::Write, 10, None).expect("a new account");
        let key = editor.new_key("shop").expect("a key");
        editor.set_password("shop", "correct horse").expect("a password");
        assert!(editor.add("shop", Role::Read, 10, None).is_err(), "the name is taken");
        assert!(editor.add("no/name", Role::Read, 10, None).is_err());
        editor.save().expect("written");

        let accounts = Accounts::open(&path).expect("readable");
        assert_eq!(accounts.by_key(&key, 20).map(|who| who.role), Some(Role::Write));
        assert!(accounts.by_key("tdb_nonsense", 20).is_none());
        assert!(accounts.by_password("shop", "correct horse", 20).is_some());
        assert!(accounts.by_password("shop", "wrong", 20).is_none());
        assert!(accounts.by_password("nobody", "correct horse", 20).is_none());
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(!text.contains(&key) && !text.contains("correct horse"), "{text}");
    }

    #[test]
    fn an_expired_account_is_refused() {
        let (_folder, path) = file();
        let mut editor = Editor::open(&path).expect("no file");
        editor.add("guest", Role::Read, 10, Some(100)).expect("a new account");
        let key = editor.new_key("guest").expect("a key");
        editor.save().expect("written");
        let accounts = Accounts::open(&path).expect("readable");
        assert!(accounts.by_key(&key, 99).is_some());
        assert!(accounts.by_key(&key, 100).is_none());
    }

    #[test]
    fn the_file_is_for_its_owner_and_a_damaged_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let (_folder, path) = file();
        let mut editor = Editor::open(&path).expect("no file");
        editor.add("a", Role::Read, 1, None).expect("a new account");
        editor.save().expect("written");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "{\"version\":1,\"accounts\":[{}]}").expect("written");
        assert!(Accounts::open(&path).is_err());
    }

    #[test]
    fn somebody_unknown_is_asked_for_the_same_each_time() {
        let (_folder, path) = file();
        let accounts = Accounts::open(&path).expect("no file");
        assert_eq!(accounts.verifier("x").salt, accounts.verifier("x").salt);
        assert_ne!(accounts.verifier("x").salt, accounts.verifier("y").salt);
    }
}
