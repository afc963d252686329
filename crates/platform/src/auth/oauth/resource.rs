//! For which APIs a token is asked (`resource`, RFC 8707), and what of a scope it then has. The token is for the families of its scopes: a
//! request that names fewer of them gets fewer scopes too.

use identity::oauth_error::ErrorCode;
use runtime::token::Audience;
use runtime::{ApiFamily, scope};

use super::super::answers::OAuthError;
use super::super::request::parameters::{Parameters, RESOURCE};

/// What it must be.
const UNKNOWN: &str =
    "resource is no API: name a family, as voice, or the address of one that protected_resources lists";
/// There is no scope for what was asked.
const NOTHING: &str = "nothing of the scope is for that resource";

/// What an access token opens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TokenAccess {
    /// Its scopes.
    pub scope: String,
    /// For whom it is.
    pub audience: Audience,
}

impl TokenAccess {
    /// Whether it leaves out an API that this scope is for.
    pub fn is_for_fewer_than(&self, scope: &str) -> bool {
        scope::families(scope).any(|family| !self.audience.is_for("", &[family]))
    }
}

/// The families that a request names; `None` if it names none, and wants all that its scope is for.
///
/// # Errors
/// A description for the client's developer, of `invalid_target`.
pub(super) fn asked(issuer: &str, parameters: &Parameters) -> Result<Option<Vec<ApiFamily>>, &'static str> {
    let named: Option<Vec<ApiFamily>> = parameters.all(RESOURCE).map(|text| family(issuer, text)).collect();
    Ok(Some(named.ok_or(UNKNOWN)?).filter(|families| !families.is_empty()))
}

/// The family that a `resource` means: by its name, or by an address of its APIs at the web edge.
fn family(issuer: &str, text: &str) -> Option<ApiFamily> {
    if let Some(family) = ApiFamily::parse(text) {
        return Some(family);
    }
    let base = issuer.strip_suffix(runtime::issuer::PATH)?;
    let path = text.strip_prefix(base).filter(|path| !path.contains(['?', '#']))?;
    ApiFamily::of_path(path)
}

/// The addresses by which a `resource` may name the families.
pub(super) fn addresses(issuer: &str) -> Vec<String> {
    let base = issuer.strip_suffix(runtime::issuer::PATH).unwrap_or(issuer);
    ApiFamily::ALL.iter().flat_map(|family| family.paths()).map(|path| format!("{base}{path}")).collect()
}

/// What of a scope is for these families, all of it for `None`.
///
/// # Errors
/// A description for the client's developer, of `invalid_target`.
pub(super) fn narrowed(scope: &str, asked: Option<&[ApiFamily]>) -> Result<TokenAccess, &'static str> {
    let Some(asked) = asked else {
        return Ok(TokenAccess { scope: scope.to_owned(), audience: Audience::of_scope(scope) });
    };
    // Those of OpenID Connect are for auth, who takes the tokens of every family.
    let is_kept = |name: &&str| scope::find(name).is_none_or(|known| asked.contains(&known.family));
    let kept = scope.split_whitespace().filter(is_kept).collect::<Vec<_>>().join(" ");
    let opened: Vec<ApiFamily> = scope::families(&kept).collect();
    // Telemetry asks for no scope.
    let is_for = |family: &ApiFamily| *family == ApiFamily::Telemetry || opened.contains(family);
    let families: Vec<ApiFamily> = asked.iter().copied().filter(is_for).collect();
    match families.is_empty() {
        true => Err(NOTHING),
        false => Ok(TokenAccess { scope: kept, audience: Audience::of_families(families) }),
    }
}

/// What a token opens that is asked for with these parameters.
///
/// # Errors
/// `invalid_target`.
pub(super) fn access(issuer: &str, parameters: &Parameters, scope: &str) -> Result<TokenAccess, OAuthError> {
    let asked = asked(issuer, parameters).map_err(invalid_target)?;
    narrowed(scope, asked.as_deref()).map_err(invalid_target)
}

/// Refuses a request whose `resource` is none, before anything is spent on it.
///
/// # Errors
/// `invalid_target`.
pub(super) fn check(issuer: &str, parameters: &Parameters) -> Result<(), OAuthError> {
    asked(issuer, parameters).map(drop).map_err(invalid_target)
}

