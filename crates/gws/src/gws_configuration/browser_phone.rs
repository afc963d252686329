//! Which phones are in browsers: those whose audio has keys by DTLS, since no browser has any other.

use model::Encryption;
use serde_json::Value;

/// Whether a DN is a phone in a browser.
pub(super) fn is_browser_phone(dn: &Value) -> bool {
    dn.get("encryption").and_then(Value::as_str) == Some(Encryption::Dtls.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_phone_in_a_browser_has_keys_by_dtls() {
        assert!(is_browser_phone(&json!({"number": "7301", "type": "extension", "encryption": "dtls"})));
        for other in [json!({"number": "7101", "encryption": "offered"}), json!({"number": "7101"}), json!({})] {
            assert!(!is_browser_phone(&other), "{other}");
        }
    }
}
