//! The service that a Request-URI names (RFC 4240, RFC 5707 §5).

use contracts::provisioning::DtmfForm;
use media::codec::Codec;
use media::sdp::{Description, negotiation};
use model::{AddressFamily, ConnId, Encryption};
use sip::uri::escape::unescape;
use sip::{StatusCode, Uri};

/// A service of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Service {
    /// `conf=<id>`: a member of that conference.
    Conference(String),
    /// `annc`: plays and hangs up.
    Announcement {
        /// The prompt to play.
        play: String,
        /// How often it plays; `None` means forever.
        repeat: Option<u16>,
    },
    /// `msml`: a leg alone, silent until a dialog is started.
    Msml,
}

/// The codecs that a Request-URI allows, most preferred first (`;codecs=PCMA+PCMU`): those of the party's trunk, or of the owner's
/// tenant. An empty list means no restriction.
pub fn codecs(request_uri: &str) -> Vec<Codec> {
    let uri = Uri::parse(request_uri).ok();
    let names = uri.as_ref().and_then(|uri| uri.params().get("codecs").map(str::to_owned)).unwrap_or_default();
    names.split('+').filter_map(Codec::from_name).collect()
}

/// Whether the audio of a leg is encrypted, by its Request-URI (`;encryption=required`). A word that is not known is no leave to speak in
/// clear.
pub fn encryption(request_uri: &str) -> Encryption {
    let uri = Uri::parse(request_uri).ok();
    let word = uri.as_ref().and_then(|uri| uri.params().get("encryption").map(str::to_owned));
    word.map_or(Encryption::Off, |word| Encryption::parse(&word).unwrap_or(Encryption::Required))
}

/// How keys go to the party of a leg, by its Request-URI (`;dtmf=info`); none: as is negotiated.
pub fn dtmf(request_uri: &str) -> Option<DtmfForm> {
    let uri = Uri::parse(request_uri).ok();
    uri.as_ref().and_then(|uri| uri.params().get("dtmf").and_then(DtmfForm::parse))
}

/// A description of a leg's audio, ours or its party's, without what its owner does not want there.
pub fn wanted(request_uri: &str, description: Description) -> Description {
    let spoken = negotiation::speaking(description, &codecs(request_uri));
    if dtmf(request_uri).is_none_or(DtmfForm::has_events) { spoken } else { negotiation::without_events(spoken) }
}

/// The family of addresses by which the party of a leg is reached, by its Request-URI (`;family=ip6`), if its owner knows.
pub fn wanted_family(request_uri: &str) -> Option<AddressFamily> {
    let uri = Uri::parse(request_uri).ok()?;
    match uri.params().get("family")? {
        "ip4" => Some(AddressFamily::V4),
        "ip6" => Some(AddressFamily::V6),
        _ => None,
    }
}

/// Longest conference id.
const CONFERENCE_MAX: usize = 64;

/// The call to which a conference belongs: its name is the call's ConnID, or that with the number of a room.
pub fn call_of(conference: &str) -> Option<ConnId> {
    base_of(conference).parse().ok()
}

/// What the conferences of a call have in common. They are all on one thread.
pub fn base_of(conference: &str) -> &str {
    conference.split('.').next().unwrap_or(conference)
}

impl Service {
    /// The conference that a leg of this service joins.
    pub fn conference(&self) -> Option<&str> {
        match self {
            Self::Conference(id) => Some(id),
            Self::Announcement { .. } | Self::Msml => None,
        }
    }

    /// Parses a Request-URI.
    ///
    /// # Errors
    /// The status to answer: 404 for an unknown service, 400 and 501 for parameters.
    pub fn of(request_uri: &str) -> Result<Self, StatusCode> {
        let uri = Uri::parse(request_uri).map_err(|_| StatusCode::BAD_REQUEST)?;
        let user = unescape(uri.user().ok_or(StatusCode::NOT_FOUND)?);
        if let Some(id) = user.strip_prefix("conf=") {
            let valid = (1..=CONFERENCE_MAX).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
            return if valid { Ok(Self::Conference(id.to_owned())) } else { Err(StatusCode::NOT_FOUND) };
        }
        match &*user {
            "annc" => announcement(&uri),
            "msml" => Ok(Self::Msml),
            _ => Err(StatusCode::NOT_FOUND),
        }
    }
}

