//! Clients that every tenant has without configuring them.

use crate::{login_name, scope};

/// That of the Workspace API: its codes begin the sessions of desktops.
pub const WORKSPACE: &str = "trunkline-workspace";
/// That of the Provisioning API: its codes begin the sessions of programs that change the configuration.
pub const PROVISIONING: &str = "trunkline-provisioning";
/// That of our own pages.
pub const PAGES: &str = "trunkline-pages";

/// A client whose codes begin sessions of a published API. The role of that API redeems them, and proves itself by its own key: it shows
/// the code and the redirect URI that a program brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionClient {
    /// [`WORKSPACE`].
    Workspace,
    /// [`PROVISIONING`].
    Provisioning,
}

impl SessionClient {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Workspace, Self::Provisioning];

    /// The one of that id, found as clients are.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| login_name::is_same(id, client.id()))
    }

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Workspace => WORKSPACE,
            Self::Provisioning => PROVISIONING,
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::Provisioning => "Provisioning",
        }
    }

    /// The role that redeems its codes.
    pub const fn holder(self) -> &'static str {
        match self {
            Self::Workspace => "gws-workspace",
            Self::Provisioning => "gws-provisioning",
        }
    }

    /// The scope without which no such session begins.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Workspace => scope::WORKSPACE,
            Self::Provisioning => scope::READS_CONFIGURATION,
        }
    }
}

/// Whether a client of that id is there without being configured; in letters of any case.
pub fn is_built_in(id: &str) -> bool {
    [WORKSPACE, PROVISIONING, PAGES].iter().any(|own| own.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_whose_codes_begin_sessions_is_found_by_its_id_and_built_in() {
        for client in SessionClient::ALL {
            assert_eq!(SessionClient::named(&client.id().to_ascii_uppercase()), Some(client));
            assert!(is_built_in(client.id()) && client.holder().starts_with("gws-"), "{client:?}");
        }
        assert_eq!((SessionClient::named(PAGES), is_built_in(PAGES)), (None, true));
        assert!(!is_built_in("desk"));
    }
}
