//! What a call to a number is made of, as in operation: the number that the dial plan writes for the trunk, the trunk's rules about headers,
//! and whether its audio is encrypted.

use std::net::SocketAddr;

use contracts::provisioning::{DtmfForm, Encryption, TenantObjects, Trunk};
use media::codec::Codec;
use media::sdp::crypto::CryptoLine;
use media::srtp::{Keying, SUITES};
use model::Entropy;
use sip::Message;
use sip::header_rules::{EditOutcome, RuleDirection};
use sip::uri::escape::escape_user;

use super::NO_CALL;

/// Numbers up to this length are no subscribers' numbers in full: emergency calls and services.
const SHORT_MAX: usize = 6;

/// What is offered where the trunk has no codecs of its own.
const CODECS: [Codec; 3] = [Codec::G722, Codec::Pcma, Codec::Pcmu];

/// The call to one number.
pub(super) struct PlannedCall<'a> {
    trunk: &'a Trunk,
    /// Where it goes.
    pub uri: String,
    /// The number that is shown.
    pub shows: Option<String>,
    /// The number as the carrier gets it.
    sent: String,
    /// What an operator has to know about it.
    notes: Vec<String>,
}

impl<'a> PlannedCall<'a> {
    /// The call by this trunk, whichever trunk the dial plan would choose. `None` if the trunk does not say where its carrier is.
    pub fn of(objects: &TenantObjects, trunk: &'a Trunk, dialled: &str) -> Option<Self> {
        let contact = trunk.contact.as_deref()?;
        let mut notes = Vec::new();
        let (uri, shows) = match voice::dialplan::way_by(objects, &trunk.name, dialled) {
            Some(way) => (way.contact.uri, way.caller_id),
            None => {
                notes.push("people call nobody by this trunk: it has no `prefix`".to_owned());
                (format!("sip:{}@{contact}", escape_user(dialled)), trunk.shown().map(str::to_owned))
            }
        };
        let sent = uri.strip_prefix("sip:").and_then(|rest| rest.split('@').next()).unwrap_or_default().to_owned();
        if sent != escape_user(dialled) {
            notes.push(format!("called as {sent}"));
        }
        if trunk.encryption == Encryption::Dtls {
            notes.push("offered in clear: `encryption: dtls` is not tried here".to_owned());
        }
        Some(Self { trunk, uri, shows, sent, notes })
    }

    /// Applies the trunk's rules about headers.
    pub fn edit(&mut self, invite: &mut Message) {
        for effect in net::header_rules::of_trunk(self.trunk).apply(RuleDirection::Sent, invite, Some(NO_CALL)) {
            if let EditOutcome::Refused(why) = effect.outcome {
                self.notes.push(format!("header rule {} is not applied: {why}", effect.place + 1));
            }
        }
    }

