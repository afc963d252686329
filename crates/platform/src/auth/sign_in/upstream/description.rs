//! What a provider says of itself (OpenID Connect Discovery section 3), as far as it is needed.

use identity::provider::url;
use serde::Deserialize;

/// The longest list of it that is looked at.
const METHODS_MAX: usize = 64;

/// The description.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ProviderDescription {
    issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: String,
    /// Where a code is redeemed.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether its answers name it (RFC 9207).
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub says_iss: bool,
}

impl ProviderDescription {
    /// Reads that of the issuer.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn read(document: &[u8], issuer: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(document)
            .map_err(|error| format!("its description is none: {error}").chars().take(200).collect::<String>())?;
        // Section 4.3: another one would let a provider speak for others.
        if read.issuer != issuer {
            return Err("its description names another issuer than the one that is configured".to_owned());
        }
        for (name, address) in [
            ("authorization_endpoint", &read.authorization_endpoint),
            ("token_endpoint", &read.token_endpoint),
            ("jwks_uri", &read.jwks_uri),
        ] {
            if let Some(fault) = url::fault(address) {
                return Err(format!("{name} of its description: {fault}"));
            }
        }
        Ok(read)
    }

    /// Whether we show our secret in the form: only where it does not take it by Basic, which is what is usual.
    pub fn wants_secret_in_form(&self) -> bool {
        let Some(methods) = &self.token_endpoint_auth_methods_supported else { return false };
        let takes = |wanted: &str| methods.iter().take(METHODS_MAX).any(|method| method == wanted);
        !takes("client_secret_basic") && takes("client_secret_post")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_that_of_its_issuer_and_leads_to_places_that_may_be_asked() {
        let document = json!({
            "issuer": "https://id.example", "authorization_endpoint": "https://id.example/authorize",
            "token_endpoint": "https://id.example/token", "jwks_uri": "https://id.example/keys", "further": 1,
        });
        let read = |document: &serde_json::Value| {
            ProviderDescription::read(document.to_string().as_bytes(), "https://id.example")
        };
        let good = read(&document).unwrap();
        assert!(!good.says_iss && !good.wants_secret_in_form());
        for (key, value, fault) in [
            ("issuer", json!("https://id.example/"), "another issuer"),
            ("token_endpoint", json!("http://id.example/token"), "token_endpoint of its description: it must begin"),
            ("jwks_uri", json!(7), "its description is none"),
        ] {
            let mut wrong = document.clone();
            wrong[key] = value;
            let said = read(&wrong).unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
        let mut by_form = document;
        by_form["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
        by_form["authorization_response_iss_parameter_supported"] = json!(true);
        let by_form = read(&by_form).unwrap();
        assert!(by_form.says_iss && by_form.wants_secret_in_form());
    }
}
