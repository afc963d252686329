//! Pages of other origins that may have the agents' desktop in a frame, as a CRM's. No other page of the edge is shown in one.

use axum::http::{HeaderMap, HeaderValue, header};

use super::routes;

/// What the pages say of themselves, each in its policy (CSP 3 section 6.4.2).
const IN_NO_FRAME: &str = "frame-ancestors 'none'";

/// The origins, and the edge's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DesktopFrames {
    /// Empty: none.
    ancestors: String,
}

impl DesktopFrames {
    /// Those of the setting.
    pub fn new(origins: &[String]) -> Self {
        let ancestors = match origins {
            [] => String::new(),
            some => format!("frame-ancestors 'self' {}", some.join(" ")),
        };
        Self { ancestors }
    }

    /// Lets them frame what is answered at that path, if that is the desktop.
    pub fn let_in(&self, path: &str, head: &mut HeaderMap) {
        if self.ancestors.is_empty() || !is_desktop(path) {
            return;
        }
        let policy = head.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
        let framed = policy.map(|policy| policy.replace(IN_NO_FRAME, &self.ancestors));
        if let Some(framed) = framed.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
            head.insert(header::CONTENT_SECURITY_POLICY, framed);
        }
    }
}

/// Whether the desktop is at that path.
fn is_desktop(path: &str) -> bool {
    let page = path.strip_suffix('/').unwrap_or(path);
    page == routes::DESKTOP_PAGE || page == routes::WORKSPACE_PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

    fn policy(origins: &[&str], path: &str, said: Option<&'static str>) -> Option<String> {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let mut head = HeaderMap::new();
        if let Some(said) = said {
            head.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(said));
        }
        DesktopFrames::new(&origins).let_in(path, &mut head);
        head.get(header::CONTENT_SECURITY_POLICY).map(|policy| policy.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_desktop_alone_is_shown_in_frames_of_these_origins() {
        let crm = ["https://crm.example", "https://desk.example:8443"];
        let framed = "default-src 'none'; frame-ancestors 'self' https://crm.example https://desk.example:8443";
        for path in ["/desktop", "/desktop/", "/ui/wwe", "/ui/wwe/"] {
            assert_eq!(policy(&crm, path, Some(POLICY)).as_deref(), Some(framed), "{path}");
        }
        for path in ["/", "/agent-setup/", "/desktop/x", "/assets/x.js"] {
            assert_eq!(policy(&crm, path, Some(POLICY)).as_deref(), Some(POLICY), "{path}");
        }
        assert_eq!(policy(&[], "/desktop", Some(POLICY)).as_deref(), Some(POLICY));
        assert_eq!(policy(&crm, "/desktop", None), None, "an answer without a policy gets that of the edge");
    }
}
