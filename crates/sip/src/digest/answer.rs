//! Answers to challenges: the credentials for a request that was refused with 401 or 407 (RFC 3261 §22, RFC 8760).
//!
//! A request is sent once more with credentials for the realms that ask for them. A realm that asks again has refused them, unless it says
//! that only the nonce was too old.

use super::Challenge;
use crate::Message;
use crate::header::HeaderName;

/// The longest answers to the challenges of one response, in bytes; they repeat each challenge's realm, nonce and opaque.
const CREDENTIALS_BYTES_MAX: usize = 4_096;

/// The most challenges of one response that are read: three algorithms of four realms.
const CHALLENGES_READ_MAX: usize = 12;

/// The headers of challenges, with those of their answers. A proxy that has forked a request gathers both kinds in one response (RFC 3261
/// §16.7).
const KINDS: [(HeaderName, HeaderName); 2] = [
    (HeaderName::WwwAuthenticate, HeaderName::Authorization),
    (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
];

/// Why challenges are not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// There is no challenge that can be answered.
    NoChallenge,
    /// A realm has refused the credentials that the request had for it.
    Refused,
    /// The answers would be too long.
    TooLong,
}

/// A challenge, and the header of its answer.
struct Challenged {
    header: HeaderName,
    challenge: Challenge,
}

/// Puts the answers to the challenges of `response` into `request`; `respond` makes the credentials of each.
///
/// # Errors
/// When they cannot be answered; then the request may have some of them.
pub fn authorize(
    request: &mut Message,
    response: &Message,
    mut respond: impl FnMut(&Challenge, &Message) -> String,
) -> Result<(), Unanswered> {
    let mut bytes = 0;
    for Challenged { header, challenge } in wanted(request, response)? {
        let answer = respond(&challenge, request);
        bytes += answer.len();
        if bytes > CREDENTIALS_BYTES_MAX {
            return Err(Unanswered::TooLong);
        }
        replace(request, &header, &challenge.realm, answer);
    }
    Ok(())
}

/// The challenges that are to be answered: of each realm the strongest that we know.
fn wanted(request: &Message, response: &Message) -> Result<Vec<Challenged>, Unanswered> {
    let mut wanted: Vec<Challenged> = Vec::new();
    for (asks, header) in KINDS {
        for challenge in response.challenges(asks).take(CHALLENGES_READ_MAX).filter_map(Result::ok) {
            let of_realm = |known: &&mut Challenged| known.header == header && known.challenge.realm == challenge.realm;
            match wanted.iter_mut().find(of_realm) {
                Some(known) if challenge.algorithm.strength() > known.challenge.algorithm.strength() => {
                    known.challenge = challenge;
                }
                Some(_) => {}
                None => wanted.push(Challenged { header: header.clone(), challenge }),
            }
        }
    }
    let is_refused = |Challenged { header, challenge }: &Challenged| {
        let mut given = request.authorizations(header.clone()).filter_map(Result::ok);
        !challenge.stale && given.any(|given| given.realm == challenge.realm)
    };
    match wanted {
        wanted if wanted.is_empty() => Err(Unanswered::NoChallenge),
        wanted if wanted.iter().any(is_refused) => Err(Unanswered::Refused),
        wanted => Ok(wanted),
    }
}

/// Puts credentials into a request, in place of older ones for the same realm.
fn replace(request: &mut Message, header: &HeaderName, realm: &str, credentials: String) {
    let others = request.authorizations(header.clone()).filter_map(Result::ok);
    let others: Vec<String> = others.filter(|other| other.realm != realm).map(|other| other.to_string()).collect();
    request.remove(header);
    for value in others.into_iter().chain([credentials]) {
        request.append(header, value);
    }
}
