//! The password of a login.

use std::fmt;

/// What a login says about its password. Its `Debug` output hides the password.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum LoginPassword {
    /// Nothing.
    #[default]
    Absent,
    /// The password itself, as a client has sent it. It goes to the check and no further.
    Typed(String),
    /// It was checked and is the agent's.
    Right,
    /// It was checked and is not the agent's; or too many were wrong before, so that none is checked.
    Wrong,
}

impl LoginPassword {
    /// The longest password, in bytes: as the tenant file takes them.
    pub const BYTES_MAX: usize = 128;
}

impl fmt::Debug for LoginPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Typed(_) => "Typed(..)",
            Self::Right => "Right",
            Self::Wrong => "Wrong",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", LoginPassword::Typed("secret".to_owned())), "Typed(..)");
    }
}