fn invalid_target(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ISSUER: &str = "https://centre.example/auth/v3";

    fn asks(form: &str) -> Result<Option<Vec<ApiFamily>>, &'static str> {
        asked(ISSUER, &Parameters::read(form.as_bytes()).unwrap())
    }

    #[test]
    fn an_api_is_named_by_its_family_or_by_its_address() {
        assert_eq!(asks("scope=calls:read"), Ok(None));
        assert_eq!(asks("resource="), Ok(None));
        for (text, family) in [
            ("voice", ApiFamily::Voice),
            ("https://centre.example/api/voice/v1", ApiFamily::Voice),
            ("https://centre.example/api/voice/v1/acme/events", ApiFamily::Voice),
            ("https://centre.example/scim/v2/acme", ApiFamily::Tenant),
            ("https://centre.example/wfm/", ApiFamily::Statistics),
            ("https://centre.example/workspace/v3", ApiFamily::Gws),
        ] {
            assert_eq!(asks(&format!("resource={text}")), Ok(Some(vec![family])), "{text}");
        }
        for address in addresses(ISSUER) {
            assert!(asks(&format!("resource={address}")).is_ok_and(|asked| asked.is_some()), "{address}");
        }
        let two = "resource=statistics&resource=https://centre.example/agent-setup/api";
        assert_eq!(asks(two), Ok(Some(vec![ApiFamily::Statistics, ApiFamily::Tenant])));
    }

    #[test]
    fn a_token_that_leaves_an_api_out_is_for_fewer() {
        let whole = "openid calls:read statistics:read";
        let access = |asked: Option<&[ApiFamily]>| narrowed(whole, asked).unwrap();
        assert!(!access(None).is_for_fewer_than(whole));
        assert!(!access(Some(&[ApiFamily::Voice, ApiFamily::Statistics])).is_for_fewer_than(whole));
        assert!(
            !access(Some(&[ApiFamily::Voice])).is_for_fewer_than("openid calls:read"),
            "all that the sign-in is for"
        );
        for fewer in [ApiFamily::Voice, ApiFamily::Statistics, ApiFamily::Telemetry] {
            assert!(access(Some(&[fewer])).is_for_fewer_than(whole), "{fewer:?}");
        }
    }

    #[test]
    fn what_is_no_api_of_ours_is_no_resource() {
        for text in [
            "Voice",
            "trunkline",
            "frontend",
            "https://centre.example",
            "https://centre.example/",
            "https://centre.example/auth/v3",
            "https://centre.example/api/voice/v1x",
            "https://centre.example/api/voice/v1?x=1",
            "https://centre.example/api/voice/v1/#x",
            "https://centre.example.evil/api/voice/v1",
            "http://centre.example/api/voice/v1",
            "/api/voice/v1",
        ] {
            let form = form_urlencoded::Serializer::new(String::new()).append_pair(RESOURCE, text).finish();
            assert_eq!(asks(&form), Err(UNKNOWN), "{text}");
        }
        assert_eq!(asks("resource=voice&resource=nothing"), Err(UNKNOWN), "one of two");
        assert_eq!(asked("trunkline", &Parameters::read(b"resource=https://a/wfm").unwrap()), Err(UNKNOWN));
    }

    #[test]
    fn a_token_for_fewer_apis_has_the_scopes_of_these_alone() {
        let all = "openid calls:read config:read statistics:read";
        let of = |asked: &[ApiFamily]| {
            let access = narrowed(all, Some(asked))?;
            Ok::<_, &str>((access.scope, access.audience.to_string()))
        };
        let told = |scope: &str, audience: &str| Ok((scope.to_owned(), audience.to_owned()));
        assert_eq!(of(&[ApiFamily::Tenant]), told("openid config:read", "tenant"));
        assert_eq!(
            of(&[ApiFamily::Statistics, ApiFamily::Voice]),
            told("openid calls:read statistics:read", "voice, statistics")
        );
        assert_eq!(of(&[ApiFamily::Tenant, ApiFamily::Operations]), told("openid config:read", "tenant"));
        assert_eq!(of(&[ApiFamily::Operations]), Err(NOTHING));
        assert_eq!(of(&[ApiFamily::Telemetry]), told("openid", "telemetry"));
        assert_eq!(narrowed("", Some(&[ApiFamily::Voice])), Err(NOTHING));
        let whole = narrowed(all, None).unwrap();
        assert_eq!((whole.scope.as_str(), whole.audience.to_string().as_str()), (all, "voice, tenant, statistics"));
    }

    proptest! {
        /// Whatever is asked for: a token has no scope of an API that it is not for, and is for no API that was not asked for.
        #[test]
        fn nobody_gets_more_by_asking_for_less(
            scopes in proptest::sample::subsequence(scope::TABLE.to_vec(), 0..=scope::TABLE.len()),
            asked in proptest::sample::subsequence(ApiFamily::ALL.to_vec(), 1..=ApiFamily::ALL.len()),
        ) {
            let whole: Vec<&str> = scopes.iter().map(|scope| scope.name).collect();
            if let Ok(access) = narrowed(&whole.join(" "), Some(&asked)) {
                for name in access.scope.split_whitespace() {
                    let family = scope::find(name).unwrap().family;
                    prop_assert!(whole.contains(&name) && asked.contains(&family));
                    prop_assert!(access.audience.is_for("no-role", &[family]));
                }
                for family in ApiFamily::ALL.into_iter().filter(|family| !asked.contains(family)) {
                    prop_assert!(!access.audience.is_for("no-role", &[family]));
                }
            }
        }
    }
}
