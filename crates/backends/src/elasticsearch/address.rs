//! The address of the server, as the settings have it: `http[s]://[user[:password]@]host[:port][/path]`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use infra::{Result, StoreError};
use percent_encoding::percent_decode_str;

/// The port where none is named.
const PORT: u16 = 9_200;

/// The address in its parts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ServerAddress {
    /// As `https://search.example:9200/path`, without a slash at its end.
    pub base: String,
    pub is_secure: bool,
    pub user: Option<String>,
    pub password: String,
}

fn invalid(reason: &str) -> StoreError {
    StoreError::Invalid(format!("stores.elasticsearch: {reason}"))
}

fn decoded(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| invalid("user or password is no UTF-8 text"))
}

/// Host and port, of which the latter may be left out.
fn with_port(host: &str) -> String {
    let behind_address = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    if behind_address.contains(':') { host.to_owned() } else { format!("{host}:{PORT}") }
}

impl ServerAddress {
    pub fn read(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid("it has no scheme"))?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("it begins neither with http:// nor with https://")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (who, host) = authority.rsplit_once('@').map_or((None, authority), |(who, host)| (Some(who), host));
        if host.is_empty() || rest.contains(['?', '#']) {
            return Err(invalid("it has no host, or more than a path behind it"));
        }
        let (user, password) = match who {
            Some(who) => {
                let (user, password) = who.split_once(':').unwrap_or((who, ""));
                (Some(decoded(user)?), decoded(password)?)
            }
            None => (None, String::new()),
        };
        let base = format!("{scheme}://{}{}", with_port(host), path.trim_end_matches('/'));
        base.parse::<http::Uri>().map_err(|error| invalid(&error.to_string()))?;
        Ok(Self { base, is_secure, user, password })
    }

    /// The header that says who asks; none without a user.
    pub fn authorization(&self, password: Option<&str>) -> Option<String> {
        let user = self.user.as_ref()?;
        let password = password.unwrap_or(&self.password);
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

/// The address without who uses it.
pub(super) fn place(url: &str) -> String {
    ServerAddress::read(url).map_or_else(|_| "an unreadable address".to_owned(), |address| address.base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_its_parts() {
        let read = |url: &str| ServerAddress::read(url).ok();
        let whole = read("https://ann:pass%40word@search.example/es/").unwrap();
        assert_eq!((whole.base.as_str(), whole.is_secure), ("https://search.example:9200/es", true));
        assert_eq!((whole.user.as_deref(), whole.password.as_str()), (Some("ann"), "pass@word"));
        assert_eq!(whole.authorization(None).as_deref(), Some("Basic YW5uOnBhc3NAd29yZA=="));
        assert_eq!(whole.authorization(Some("x")).as_deref(), Some("Basic YW5uOng="));
        let bare = read("http://127.0.255.1:9201").unwrap();
        assert_eq!((bare.base.as_str(), bare.is_secure), ("http://127.0.255.1:9201", false));
        assert_eq!(bare.authorization(None), None);
        assert_eq!(read("http://[::1]").unwrap().base, "http://[::1]:9200");
        for wrong in ["search.example", "ftp://search.example", "http://", "http://a?b=/c", "http://a b"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_place_shows_nobody() {
        assert_eq!(place("https://ann:secret@search.example"), "https://search.example:9200");
        assert_eq!(place("secret"), "an unreadable address");
    }
}