    /// The offer of audio at an address.
    pub fn offer(&self, at: SocketAddr, entropy: &mut dyn Entropy) -> String {
        let (family, ip, port) = (if at.is_ipv4() { "IP4" } else { "IP6" }, at.ip(), at.port());
        let profile = if self.trunk.encryption == Encryption::Required { "RTP/SAVP" } else { "RTP/AVP" };
        let (mut formats, mut maps) = (String::new(), String::new());
        for codec in self.codecs() {
            let (number, name) = (codec.payload_type(), codec.name());
            formats.push_str(&format!("{number} "));
            maps.push_str(&format!("a=rtpmap:{number} {name}/{}\r\n", codec.encoding_parameters()));
        }
        if self.trunk.dtmf.is_none_or(DtmfForm::has_events) {
            formats.push_str("101");
            maps.push_str("a=rtpmap:101 telephone-event/8000\r\n");
        }
        let mut offer = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} {profile} {}\r\n{maps}",
            formats.trim_end()
        );
        if matches!(self.trunk.encryption, Encryption::Offered | Encryption::Required) {
            let lines = (1..).zip(SUITES).filter_map(|(tag, suite)| {
                let material: Vec<u8> = std::iter::repeat_with(|| entropy.next_u64().to_be_bytes()[0])
                    .take(suite.material_bytes())
                    .collect();
                Some(CryptoLine { tag, keying: Keying::new(suite, &material, None)? })
            });
            lines.for_each(|line| offer.push_str(&format!("a=crypto:{line}\r\n")));
        }
        offer
    }

    fn codecs(&self) -> Vec<Codec> {
        let of_trunk: Vec<Codec> = self.trunk.codecs.iter().filter_map(|name| Codec::from_name(name)).collect();
        if of_trunk.is_empty() { CODECS.to_vec() } else { of_trunk }
    }

    /// What stands behind the outcome.
    pub fn notes(&self) -> String {
        self.notes.iter().map(|note| format!("; {note}")).collect()
    }

    /// What to do about a carrier that does not know the number.
    pub fn remedy_of_unknown(&self) -> &'static str {
        match self.sent.strip_prefix('+') {
            None if self.sent.len() <= SHORT_MAX => {
                "ask the carrier whether it takes this short number, and in which form: a rule `send` of the trunk writes it so"
            }
            None => {
                "try it with the country, as +4930123456; with `country_prefix` and `national_prefix` of the tenant it is called so"
            }
            Some(_) => {
                "check the number, and ask the carrier in which form it wants numbers: a rule `send` of the trunk writes them so"
            }
        }
    }

    /// Whether a call by the trunk ends where the carrier answers in clear.
    pub const fn has_to_be_encrypted(&self) -> bool {
        matches!(self.trunk.encryption, Encryption::Required)
    }

    /// Why a carrier may not accept the offer, and what to do.
    pub const fn unaccepted(&self) -> (&'static str, &'static str) {
        match self.trunk.encryption {
            Encryption::Required => (
                "the carrier has none of the codecs that are offered (`codecs` of the trunk, else G722, PCMA, PCMU), or does not encrypt audio as `encryption: required` of the trunk demands",
                "ask the carrier which codecs it has, and whether it encrypts audio (SRTP)",
            ),
            Encryption::Dtls => (
                "the carrier has none of the codecs that are offered (`codecs` of the trunk, else G722, PCMA, PCMU), or takes encrypted audio alone, which is not tried here",
                "ask the carrier which codecs it has; try a call from a phone",
            ),
            Encryption::Off | Encryption::Offered => (
                "the carrier has none of the codecs that are offered (`codecs` of the trunk, else G722, PCMA, PCMU), or takes encrypted audio alone",
                "ask the carrier which codecs it has, and whether it wants encrypted audio (`encryption: required`)",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{HeaderRule, HeaderRuleAction, HeaderRuleOn};
    use model::entropy::Seeded;
    use serde_json::json;
    use sip::{HeaderName, Method};

    use super::*;

    fn trunk() -> Trunk {
        Trunk {
            name: "main".to_owned(),
            contact: Some("203.0.113.9:5060".to_owned()),
            prefix: Some("+".to_owned()),
            caller_id: Some("+4930123450".to_owned()),
            ..Trunk::default()
        }
    }

    fn objects(trunk: &Trunk) -> TenantObjects {
        let tenant = json!({
            "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "", "no_answer_s": 15,
            "wrap_up_s": 0, "country_prefix": "+49", "national_prefix": "0", "international_prefix": "00",
        });
        let mut objects = TenantObjects::new(serde_json::from_value(tenant).unwrap());
        objects.trunks.push(trunk.clone());
        let rules = json!([
            { "name": "premium", "place": 0, "pattern": "+4930.", "action": "caller_id", "shows": "+4930123459", "trunk": null },
            { "name": "plain", "place": 1, "pattern": "+43.", "action": "send", "remove": 1, "add": "00", "trunk": "main" },
            { "name": "emergency", "place": 2, "pattern": "11[02]", "action": "emergency", "trunk": null },
        ]);
        objects.dial_rules = serde_json::from_value(rules).unwrap();
        objects
    }

    #[test]
    fn the_number_is_written_as_in_operation() {
        let trunk = trunk();
        let objects = objects(&trunk);
        for (dialled, sent, shows) in [
            ("030987654", "+4930987654", "+4930123459"),
            ("+4989123", "+4989123", "+4930123450"),
            ("00431234", "00431234", "+4930123450"),
            ("112", "112", "+4930123450"),
        ] {
            let call = PlannedCall::of(&objects, &trunk, dialled).unwrap();
            assert_eq!(call.uri, format!("sip:{sent}@203.0.113.9:5060"), "{dialled}");
            assert_eq!((call.shows.as_deref(), call.notes().contains("called as")), (Some(shows), dialled != sent));
        }
        let advice = |dialled: &str| PlannedCall::of(&objects, &trunk, dialled).unwrap().remedy_of_unknown();
        assert!(advice("112").contains("short number") && advice("+4999").contains("`send`"));
        assert!(!advice("030987654").contains("with the country"), "it has it");
        let incoming = Trunk { prefix: None, ..trunk.clone() };
        let call = PlannedCall::of(&objects_without(&objects), &incoming, "030987654").unwrap();
        assert!(call.notes().contains("no `prefix`") && call.remedy_of_unknown().contains("with the country"));
    }

    fn objects_without(objects: &TenantObjects) -> TenantObjects {
        let mut objects = objects.clone();
        objects.trunks.clear();
        objects
    }

    #[test]
    fn the_offer_is_encrypted_as_the_trunk_demands() {
        let offered = |encryption| {
            let trunk = Trunk { encryption, ..trunk() };
            let call = PlannedCall::of(&objects(&trunk), &trunk, "112").unwrap();
            let offer = call.offer("192.0.2.1:4000".parse().unwrap(), &mut Seeded::new(1));
            let description = media::sdp::parse(offer.as_bytes()).unwrap();
            (description.media[0].protocol.clone(), CryptoLine::of(&description.media[0]).count())
        };
        assert_eq!(offered(Encryption::Off), ("RTP/AVP".to_owned(), 0));
        assert_eq!(offered(Encryption::Offered), ("RTP/AVP".to_owned(), SUITES.len()));
        assert_eq!(offered(Encryption::Required), ("RTP/SAVP".to_owned(), SUITES.len()));
    }

    #[test]
    fn the_codecs_of_the_trunk_are_offered_in_its_order() {
        let offered = |codecs: &[&str]| {
            let trunk = Trunk { codecs: codecs.iter().map(|name| (*name).to_owned()).collect(), ..trunk() };
            let call = PlannedCall::of(&objects(&trunk), &trunk, "112").unwrap();
            let offer = call.offer("192.0.2.1:4000".parse().unwrap(), &mut Seeded::new(1));
            media::sdp::parse(offer.as_bytes()).unwrap().media[0].formats.join(" ")
        };
        assert_eq!((offered(&[]), offered(&["PCMU", "PCMA"])), ("9 8 0 101".to_owned(), "0 8 101".to_owned()));
    }

    #[test]
    fn the_rules_about_headers_apply() {
        let rule = HeaderRule {
            on: HeaderRuleOn::Sent,
            action: HeaderRuleAction::Add,
            header: "X-Account".to_owned(),
            value: Some("4711".to_owned()),
            pattern: None,
            replace: None,
        };
        let trunk = Trunk { headers: vec![rule], ..trunk() };
        let mut call = PlannedCall::of(&objects(&trunk), &trunk, "112").unwrap();
        let mut invite = Message::request(Method::Invite, &call.uri)
            .header(&HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bKa")
            .header(&HeaderName::CallId, "a")
            .header(&HeaderName::CSeq, "1 INVITE")
            .header(&HeaderName::From, "<sip:1@a>;tag=1")
            .header(&HeaderName::To, "<sip:112@b>")
            .build();
        call.edit(&mut invite);
        assert_eq!(invite.header(&HeaderName::other("X-Account")), Some("4711"));
    }
}
