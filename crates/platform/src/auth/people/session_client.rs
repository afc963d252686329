//! The clients of the Workspace and the Provisioning API, which are built in: their codes begin sessions there. The API's role redeems
//! them and proves itself by the key of its role, so that no secret has to be in a page. Such codes go where those of the tenant's own
//! clients go that may begin such sessions, for no more scopes than these clients list, and name their tenant, for the program that brings
//! one says nothing else.

use contracts::provisioning::{Grant, OAuthClient};
use identity::built_in_client::SessionClient;
use identity::client::ClientRules;
use identity::redirect_uri;
use identity::session_cookie::SessionCookie;
use model::TenantId;

use super::listed_uris::ListedUri;

/// One of them, as it would be configured in a tenant whose clients have these redirect URIs, for a code that is sent to that one of them;
/// without one, to the only one. With refresh tokens, though nobody gets to see one: what of a sign-in can be ended is found by them.
pub(in crate::auth) fn client(of: SessionClient, listed: &[ListedUri], asked: Option<&str>) -> OAuthClient {
    let own: Vec<&ListedUri> = listed.iter().filter(|one| may_begin_sessions(of, one)).collect();
    let asked = asked.or(match own.as_slice() {
        [only] => Some(only.uri.as_str()),
        _ => None,
    });
    let of_asked = own.iter().copied().filter(|one| asked.is_some_and(|asked| redirect_uri::is_same(&one.uri, asked)));
    OAuthClient {
        id: of.id().to_owned(),
        name: of.name().to_owned(),
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        scopes: scopes_of_all(of_asked),
        redirect_uris: own.iter().map(|one| one.uri.clone()).collect(),
        ..OAuthClient::default()
    }
}

/// Whether the client of a redirect URI gets codes there for tokens by which such sessions begin.
fn may_begin_sessions(of: SessionClient, listed: &ListedUri) -> bool {
    let is_bounded = !listed.scopes.is_empty();
    listed.takes_codes && (!is_bounded || listed.scopes.iter().any(|listed| listed == of.scope()))
}

/// What all that list scopes list; nothing if none lists any.
fn scopes_of_all<'a>(listed: impl Iterator<Item = &'a ListedUri>) -> Vec<String> {
    let mut bounded = listed.filter(|one| !one.scopes.is_empty());
    let first = bounded.next().map(|one| one.scopes.to_vec()).unwrap_or_default();
    bounded.fold(first, |mut all, one| {
        all.retain(|scope| one.scopes.contains(scope));
        all
    })
}

/// Its rules for a code that is sent to that redirect URI. The role's key proves it, so that its codes need no PKCE where a page gets them:
/// the published interface has no place for a verifier. Where a program gets them, another one on that machine could take them.
pub(in crate::auth) fn proved(rules: ClientRules, asked: Option<&str>) -> ClientRules {
    let to = asked.or(rules.redirect_uris.first().map(String::as_str));
    let is_confidential = !to.is_some_and(redirect_uri::leads_to_program);
    ClientRules { is_confidential, ..rules }
}

/// The text of a code: with the tenant, as a cookie has it.
pub(in crate::auth) fn code_of(tenant: &TenantId, secret: &str) -> String {
    SessionCookie::write(tenant, secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_its_tenant_and_is_no_other_code() {
        let acme = TenantId::parse("acme").unwrap();
        let code = code_of(&acme, "secret");
        assert_eq!(SessionCookie::read(&code).map(|read| read.tenant), Some(acme));
        assert_ne!(code, "secret");
    }

    fn listed(uri: &str, scopes: &[&str]) -> ListedUri {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        ListedUri { uri: uri.to_owned(), takes_codes: true, scopes }
    }

    #[test]
    fn the_client_is_found_as_others_are_and_has_no_secret() {
        for of in SessionClient::ALL {
            let client = client(of, &[listed("https://crm.example/back", &[])], None);
            assert!(client.id == of.id() && client.is_public(), "it has no secret that could be lost");
        }
    }

    #[test]
    fn codes_of_one_api_do_not_go_where_only_sessions_of_the_other_may_begin() {
        let all = [
            listed("https://desk.example/back", &["workspace:use"]),
            listed("https://hr.example/back", &["config:read"]),
        ];
        let uris = |of: SessionClient| client(of, &all, None).redirect_uris;
        assert_eq!(uris(SessionClient::Workspace), ["https://desk.example/back"]);
        assert_eq!(uris(SessionClient::Provisioning), ["https://hr.example/back"]);
    }

    #[test]
    fn codes_go_where_clients_may_have_them_for_no_more_than_these_list() {
        let elsewhere = "https://viewer.example/back";
        let all = [
            listed("https://crm.example/back", &[]),
            listed("https://desk.example/back", &["workspace:use", "calls:control"]),
            listed(elsewhere, &["openid", "statistics:read"]),
            ListedUri { takes_codes: false, ..listed("https://out.example/back", &[]) },
            listed("https://both.example/back", &["workspace:use", "agents:control", "calls:control"]),
            listed("https://both.example/back", &["calls:control", "workspace:use"]),
        ];
        let to = |uri: &str| client(SessionClient::Workspace, &all, Some(uri));
        let uris = to("https://crm.example/back").redirect_uris;
        assert_eq!(uris.len(), 4);
        assert!(!uris.iter().any(|uri| uri == elsewhere || uri == "https://out.example/back"), "{uris:?}");
        assert!(to("https://crm.example/back").scopes.is_empty(), "that client bounds nobody");
        assert_eq!(to("https://desk.example/back").scopes, ["workspace:use", "calls:control"]);
        assert_eq!(to("https://both.example/back").scopes, ["workspace:use", "calls:control"]);
        let only = client(SessionClient::Workspace, &all[1..2], None);
        assert_eq!(only.scopes, ["workspace:use", "calls:control"], "who names none is sent to the only one");
    }

    #[test]
    fn a_program_on_the_persons_machine_needs_pkce_and_a_page_does_not() {
        let rules = |uri: &str| ClientRules {
            id: SessionClient::Workspace.id().to_owned(),
            is_confidential: false,
            grants: Vec::new(),
            redirect_uris: vec![uri.to_owned()],
            scopes: Vec::new(),
            bounds_people: false,
        };
        let needs_none = |uri: &str, asked: Option<&str>| proved(rules(uri), asked).is_confidential;
        assert!(needs_none("https://crm.example/back", Some("https://crm.example/back")));
        assert!(needs_none("https://crm.example/back", None));
        for program in ["http://127.0.0.1:9/back", "http://localhost/back", "com.example.desk:/back"] {
            assert!(!needs_none(program, Some(program)) && !needs_none(program, None), "{program}");
        }
    }
}
