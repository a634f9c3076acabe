//! `user`: the accounts of a server, also while it runs. A key or a password that was made goes to
//! standard output, once; everything else to standard error.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use super::args::{Accounts, User};
use super::runner::{Stop, say};
use crate::server::access::Role;
use crate::server::accounts::{Editor, random_password};
use crate::server::config::accounts_of;
use crate::server::now;

/// Does what is asked to the accounts.
pub(crate) fn run(action: User) -> Result<(), Stop> {
    match action {
        User::Add { of, name, role, password, password_stdin, expires } => {
            let role = parse(&role)?;
            let mut editor = open(&of)?;
            let now = now();
            let expires = expires.map(|days| now + u64::from(days) * 86_400);
            editor.add(&name, role, now, expires).map_err(Stop::problem)?;
            let secret = if password_stdin {
                editor.set_password(&name, &first_line()?).map_err(Stop::problem)?;
                None
            } else if password {
                Some(new_password(&mut editor, &name)?)
            } else {
                Some(editor.new_key(&name).map_err(Stop::problem)?)
            };
            save(editor, secret, &format!("account `{name}` made, with the role {}", role.name()))
        }
        User::List { of } => list(&of),
        User::Remove { of, name } => {
            let mut editor = open(&of)?;
            editor.remove(&name).map_err(Stop::problem)?;
            save(editor, None, &format!("account `{name}` removed"))
        }
        User::Key { of, name } => {
            let mut editor = open(&of)?;
            let key = editor.new_key(&name).map_err(Stop::problem)?;
            save(editor, Some(key), &format!("account `{name}` has a new key"))
        }
        User::Password { of, name, password_stdin } => {
            let mut editor = open(&of)?;
            let secret = if password_stdin {
                editor.set_password(&name, &first_line()?).map_err(Stop::problem)?;
                None
            } else {
                Some(new_password(&mut editor, &name)?)
            };
            save(editor, secret, &format!("account `{name}` has a new password"))
        }
    }
}

fn parse(role: &str) -> Result<Role, Stop> {
    let found = Role::ALL.into_iter().find(|known| known.name() == role);
    found.ok_or_else(|| {
        let message = format!("no role `{role}`");
        Stop::mistake("TD1011", message, "a role is read, write or admin")
    })
}

fn path(of: &Accounts) -> PathBuf {
    of.accounts.clone().unwrap_or_else(|| accounts_of(&of.path))
}

fn open(of: &Accounts) -> Result<Editor, Stop> {
    if of.accounts.is_none() && !of.path.is_dir() {
        let message = format!("there is no database {}", of.path.display());
        let next = "accounts are made for a database that exists, or give --accounts FILE";
        return Err(Stop::mistake("TD0806", message, next));
    }
    Editor::open(&path(of)).map_err(Stop::problem)
}

fn new_password(editor: &mut Editor, name: &str) -> Result<String, Stop> {
    let password = random_password().map_err(Stop::problem)?;
    editor.set_password(name, &password).map_err(Stop::problem)?;
    Ok(password)
}

fn first_line() -> Result<String, Stop> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        let message = "standard input has no password".to_owned();
        return Err(Stop::mistake("TD1011", message, "write it on the first line"));
    }
    Ok(password.to_owned())
}

fn save(editor: Editor, secret: Option<String>, what: &str) -> Result<(), Stop> {
    editor.save().map_err(Stop::problem)?;
    if let Some(secret) = secret {
        let mut out = io::stdout().lock();
        writeln!(out, "{secret}")?;
        out.flush()?;
    }
    say(&format!("{what}; a running server takes notice at SIGHUP"));
    Ok(())
}

fn list(of: &Accounts) -> Result<(), Stop> {
    let editor = open(of)?;
    let mut out = io::stdout().lock();
    for account in editor.accounts() {
        let proofs = match (account.has_key(), account.has_password()) {
            (true, true) => "key, password",
            (true, false) => "key",
            (false, true) => "password",
            (false, false) => "nothing",
        };
        let expired = account.expires.is_some_and(|expires| expires <= now());
        let expired = if expired { ", expired" } else { "" };
        writeln!(out, "{}\t{}\t{proofs}{expired}", account.name, account.role.name())?;
    }
    Ok(out.flush()?)
}
