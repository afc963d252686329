//! A call to a number, to see what the carrier answers and which codec it chooses.

use std::fmt;
use std::time::Duration;

use media::codec::Codec;
use runtime::entropy::Strong;
use sip::uri::escape::escape_user;
use sip::{CSeq, Contact, HeaderName, Message, Method, StatusCode};
use tokio::net::UdpSocket;

use super::line::{CarrierLine, NoAnswer};
use super::planned_call::PlannedCall;
use super::report::{Failure, in_ms};
use super::steps::{Carrier, authorize, head, is_challenge, status_line, unanswered};

/// How long the number rings at most.
const RINGS_FOR: Duration = Duration::from_secs(20);
/// How long the carrier may take to end the call.
const ENDS_WITHIN: Duration = Duration::from_secs(4);
/// Challenges answered for the INVITE.
const CHALLENGES_MAX: u32 = 3;

/// Calls the number, until it is answered or has rung for long enough.
pub(super) async fn make(
    carrier: &Carrier<'_>,
    call: &mut PlannedCall<'_>,
    line: &mut CarrierLine,
) -> Result<((), String), Failure> {
    // Where audio would come; what comes is not read.
    let audio = UdpSocket::bind((line.local().ip(), 0)).await.and_then(|socket| Ok((socket.local_addr()?, socket)));
    let (at, _audio) =
        audio.map_err(|error| Failure::new("no port for audio", error.to_string(), "see the file limit"))?;
    let offer = call.offer(at, &mut Strong::seeded_by_system());
    let mut invite = head(carrier, Method::Invite, &call.uri, line)
        .header(&HeaderName::Contact, format_args!("<sip:doctor@{}>", line.local()))
        .body("application/sdp", offer)
        .build();
    if let Some(shows) = &call.shows {
        let tag = line.word();
        invite.set(&HeaderName::From, format_args!("<sip:{}@{}>;tag={tag}", escape_user(shows), carrier.domain));
    }
    call.edit(&mut invite);
    let notes = call.notes();
    let began = line.now();
    for _ in 0..=CHALLENGES_MAX {
        let client = line.begin(&invite).map_err(|none| unanswered("INVITE", &none))?;
        let (mut rang, mut early) = (None, None);
        let until = began + RINGS_FOR;
        let last = loop {
            match line.next(Some(until)).await {
                Ok(answer) if answer.status().is_some_and(StatusCode::is_provisional) => {
                    let is_ringing = answer.status().is_some_and(|status| status.code() >= 180);
                    rang = rang.or_else(|| is_ringing.then(|| (status_line(&answer), line.now().since(began))));
                    early = codec(&answer).map(|codec| codec.to_string()).or(early);
                }
                Ok(answer) => break answer,
                Err(NoAnswer::Silence) if rang.is_some() => {
                    line.cancel(client);
                    // The 487 that follows is of no interest, but its ACK is.
                    let _ = line.next(Some(line.now() + ENDS_WITHIN)).await;
                    let (status, after) = rang.unwrap_or_default();
                    let codec =
                        early.map_or_else(|| "no codec before the answer".to_owned(), |name| format!("codec {name}"));
                    return Ok((
                        (),
                        format!("{status} after {}, {codec}; cancelled after 20 s of ringing{notes}", in_ms(after)),
                    ));
                }
                Err(none) => return Err(unanswered("INVITE", &none)),
            }
        };
        if is_challenge(&last) {
            authorize(carrier, &mut invite, &last, line)?;
            continue;
        }
        if !last.status().is_some_and(StatusCode::is_success) {
            return Err(refused(&last, call));
        }
        let after = line.now().since(began);
        hang_up(&invite, &last, client, line).await?;
        let codec = chosen(&last, call)?;
        return Ok(((), format!("{} after {}, codec {codec}{notes}", status_line(&last), in_ms(after))));
    }
    Err(Failure::new("INVITE", "it was challenged without end", "ask the carrier"))
}

/// The codec of an answer that is taken for an answer in operation, too.
fn chosen(answer: &Message, call: &PlannedCall<'_>) -> Result<ChosenCodec, Failure> {
    let failed = |why, remedy| Failure::new(format!("INVITE: {}", status_line(answer)), why, remedy);
    let codec = codec(answer)
        .ok_or_else(|| failed("the answer names no codec that was offered", "ask the carrier which codecs it has"))?;
    if call.has_to_be_encrypted() && !codec.is_encrypted {
        return Err(failed(
            "the carrier answers with audio in clear, which `encryption: required` of the trunk refuses",
            "ask the carrier for encrypted audio (SRTP), or take `encryption: required` out of the trunk",
        ));
    }
    Ok(codec)
}

