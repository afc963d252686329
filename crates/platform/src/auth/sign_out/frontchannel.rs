//! Pages of the programs at which somebody was signed in, for the page that is shown after signing out (OpenID Connect Front-Channel Logout
//! 1.0): loaded there, they end what the programs keep in this browser.

use std::time::Duration;

use contracts::provisioning::OAuthClient;
use identity::front_channel;
use identity::grant::refresh::Family;
use infra::StoreError;
use model::TenantId;

use super::super::Auth;
use super::super::answers::{self, Trouble};
use super::super::page::signed_out::LogoutFrame;
use super::super::records::BrowserSession;

/// The most pages that one sign-out loads.
const FRAMES_MAX: usize = 20;
/// The most sign-ins of a session that are looked at, the latest first.
const SIGN_INS_MAX: usize = 100;
/// Time for all questions about their programs: whoever signs out waits for the answer, and ingress does not wait for long.
const FRAMES_WITHIN: Duration = Duration::from_secs(1);

/// The sign-ins at programs that have come of that session, the latest first. It is asked before they end.
pub(super) async fn sign_ins(
    auth: &Auth,
    tenant: &TenantId,
    session: &BrowserSession,
) -> Result<Vec<Family>, StoreError> {
    let open = auth.store.open_of(tenant, &session.user).await?;
    let of_session = open.families.into_iter().rev().filter(|family| family.session.as_ref() == Some(&session.id));
    Ok(of_session.take(SIGN_INS_MAX).collect())
}

/// The pages of the programs of those sign-ins, as far as they can be found now: programs are told in other ways too.
pub(super) async fn frames(auth: &Auth, tenant: &TenantId, sign_ins: &[Family]) -> Vec<LogoutFrame> {
    let mut frames = Vec::new();
    let found = tokio::time::timeout(FRAMES_WITHIN, find_frames(auth, tenant, sign_ins, &mut frames)).await;
    if !matches!(found, Ok(Ok(()))) {
        tracing::info!(%tenant, "not all pages of programs are loaded that end with a session: tenant does not answer");
    }
    frames
}

async fn find_frames(
    auth: &Auth,
    tenant: &TenantId,
    sign_ins: &[Family],
    frames: &mut Vec<LogoutFrame>,
) -> Result<(), Trouble> {
    for family in sign_ins {
        let Some(client) = auth.people.client(tenant, &family.client).await? else { continue };
        let Some(frame) = frame(&client, auth.issuer(), &family.sign_in) else { continue };
        if frames.len() < FRAMES_MAX && !frames.contains(&frame) {
            frames.push(frame);
        }
    }
    Ok(())
}

/// The page of a program for one sign-in, if it has one.
fn frame(client: &OAuthClient, iss: &str, sid: &str) -> Option<LogoutFrame> {
    let uri = client.frontchannel_logout_uri.as_deref()?;
    // Also what was stored by other rules is let into no page of ours.
    if front_channel::fault(uri, &client.redirect_uris).is_some() {
        return None;
    }
    let names_session = client.frontchannel_logout_session_required.unwrap_or(true);
    let address = match names_session {
        // Section 2: both or none.
        true => answers::with_query(uri, &[("iss", Some(iss)), ("sid", Some(sid))]),
        false => uri.to_owned(),
    };
    Some(LogoutFrame { source: front_channel::source(uri)?, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_whose_session_has_ended_unless_it_does_not_want_to() {
        let client = |uri: &str, required: Option<bool>| OAuthClient {
            redirect_uris: vec!["https://desk.example/in".to_owned()],
            frontchannel_logout_uri: Some(uri.to_owned()),
            frontchannel_logout_session_required: required,
            ..OAuthClient::default()
        };
        let frame_of = |uri: &str, required| frame(&client(uri, required), "https://centre.example/auth/v3", "s&1");
        let told = "https://desk.example/out?x=1&iss=https%3A%2F%2Fcentre.example%2Fauth%2Fv3&sid=s%261";
        for (required, address) in [(None, told), (Some(true), told), (Some(false), "https://desk.example/out?x=1")] {
            let frame = frame_of("https://desk.example/out?x=1", required).unwrap();
            assert_eq!((frame.address.as_str(), frame.source.as_str()), (address, "https://desk.example"));
        }
        assert_eq!(frame_of("https://evil.example/out", None), None, "its redirect URIs are others by now");
        assert_eq!(frame(&OAuthClient::default(), "i", "s"), None);
    }
}