fn announcement(uri: &Uri<'_>) -> Result<Service, StatusCode> {
    let params = uri.params();
    // RFC 4240 §3.1 also defines these two; playing without regard to them would be wrong.
    if params.contains("delay") || params.contains("duration") {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let play = unescape(params.get("play").ok_or(StatusCode::BAD_REQUEST)?).into_owned();
    let repeat = match params.get("repeat") {
        None => Some(1),
        Some("forever") => None,
        Some(times) => Some(times.parse().ok().filter(|n| *n > 0).ok_or(StatusCode::BAD_REQUEST)?),
    };
    Ok(Service::Announcement { play, repeat })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_a_parameter_and_a_word_that_is_not_known_is_no_leave_to_speak_in_clear() {
        assert_eq!(encryption("sip:conf=1@h;codecs=PCMA"), Encryption::Off);
        assert_eq!(encryption("sip:conf=1@h;codecs=PCMA;encryption=offered"), Encryption::Offered);
        assert_eq!(encryption("sip:conf=1@h;encryption=required"), Encryption::Required);
        assert_eq!(encryption("sip:conf=1@h;encryption=tomorrow"), Encryption::Required);
    }

    #[test]
    fn the_way_of_keys_is_a_parameter_and_without_a_known_word_it_is_negotiated() {
        assert_eq!(dtmf("sip:conf=1@h;codecs=PCMA;dtmf=info"), Some(DtmfForm::Info));
        assert_eq!(dtmf("sip:conf=1@h;dtmf=tones;encryption=offered"), Some(DtmfForm::Tones));
        assert_eq!((dtmf("sip:conf=1@h"), dtmf("sip:conf=1@h;dtmf=smoke")), (None, None));
    }

    #[test]
    fn the_family_of_a_leg_is_a_parameter() {
        assert_eq!(wanted_family("sip:conf=1@h;codecs=PCMA;family=ip6"), Some(AddressFamily::V6));
        assert_eq!(wanted_family("sip:conf=1@h;family=ip4"), Some(AddressFamily::V4));
        assert_eq!(wanted_family("sip:conf=1@h;family=ipx"), None);
        assert_eq!(wanted_family("sip:conf=1@h"), None);
    }

    #[test]
    fn services_are_named_in_the_user_part() {
        let annc = |play: &str, repeat| Ok(Service::Announcement { play: play.to_owned(), repeat });
        let cases = [
            ("sip:conf=00a1b2@media.trunkline.invalid", Ok(Service::Conference("00a1b2".to_owned()))),
            ("sip:conf%3D7@192.0.2.1:5080", Ok(Service::Conference("7".to_owned()))),
            ("sip:conf=@h", Err(StatusCode::NOT_FOUND)),
            ("sip:conf=a%2Fb@h", Err(StatusCode::NOT_FOUND)),
            ("sip:annc@h;play=welcome", annc("welcome", Some(1))),
            ("sip:annc@h;play=prompt%3awelcome;repeat=3", annc("prompt:welcome", Some(3))),
            ("sip:annc@h;play=music;repeat=forever", annc("music", None)),
            ("sip:annc@h", Err(StatusCode::BAD_REQUEST)),
            ("sip:annc@h;play=x;repeat=0", Err(StatusCode::BAD_REQUEST)),
            ("sip:annc@h;play=x;delay=5", Err(StatusCode::NOT_IMPLEMENTED)),
            ("sip:msml@h", Ok(Service::Msml)),
            ("sip:dialog@h", Err(StatusCode::NOT_FOUND)),
            ("sip:h", Err(StatusCode::NOT_FOUND)),
            ("nonsense", Err(StatusCode::BAD_REQUEST)),
        ];
        for (uri, expected) in cases {
            assert_eq!(Service::of(uri), expected, "{uri}");
        }
    }
}
