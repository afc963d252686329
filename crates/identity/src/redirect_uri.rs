//! Redirect URIs: compared word for word, so that no code goes where its client did not say (RFC 9700 section 2.1).

use std::net::Ipv4Addr;

/// A loopback address as it stands in a URI. `localhost` is none: a name may lead elsewhere (RFC 8252 section 8.3).
const LOOPBACKS: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Whether `asked` is the `registered` one. At a loopback address the port may differ: a native program listens where it finds room
/// (RFC 8252 section 7.3).
pub fn is_same(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    match (without_loopback_port(registered), without_loopback_port(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// The registered one that `asked` is.
pub fn find<'a>(registered: &'a [String], asked: &str) -> Option<&'a str> {
    registered.iter().map(String::as_str).find(|registered| is_same(registered, asked))
}

/// Why it cannot be registered, if it cannot.
pub fn fault(uri: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = uri.split_once(':') else { return Some("it has no scheme") };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_scheme || rest.is_empty() {
        return Some("it is not an absolute URI");
    }
    if ["javascript", "data", "vbscript", "file", "blob", "about"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Some("its scheme is not one of a program");
    }
    if uri.contains('#') {
        // RFC 6749 section 3.1.2.
        return Some("it has a fragment");
    }
    if uri.bytes().any(|b| !b.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&b)) {
        return Some("it has a character that no URI has");
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "http" if host(rest).is_empty() => Some("it has no host"),
        "http" if !is_this_machine(host(rest)) => {
            Some("http is for this machine alone (127.0.0.1, [::1], localhost): whoever is between would read the code")
        }
        _ => None,
    }
}

