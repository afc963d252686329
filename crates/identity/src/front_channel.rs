//! Pages of programs that a browser loads when somebody signs out (OpenID Connect Front-Channel Logout 1.0): where they may be.

use crate::provider::url;
use crate::redirect_uri;

/// Why a client with those redirect URIs may not have that `frontchannel_logout_uri`, if it may not.
pub fn fault(uri: &str, redirect_uris: &[String]) -> Option<&'static str> {
    if let Some(reason) = url::fault(uri) {
        return Some(reason);
    }
    // Section 2: scheme, host and port are those of a redirect URI.
    let is_own = redirect_uri::origin(uri).is_some_and(|origin| redirect_uri::is_origin_of(redirect_uris, &origin));
    if !is_own {
        return Some("it must have scheme, host and port of one of the redirect_uris");
    }
    source(uri).is_none().then_some("its host must be a name or 127.0.0.1: the policy of a page can let in no other")
}

/// The source expression that lets that page alone be in a frame (CSP 3 section 6.1.5): its origin. `None` where none can name it.
pub fn source(uri: &str) -> Option<String> {
    redirect_uri::content_security_source(uri).filter(|source| source.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_where_the_program_is_and_a_policy_can_name_it() {
        let own = ["https://app.example/in", "https://192.0.2.7/in", "http://127.0.0.1/in", "com.example.app:/in"];
        let own = own.map(str::to_owned);
        for (uri, named) in [
            ("https://app.example/out?x=1", "https://app.example"),
            ("https://APP.example:443/out", "https://APP.example:443"),
            ("http://127.0.0.1:9000/out", "http://127.0.0.1:9000"),
        ] {
            assert_eq!((fault(uri, &own), source(uri).as_deref()), (None, Some(named)), "{uri}");
        }
        for uri in [
            "https://other.example/out",
            "https://app.example:8443/out",
            "http://app.example/out",
            "https://192.0.2.7/out",
            "http://[::1]/out",
            "https://app.example/out#x",
            "com.example.app:/out",
            "",
        ] {
            assert!(fault(uri, &own).is_some(), "{uri}");
        }
        assert_eq!(source("https://192.0.2.7/out"), None, "it would let in every page");
    }
}
