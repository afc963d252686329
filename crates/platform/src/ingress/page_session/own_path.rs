//! Where somebody goes on to after the sign-in: a path of ours alone, so that no link to our sign-in leads to another site.

/// The longest path, in bytes: it travels in a cookie.
const BYTES_MAX: usize = 1_024;

/// Whether that is a path of ours, with its query. Browsers take `\` for `/`, leave out line breaks and tabs, and take two slashes for a
/// host (WHATWG URL section 4.4).
pub(super) fn is_own(path: &str) -> bool {
    path.len() <= BYTES_MAX
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for own in ["/", "/agent-setup/", "/agent-setup/people?q=ann#x", "/a//b", "/?to=https://x.example"] {
            assert!(is_own(own), "{own}");
        }
        let long = format!("/{}", "x".repeat(BYTES_MAX));
        for other in [
            "",
            "agent-setup",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/ä",
            &long,
        ] {
            assert!(!is_own(other), "{other:?}");
        }
    }
}
