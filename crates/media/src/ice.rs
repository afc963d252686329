//! The side of ICE that is found (RFC 8445 §2.5, "lite"): whoever knows the password of our description shows where it is. No I/O.

use std::fmt;
use std::net::SocketAddr;

use aws_lc_rs::hmac;
use is::stun::StunMessage;

/// The longest answer: two addresses, the integrity and the fingerprint have 100 bytes.
const ANSWER_BYTES_MAX: usize = 256;
/// The preference of a host's candidate of the only component (RFC 8445 §5.1.2.1).
pub const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// Our user fragment and password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// The fragment: 4 to 256 letters and digits.
    pub fragment: Box<str>,
    /// The password: 22 to 256.
    pub password: Box<str>,
}

/// A check of the peer's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceCheck {
    /// What it is answered.
    pub answer: Vec<u8>,
    /// Whether the peer has chosen the way it came.
    pub is_chosen: bool,
    /// How it ranks that way.
    pub priority: u32,
}

impl IceCredentials {
    /// Those that follow from a secret: the same in each description, until the peer begins anew, which ours have to follow (RFC 8839
    /// §4.4.1.1.1).
    pub fn of(secret: &[u8], generation: u32) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let word = |purpose: &str, bytes: usize| {
            let tag = hmac::sign(&key, format!("{purpose} {generation}").as_bytes());
            let text = tag.as_ref().iter().take(bytes).map(|b| format!("{b:02x}")).collect::<String>();
            text.into()
        };
        Self { fragment: word("ice fragment", 8), password: word("ice password", 16) }
    }

    /// Whether a packet names our fragment, which who only guesses our port does not know. It proves nothing, and costs no hash.
    pub fn is_named_by(&self, packet: &[u8]) -> bool {
        self.naming(packet).is_some()
    }

    /// The check that a packet is; `None` if it is none for us: then nobody answers, and nobody learns that there is somebody.
    pub fn check(&self, packet: &[u8], from: SocketAddr) -> Option<IceCheck> {
        let message = self.naming(packet)?;
        if !message.verify(self.password.as_bytes(), sign) {
            return None;
        }
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        let reply = StunMessage::binding_reply(message.trans_id(), from);
        let length = reply.to_bytes(Some(self.password.as_bytes()), &mut answer, sign).ok()?;
        answer.truncate(length);
        Some(IceCheck { answer, is_chosen: message.use_candidate(), priority: message.prio().unwrap_or_default() })
    }

    /// A request for us, as far as its name says.
    fn naming<'a>(&self, packet: &'a [u8]) -> Option<StunMessage<'a>> {
        let message = StunMessage::parse(packet).ok().filter(StunMessage::is_binding_request)?;
        // Ours comes first (RFC 8445 §7.2.2).
        let is_ours = message.username()?.split_once(':').is_some_and(|(fragment, _)| fragment == &*self.fragment);
        is_ours.then_some(message)
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({}, ***)", self.fragment)
    }
}

/// HMAC-SHA1, which STUN has (RFC 8489 §14.5).
fn sign(password: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use is::stun::TransId;

    use super::*;

    fn request(credentials: &IceCredentials, username: &str, chosen: bool) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        let message = StunMessage::binding_request(username, TransId::new(), true, 7, 1, chosen);
        let length = message.to_bytes(Some(credentials.password.as_bytes()), &mut bytes, sign).unwrap();
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn who_knows_the_password_is_answered_with_its_own_address() {
        let (ours, from) = (IceCredentials::of(b"secret", 0), "192.0.2.9:7000".parse().unwrap());
        let username = format!("{}:theirs", ours.fragment);
        for chosen in [true, false] {
            let check = ours.check(&request(&ours, &username, chosen), from).expect("a check");
            assert_eq!(check.is_chosen, chosen);
            let answer = StunMessage::parse(&check.answer).unwrap();
            assert!(answer.is_successful_binding_response() && answer.verify(ours.password.as_bytes(), sign));
            assert_eq!(answer.mapped_address(), Some(from));
        }
    }

    #[test]
    fn nobody_else_is_answered() {
        let (ours, from) = (IceCredentials::of(b"secret", 0), "192.0.2.9:7000".parse().unwrap());
        let stranger = IceCredentials::of(b"other", 0);
        let username = format!("{}:theirs", ours.fragment);
        assert_eq!(ours.check(&request(&stranger, &username, true), from), None, "another password");
        assert_eq!(ours.check(&request(&ours, "other:theirs", true), from), None, "another fragment");
        let mut changed = request(&ours, &username, true);
        changed[10] ^= 1;
        assert_eq!(ours.check(&changed, from), None);
        for length in 0..changed.len() {
            assert_eq!(ours.check(&changed[..length], from), None);
        }
    }

    #[test]
    fn credentials_have_the_form_that_descriptions_want() {
        let ours = IceCredentials::of(b"secret", 0);
        assert_eq!((ours.fragment.len(), ours.password.len()), (16, 32));
        assert_ne!(ours, IceCredentials::of(b"other", 0));
        assert_ne!(ours, IceCredentials::of(b"secret", 1));
        assert!(!format!("{ours:?}").contains(&*ours.password));
    }
}
