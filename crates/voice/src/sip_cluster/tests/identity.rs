//! Calls by trunks that sign: the carrier is played by the bench's phone.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::TenantId;
use model::plan::{Destination, PlanAnswer};
use sip::agent::{Event, Reply};
use sip::stir::{Attestation, Passport, Signer};
use sip::{HeaderName, StatusCode};

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks};
use super::restart::restart;
use crate::sip_cluster::node::calls::trunk::identity::{IdentityConfiguration, Signing};
use crate::sip_cluster::node::calls::waiting::verification::Verification;

/// A number of the tenant.
const OURS: &str = "+15550100";
/// A phone of the tenant.
const PHONE: &str = "phone;dn=7102";
const TRUNK: &str = "trunk;name=other";

static SIGNER: LazyLock<Arc<Signer>> = LazyLock::new(|| Arc::new(signer("https://certificates.example/shaken.pem")));

fn signer(certificate_url: &str) -> Signer {
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    Signer::new(&key, certificate_url).expect("a key")
}

/// What the carrier of a call that comes says of who calls, for a call to this number at the time at which calls of the bench begin.
fn theirs(dest: &str) -> String {
    let passport = Passport {
        attest: Attestation::B,
        orig: "4930123456".to_owned(),
        dest: vec![dest.to_owned()],
        iat: Bench::new().now.as_secs(),
        origid: "123e4567-e89b-12d3-a456-426655440000".to_owned(),
    };
    signer("https://certificates.example/other.pem").sign(&passport).expect("a signature")
}

/// The trunks `signing` and `two` sign; `broken` would, but its key cannot be used.
pub struct Keys;

impl IdentityConfiguration for Keys {
    fn signing(&self, _: &TenantId, trunk: &str) -> Signing {
        match trunk {
            "signing" | "two" => Signing::With(SIGNER.clone(), None),
            "ended" => Signing::With(SIGNER.clone(), Some(1)),
            "broken" => Signing::Unusable,
            _ => Signing::Off,
        }
    }

    fn verification(&self, _: &TenantId, trunk: &str) -> Verification {
        super::verification::of(trunk)
    }

    fn owns(&self, _: &TenantId, number: &str) -> bool {
        number == OURS
    }
}

fn goes(source: &str, headers: &[(HeaderName, &str)], trunk: &str, shows: Option<&str>) -> Bench {
    let mut bench = Bench::new();
    let headers = headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
    bench.dial_with("7101", source, Some(PHONE_SDP.into()), headers);
    let Destination::Outside(mut outside) = by_two_trunks(trunk, "two") else { unreachable!("it is outside") };
    outside.way.caller_id = shows.map(str::to_owned);
    bench.plan(PlanAnswer::from(Destination::Outside(outside)));
    bench
}

/// The INVITEs that carriers got.
fn invites(bench: &Bench) -> Vec<&sip::Message> {
    let mut invites = Vec::new();
    for (peer, event) in &bench.seen {
        if let (Peer::Phone, Event::Incoming { request, .. }) = (peer, event) {
            invites.push(&**request);
        }
    }
    invites
}

/// The values of `Identity` in the last of them.
fn told(bench: &Bench) -> Vec<String> {
    let last = *invites(bench).last().expect("an INVITE");
    last.headers(&HeaderName::Identity).map(str::to_owned).collect()
}

/// The claims of the only value.
fn claims(bench: &Bench) -> serde_json::Value {
    let [value] = &*told(bench) else { panic!("one Identity: {:?}", told(bench)) };
    let claims = value.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON")
}

#[test]
fn a_call_of_ours_is_signed_and_fully_attested_with_a_number_of_ours() {
    let bench = goes(PHONE, &[], "signing", Some(OURS));
    let claims = claims(&bench);
    assert_eq!(claims["attest"], "A");
    assert_eq!(claims["orig"]["tn"], "15550100");
    assert_eq!(claims["dest"]["tn"], serde_json::json!(["4930123"]));
    assert_eq!(claims["iat"], bench.now.as_secs());
    let again = self::claims(&goes(PHONE, &[], "signing", Some("+15550199")));
    assert_eq!(again["attest"], "B", "the number is not known to be ours");
    assert_eq!(again["origid"], claims["origid"], "it names the trunk");
}

#[test]
fn what_cannot_be_signed_goes_out_unsigned() {
    for (trunk, shows) in [
        ("signing", None),
        ("broken", Some(OURS)),
        ("ended", Some(OURS)),
        ("wide", Some(OURS)),
        ("signing", Some("anonymous")),
    ] {
        assert_eq!(told(&goes(PHONE, &[], trunk, shows)), Vec::<String>::new(), "{trunk} {shows:?}");
    }
}

#[test]
fn a_call_that_came_in_keeps_a_signature_that_fits_or_gets_the_least_of_ours() {
    let theirs = theirs("4930123");
    let kept = goes(TRUNK, &[(HeaderName::Identity, &theirs)], "signing", None);
    assert_eq!(told(&kept), std::slice::from_ref(&theirs));
    let foreign = "aaa.bbb.ccc;info=<https://certificates.example/other.pem>;alg=ES256;ppt=shaken";
    for value in ["nonsense", foreign, &self::theirs("15550100")] {
        let ours = claims(&goes(TRUNK, &[(HeaderName::Identity, value)], "signing", None));
        assert_eq!((ours["attest"].as_str(), ours["orig"]["tn"].as_str()), (Some("C"), Some("4930123456")), "{value}");
    }
    // It shows a number of ours: what was signed is about another one.
    let ours = goes(TRUNK, &[(HeaderName::Identity, &theirs)], "signing", Some(OURS));
    assert_eq!(claims(&ours)["attest"], "C");
    let of_phone = goes(PHONE, &[(HeaderName::Identity, &theirs)], "signing", Some(OURS));
    assert_eq!(claims(&of_phone)["attest"], "A", "a phone signs for nobody");
    let unasked = goes(TRUNK, &[(HeaderName::Identity, &theirs)], "wide", None);
    assert_eq!(told(&unasked), Vec::<String>::new(), "a trunk without keys gets none");
}

#[test]
fn a_signature_does_not_give_a_hidden_number_away() {
    let theirs = theirs("4930123");
    let hidden = [(HeaderName::Identity, &*theirs), (HeaderName::Privacy, "id")];
    assert_eq!(told(&goes(TRUNK, &hidden, "signing", None)), Vec::<String>::new());
}

#[test]
fn a_successor_and_the_next_trunk_know_what_came() {
    let (mut bench, theirs) = (Bench::new(), theirs("4930123"));
    bench.dial_with("7101", TRUNK, Some(PHONE_SDP.into()), vec![(HeaderName::Identity, theirs.clone())]);
    let conn_id = bench.plan(by_two_trunks("signing", "two"));
    restart(&mut bench, conn_id);
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode::SERVICE_UNAVAILABLE), now).expect("an INVITE");
    bench.run();
    assert_eq!(invites(&bench).len(), 2, "the second trunk is tried");
    assert_eq!(told(&bench), [theirs]);
}