/// Whether a host is the machine of the browser: each address of 127.0.0.0/8 is (RFC 1122 section 3.2.1.3).
fn is_this_machine(host: &str) -> bool {
    ["[::1]", "localhost"].contains(&host) || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether what is sent there goes to a program on the person's machine and to no server: to a loopback address, or by a scheme of the
/// program's own. Another program there may take what comes in its place (RFC 8252 section 8.1). What cannot be registered does too.
pub fn leads_to_program(uri: &str) -> bool {
    fault(uri).is_some() || uri.split_once(':').is_none_or(|(scheme, _)| !scheme.eq_ignore_ascii_case("https"))
}

/// The host of what follows a scheme's colon; empty if there is none. A user before it would be taken for a part of it, and so for no host
/// of this machine.
fn host(rest: &str) -> &str {
    let authority = rest.strip_prefix("//").unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
    let end = authority.find(']').map_or_else(|| authority.find(':'), |bracket| Some(bracket + 1));
    &authority[..end.unwrap_or(authority.len())]
}

/// The part of a loopback URI before its port and the part after it.
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let (host, rest) = LOOPBACKS.iter().find_map(|host| Some((*host, uri.strip_prefix(host)?)))?;
    let rest = match rest.strip_prefix(':') {
        Some(port) => {
            let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            let (port, rest) = port.split_at(end);
            port.parse::<u16>().ok()?;
            rest
        }
        None => rest,
    };
    // What follows directly would belong to the host: `http://127.0.0.1.example`, `http://127.0.0.1@example`.
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

/// The origin of a page that such a URI leads to, as browsers write it (RFC 6454 section 6.2); none for the scheme of a program.
pub fn origin(uri: &str) -> Option<String> {
    if fault(uri).is_some() {
        return None;
    }
    let (scheme, rest) = uri.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = rest.strip_prefix("//")?.split(['/', '?']).next()?.to_ascii_lowercase();
    let authority = authority.strip_suffix(usual).unwrap_or(&authority);
    (!authority.contains('@')).then(|| format!("{scheme}://{authority}"))
}

/// Whether that is the origin of one of them; at a loopback address the port may differ, as it may in the URI.
pub fn is_origin_of(registered: &[String], asked: &str) -> bool {
    registered.iter().filter_map(|uri| origin(uri)).any(|own| is_same(&own, asked))
}

/// The source expression that lets a form's answer lead to that URI (CSP 3 section 2.3.1, directive `form-action`): its origin, or the
/// scheme alone where an expression cannot name the host. `None` for what is no URI.
pub fn content_security_source(uri: &str) -> Option<String> {
    if fault(uri).is_some() {
        return None;
    }
    let (scheme, rest) = uri.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let Some(rest) = rest.strip_prefix("//") else { return Some(format!("{scheme}:")) };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let is_nameable = !host.is_empty()
        && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b))
        && host.bytes().any(|b| b.is_ascii_alphabetic());
    // CSP 3 section 6.7.2.8: of all addresses only 127.0.0.1 is matched.
    let is_nameable = is_nameable || host == "127.0.0.1";
    let is_web = scheme == "http" || scheme == "https";
    Some(if is_web && is_nameable { format!("{scheme}://{authority}") } else { format!("{scheme}:") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_registered_uri_is_met_word_for_word() {
        let registered = "https://app.example/callback";
        assert!(is_same(registered, registered));
        for other in [
            "https://app.example/callback/",
            "https://app.example/callback?x=1",
            "https://app.example/Callback",
            "https://app.example:443/callback",
            "https://app.example/callback#x",
            "https://app.example/x/../callback",
            "http://app.example/callback",
            "https://app.example.evil.example/callback",
            "https://app.example@evil.example/callback",
            "",
        ] {
            assert!(!is_same(registered, other), "{other}");
        }
    }

    #[test]
    fn a_loopback_port_may_differ_and_nothing_else() {
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
            ("http://127.0.0.1:8000/cb", "http://127.0.0.1:9000/cb"),
            ("http://[::1]/cb?a=b", "http://[::1]:1/cb?a=b"),
        ] {
            assert!(is_same(registered, asked), "{asked}");
        }
        for asked in [
            "http://127.0.0.1:9000/other",
            "https://127.0.0.1:9000/cb",
            "http://localhost:9000/cb",
            "http://[::1]:9000/cb",
            "http://127.0.0.1:70000/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
        ] {
            assert!(!is_same("http://127.0.0.1/cb", asked), "{asked}");
        }
        assert!(!is_same("http://localhost:1/cb", "http://localhost:2/cb"));
    }

    #[test]
    fn what_cannot_be_registered_is_named() {
        for good in [
            "https://app.example/cb",
            "http://127.0.0.1/cb",
            "http://127.3.0.1:8080/cb",
            "http://localhost:9000/in?a=b",
            "http://[::1]:1/",
            "com.example.app:/cb",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "",
            "/in",
            "app.example",
            "app.example/cb",
            "https:",
            "https:x",
            "https:///cb",
            "http://app.example/cb",
            "http://127.0.0.1@app.example/cb",
            "http://127.0.0.1.app.example/cb",
            "http://128.0.0.1/cb",
            "javascript:alert(1)",
            "https://a.example/#x",
            "https://a.example/\r\nx",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn only_what_goes_to_a_server_leads_to_no_program() {
        assert!(!leads_to_program("https://app.example/cb") && !leads_to_program("HTTPS://app.example/cb"));
        for program in ["http://127.0.0.1:9/cb", "http://localhost/cb", "com.example.app:/cb", "app.example/cb", ""] {
            assert!(leads_to_program(program), "{program}");
        }
    }

    #[test]
    fn a_form_may_lead_to_the_origin_of_the_uri_alone() {
        for (uri, source) in [
            ("https://app.example/cb?x=1", "https://app.example"),
            ("http://127.0.0.1:9000/cb", "http://127.0.0.1:9000"),
            ("http://[::1]:9000/cb", "http:"),
            ("https://192.0.2.7/cb", "https:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("https://a.example;x/cb", "https:"),
        ] {
            assert_eq!(content_security_source(uri).as_deref(), Some(source), "{uri}");
        }
        assert_eq!(content_security_source("https://a.example/ x"), None);
    }

    #[test]
    fn pages_of_a_client_are_at_the_origins_of_its_uris() {
        let registered = [
            "https://App.example:443/cb?x=1",
            "http://127.0.0.1/cb",
            "http://localhost:5173/cb",
            "com.example.app:/cb",
        ];
        let registered = registered.map(str::to_owned);
        for own in ["https://app.example", "http://127.0.0.1", "http://127.0.0.1:9000", "http://localhost:5173"] {
            assert!(is_origin_of(&registered, own), "{own}");
        }
        for other in [
            "https://app.example:8443",
            "http://app.example",
            "https://app.example.evil.example",
            "https://evil.example",
            "http://localhost:5174",
            "https://127.0.0.1",
            "null",
            "com.example.app",
            "",
        ] {
            assert!(!is_origin_of(&registered, other), "{other}");
        }
        assert_eq!(origin("https://ann@app.example/cb"), None);
    }

    proptest! {
        #[test]
        fn no_uri_of_another_host_is_the_same(host in "[a-z0-9.@:-]{1,20}", path in "[a-z/?]{0,8}") {
            let asked = format!("http://127.0.0.1{host}{path}");
            if is_same("http://127.0.0.1/cb", &asked) {
                let port = host.strip_prefix(':').unwrap_or("");
                prop_assert!(!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()), "{}", asked);
            }
        }

        #[test]
        fn a_source_never_ends_the_directive(uri in ".{0,40}") {
            if let Some(source) = content_security_source(&uri) {
                prop_assert!(source.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b','), "{}", source);
            }
        }
    }
}
