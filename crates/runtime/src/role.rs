//! A role: its declaration, and the function that runs it.

use std::fmt;

use futures::future::BoxFuture;

use crate::context::RoleContext;
use crate::spec::RoleSpec;

/// A role of the program: one line of its table of roles.
///
/// ```ignore
/// pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };
/// ```
#[derive(Clone, Copy)]
pub struct Role {
    /// Its declaration.
    pub spec: &'static RoleSpec,
    /// Runs the role until it has drained. An error or a panic is a failure: the supervisor restarts it.
    pub start: fn(RoleContext) -> BoxFuture<'static, anyhow::Result<()>>,
}

impl Role {
    /// The declarations of `roles`, in their order; `N` is their number.
    pub const fn specs<const N: usize>(roles: &[Self]) -> [&'static RoleSpec; N] {
        assert!(roles.len() == N, "one declaration for each role");
        let mut specs = [roles[0].spec; N];
        let mut at = 0;
        while at < N {
            specs[at] = roles[at].spec;
            at += 1;
        }
        specs
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spec.fmt(f)
    }
}
