//! Who asks, and what that one may do.
//!
//! A statement says how far it reaches ([`tastedb::Access`]); a role says how far somebody may. It
//! knows nothing of how somebody proved to be there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tastedb::Access;

use super::problem::Problem;

/// What an account may do. Each includes what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Ask: queries, recommendations, evaluations.
    Read,
    /// Change rows, train models, forget.
    Write,
    /// Change definitions, back up, reorganise, read and write files of the server.
    Admin,
}

impl Role {
    /// Every role, the lowest first.
    pub(crate) const ALL: [Role; 3] = [Role::Read, Role::Write, Role::Admin];

    /// Its name as everybody writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::Admin => "admin",
        }
    }

    fn needed_for(access: Access) -> Role {
        match access {
            Access::Read => Role::Read,
            Access::Write => Role::Write,
            Access::Admin => Role::Admin,
        }
    }
}

/// Somebody who has proved to be an account, or anybody on this machine where there are no accounts.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The account's name.
    pub(crate) name: Arc<str>,
    /// What it may do.
    pub(crate) role: Role,
}

impl Principal {
    /// Who is there where nobody has to say who they are.
    pub(crate) fn anybody() -> Principal {
        Principal { name: Arc::from("local"), role: Role::Admin }
    }

    /// Refuses what needs a higher role.
    pub(crate) fn need(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(Problem::forbidden(role))
    }

    /// Refuses a statement that reaches further than the role.
    pub(crate) fn may(&self, access: Access) -> Result<(), Problem> {
        self.need(Role::needed_for(access))
    }
}

#[cfg(test)]
mod tests {
    use tastedb::Access;

    use super::{Principal, Role};

    #[test]
    fn a_role_includes_the_lower_ones() {
        let with = |role| Principal { role, ..Principal::anybody() };
        for (role, allowed) in [
            (Role::Read, [true, false, false]),
            (Role::Write, [true, true, false]),
            (Role::Admin, [true, true, true]),
        ] {
            let accesses = [Access::Read, Access::Write, Access::Admin];
            let may = accesses.map(|access| with(role).may(access).is_ok());
            assert_eq!(may, allowed);
        }
    }
}