/// Ends an answered call.
async fn hang_up(
    invite: &Message,
    answer: &Message,
    client: sip::transaction::ClientId,
    line: &mut CarrierLine,
) -> Result<(), Failure> {
    let number = invite.cseq().map_or(1, |cseq| cseq.number);
    let contact = answer.contacts().filter_map(Result::ok).find_map(|contact| match contact {
        Contact::Address(address) => Some(address.raw_uri().to_owned()),
        Contact::Star => None,
    });
    let target = contact.unwrap_or_else(|| invite.request_uri().unwrap_or_default().to_owned());
    let within = |method: Method, number: u32| {
        let header = |message: &Message, name: &HeaderName| message.header(name).unwrap_or_default().to_owned();
        let mut request = Message::request(method.clone(), &target).header(&HeaderName::MaxForwards, 70);
        // The way back is that of the answer, its last proxy first.
        let routes: Vec<&str> = answer.elements(&HeaderName::RecordRoute).collect();
        for route in routes.into_iter().rev() {
            request = request.header(&HeaderName::Route, route);
        }
        request
            .header(&HeaderName::From, header(invite, &HeaderName::From))
            .header(&HeaderName::To, header(answer, &HeaderName::To))
            .header(&HeaderName::CallId, header(invite, &HeaderName::CallId))
            .header(&HeaderName::CSeq, CSeq { number, method })
            .build()
    };
    let to_tag = answer.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
    let acknowledged = line.acknowledge(client, &to_tag, within(Method::Ack, number)).await;
    acknowledged.map_err(|none| unanswered("ACK", &none))?;
    // Whatever the carrier says to it: the call is over for us.
    line.begin(&within(Method::Bye, number.saturating_add(1))).map_err(|none| unanswered("BYE", &none))?;
    let _ = line.next(Some(line.now() + ENDS_WITHIN)).await;
    Ok(())
}

fn refused(answer: &Message, call: &PlannedCall<'_>) -> Failure {
    let (why, remedy) = match answer.status().map_or(0, StatusCode::code) {
        300..=399 => (
            "the carrier redirects the call",
            "write the host of its answer's Contact into `contact`, if it is the carrier's: redirections of calls are not followed",
        ),
        403 => (
            "the carrier forbids the call",
            "check what the account may call, and whether `caller_id` is a number that the carrier accepts from you",
        ),
        404 | 484 | 604 => ("the carrier does not know the number in this form", call.remedy_of_unknown()),
        486 | 600 => ("the number is busy: calls go out", "nothing, or call another number"),
        408 | 480 => ("the number is not reached", "call another number"),
        488 | 606 => call.unaccepted(),
        500..=599 => ("the carrier has a failure or no time", "nothing, if it passes; else ask the carrier"),
        _ => ("the carrier refuses the call", "ask the carrier what it misses"),
    };
    Failure::new(format!("INVITE: {}", status_line(answer)), why, format!("{remedy}{}", call.notes()))
}

/// The codec that an answer chooses, and whether the audio is encrypted.
struct ChosenCodec {
    name: &'static str,
    is_encrypted: bool,
}

impl fmt::Display for ChosenCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.is_encrypted { ", encrypted" } else { "" })
    }
}

fn codec(answer: &Message) -> Option<ChosenCodec> {
    let description = media::sdp::parse(answer.body()).ok()?;
    let audio = description.media.iter().find(|media| media.kind == "audio" && media.port != 0)?;
    let codec = audio.payload_types().find_map(|number| Codec::from_encoding(audio.encoding(number)?))?;
    Some(ChosenCodec { name: codec.name(), is_encrypted: audio.attribute("crypto").is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_clear_is_told_from_an_encrypted_one() {
        let answer = |profile: &str, more: &str| {
            let body = format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 {profile} 0\r\n{more}"
            );
            let invite = Message::request(Method::Invite, "sip:a@192.0.2.9").build();
            let answer = Message::response_to(&invite, StatusCode::OK).body("application/sdp", body).build();
            codec(&answer).map(|codec| (codec.to_string(), codec.is_encrypted))
        };
        assert_eq!(answer("RTP/AVP", ""), Some(("PCMU".to_owned(), false)));
        let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
        assert_eq!(answer("RTP/SAVP", key), Some(("PCMU, encrypted".to_owned(), true)));
    }
}
