//! Clients that every tenant has without configuring them.

/// That of the Workspace API: its codes begin the sessions of desktops.
pub const WORKSPACE: &str = "trunkline-workspace";
/// That of our own pages.
pub const PAGES: &str = "trunkline-pages";

/// The role that redeems the codes of the Workspace API's client, and proves itself by its own key. It shows the code and the redirect URI that a program brings.
pub const WORKSPACE_HOLDER: &str = "gws-workspace";

/// Whether a client of that id is there without being configured; in letters of any case.
pub fn is_built_in(id: &str) -> bool {
    [WORKSPACE, PAGES].iter().any(|own| own.eq_ignore_ascii_case(id))
}
