//! The course of a call in words.

use super::document::{Finding, Ladder, Leg, Message, Severity, Trace, Verdict};
use super::media::{seconds, whose};
use super::routing::why_not_many;
use super::sip::{LegNames, header, is_outside};
use super::trunks::TrunkTry;
use super::{leg_of, text};

/// When the dialog of a leg with its party ended.
pub(super) fn leg_ended(ladder: &Ladder, leg: u16) -> Option<f64> {
    let ends = |message: &&Message| message.method == "BYE" && leg_of(message) == Some(leg);
    ladder.messages.iter().find(ends).map(|message| message.at)
}

/// The source address of the signalling of a leg's party.
pub(super) fn signalling(ladder: &Ladder, leg: u16) -> Option<String> {
    let outside = |id: &str| ladder.parties.iter().any(|party| party.id == id && !party.inside);
    let came = |message: &&Message| leg_of(message) == Some(leg) && outside(&message.from);
    ladder.messages.iter().find(came).map(|message| message.from.clone())
}

/// The course of the call, and its faults.
pub(super) fn verdict(trace: &Trace, names: &LegNames, tries: &[TrunkTry], now: f64) -> Verdict {
    let mut summary = vec![who_called(trace)];
    summary.extend(trace.notes.iter().find_map(|note| note.text.strip_prefix("dial plan: ")).map(leads_to));
    summary.extend(noted(trace));
    summary.extend(waited(trace, now));
    summary.extend(rang(trace, names, tries));
    summary.extend(refused(trace));
    summary.extend(spoke(trace, now));
    summary.extend(who_moved(trace));
    summary.extend(how_it_ended(trace, names));
    let mut findings = findings(trace, names, tries);
    findings.sort_by_key(|finding| finding.severity);
    summary.push(audio(trace));
    Verdict { summary, findings }
}

fn who_called(trace: &Trace) -> String {
    let at = trace.call.began_at.or_else(|| trace.ladder.messages.first().map(|message| message.at));
    let at = at.map(|at| format!(" at {} UTC", text::clock(at))).unwrap_or_default();
    if trace.call.from.is_empty() {
        return format!("A SIP dialog began{at} that never became a call.");
    }
    let by = match &trace.call.trunk {
        Some(trunk) => format!(", by the trunk {trunk}"),
        None => String::new(),
    };
    format!("{} called {}{at}{by}.", trace.call.from, trace.call.to)
}

fn leads_to(there: &str) -> String {
    match there.strip_prefix("refused with ") {
        Some(refusal) => format!("The number cannot be called ({refusal})."),
        None => format!("The number leads to {there}."),
    }
}

/// What is known of who calls: whether the number is right, and whether a carrier is told where an emergency is.
fn noted(trace: &Trace) -> impl Iterator<Item = String> {
    trace.notes.iter().filter_map(|note| match note.text.strip_prefix("who calls: ") {
        Some(verdict) => Some(format!("The signature of the caller's number: {verdict}.")),
        None if note.text.starts_with("the carrier of ") && note.text.contains(" told where the caller is") => {
            Some(format!("{}.", text::capital(&note.text)))
        }
        None => None,
    })
}

/// The final answer to the caller's INVITE, if it is a refusal other than a challenge that the caller has answered.
fn refusal(trace: &Trace) -> Option<&Message> {
    let last = |message: &&Message| {
        message.method == "INVITE"
            && message.status.is_some_and(|status| status >= 200)
            && leg_of(message) == Some(1)
            && trace.ladder.parties.iter().any(|party| party.id == message.to && !party.inside)
    };
    // The first that is no challenge: later ones answer changes of the session. A caller that was only challenged never
    // got in.
    let challenge = |message: &&Message| matches!(message.status, Some(401 | 407));
    let mut finals = trace.ladder.messages.iter().filter(last);
    let is_unmet = |challenge: &&Message| {
        let mut since = trace.ladder.messages.iter().skip_while(|message| !std::ptr::eq(*message, *challenge));
        !since.any(|message| {
            let is_invite = message.method == "INVITE" && message.status.is_none() && !message.repeat;
            is_invite && message.call_id == challenge.call_id && is_outside(trace, &message.from)
        })
    };
    let answer = finals.clone().find(|message| !challenge(message)).or_else(|| finals.next_back().filter(is_unmet))?;
    answer.status.is_some_and(|status| status >= 300).then_some(answer)
}

fn refused(trace: &Trace) -> Option<String> {
    let refusal = refusal(trace)?;
    let label = refusal.label.trim_end_matches(" (INVITE)");
    Some(match refusal.status {
        Some(487) => format!("The caller gave up before anybody answered ({label})."),
        Some(486 | 600) => format!("The caller was told that the number is busy ({label})."),
        Some(401 | 407) => format!("It was asked for its password and sent nothing, or a wrong one ({label})."),
        _ => match warning(refusal) {
            Some(why) => format!("It was refused: {label} ({why})."),
            None => format!("It was refused: {label}."),
        },
    })
}

/// The text of a message's Warning (RFC 3261 section 20.43).
fn warning(message: &Message) -> Option<&str> {
    let (_, rest) = header(&message.text, "warning")?.split_once('"')?;
    rest.split_once('"').map(|(text, _)| text)
}

/// How long it waited for an agent, and why.
fn waited(trace: &Trace, now: f64) -> Vec<String> {
    let mut words = Vec::new();
    let mut since: Option<f64> = None;
    for decision in &trace.routing {
        match decision.step.as_str() {
            "queued" => {
                since.get_or_insert(decision.at);
                if !decision.candidates.is_empty() && decision.candidates.iter().all(|one| one.passed_over.is_some()) {
                    words.push(format!("It entered the queue {}: {}.", decision.queue, why_nobody(decision)));
                }
            }
            "offered" => {
                let waited = since.map(|since| decision.at - since).unwrap_or_default();
                let agent = decision.agent.as_deref().unwrap_or("an agent");
                let dn = decision.dn.as_deref().map(|dn| format!(" on {dn}")).unwrap_or_default();
                words.push(format!("After {} in {} the router chose {agent}{dn}.", seconds(waited), decision.queue));
            }
            "returned" => words.push(match &decision.unreached {
                Some(why) => format!("It did not reach the agent, {why}, and it waited in {} again.", decision.queue),
                None => format!("The agent did not take it, and it waited in {} again.", decision.queue),
            }),
            "timed-out" => {
                words.push(format!("No agent came free in {} in the time that the application allows.", decision.queue))
            }
            "ended" if decision.text.contains("gave up") => {
                let waited = since.map(|since| decision.at - since).unwrap_or_default();
                words.push(format!("The caller gave up after {} in {}.", seconds(waited), decision.queue));
            }
            _ => {}
        }
    }
    let open = trace.routing.last().filter(|last| matches!(last.step.as_str(), "queued" | "returned"));
    if let (Some(open), Some(since), None) = (open, since, trace.call.ended_at) {
        words.push(format!("It has waited in {} for {}.", open.queue, seconds(now - since)));
    }
    words
}

/// Why no agent was free, with counts.
fn why_nobody(decision: &super::document::Decision) -> String {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for one in decision.candidates.iter().filter(|one| one.passed_over.as_deref() != Some("skills")) {
        let reason = why_not_many(one.passed_over.as_deref().unwrap_or_default());
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    if reasons.is_empty() {
        return "no agent has the skills".to_owned();
    }
    let words: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    format!("nobody with the skills was free ({})", words.join(", "))
}

/// The phones that rang, the trunks that were tried, and the outcomes.
fn rang(trace: &Trace, names: &LegNames, tries: &[TrunkTry]) -> Vec<String> {
    let mut legs: Vec<(&u16, &(String, bool))> = names.iter().filter(|(_, (_, caller))| !caller).collect();
    legs.sort();
    let words = |(leg, (party, _)): (&u16, &(String, bool))| match tries.iter().find(|one| one.leg == *leg) {
        Some(by_trunk) => by_trunk.words.clone(),
        None => one_ring(trace, *leg, party).into_iter().collect(),
    };
    legs.into_iter().flat_map(words).collect()
}

fn one_ring(trace: &Trace, leg: u16, party: &str) -> Option<String> {
    let of_leg = |message: &&Message| message.method == "INVITE" && leg_of(message) == Some(leg);
    let messages: Vec<&Message> = trace.ladder.messages.iter().filter(of_leg).collect();
    let rung = messages.iter().find(|message| message.status.is_none())?;
    let rings = messages.iter().find(|message| message.status == Some(180));
    let last = messages.iter().find(|message| message.status.is_some_and(|status| status >= 200));
    let Some(last) = last else {
        return Some(match rings {
            Some(_) => format!("{party} rang and has not answered yet."),
            None => format!("The phone of {party} was rung and has said nothing."),
        });
    };
    let took = seconds(last.at - rings.unwrap_or(rung).at);
    let label = last.label.trim_end_matches(" (INVITE)");
    Some(match last.status {
        Some(status) if status < 300 => format!("{party} answered after {took} of ringing."),
        Some(487) => format!("{party} rang for {took} and was not answered in time, or the caller gave up."),
        Some(480) => format!("{party} did not take the call: {label}."),
        Some(486 | 600 | 603) => format!("{party} declined: {label}."),
        Some(408 | 430 | 503) => format!("The phone of {party} could not be reached: {label}."),
        _ => format!("{party} refused: {label}."),
    })
}

fn spoke(trace: &Trace, now: f64) -> Option<String> {
    let answered = trace.call.answered_at?;
    Some(match trace.call.ended_at {
        Some(ended) => format!("They were connected for {}.", seconds((ended - answered).max(0.0))),
        None => format!("They have been connected for {}.", seconds((now - answered).max(0.0))),
    })
}

/// Consultations, transfers, conferences and supervisors.
fn who_moved(trace: &Trace) -> impl Iterator<Item = String> {
    let is_told =
        |text: &str| [" consults ", " transferred ", " took ", " monitors "].iter().any(|word| text.contains(word));
    trace.thread.iter().filter(move |turn| is_told(&turn.text)).map(|turn| format!("{}.", turn.text))
}

/// When a party hangs up, ours follow within as many milliseconds; one that we sent earlier has another cause.
const AT_ONCE: f64 = 1_000.0;

/// The BYE that ended the call: the last one from outside, or the first of those that we sent at the end without such a
/// cause. Who left earlier, as after a transfer, has ended nothing.
fn ending_bye(trace: &Trace) -> Option<&Message> {
    let byes = trace.ladder.messages.iter().rev().filter(|message| {
        // Ours to a phone that is gone is sent again for half a minute.
        let is_ours = is_outside(trace, &message.to) && !message.repeat;
        message.method == "BYE" && message.status.is_none() && (is_outside(trace, &message.from) || is_ours)
    });
    let mut ending: Option<&Message> = None;
    for bye in byes {
        if ending.is_some_and(|last| is_outside(trace, &last.from) || last.at - bye.at > AT_ONCE) {
            break;
        }
        ending = Some(bye);
    }
    ending
}

/// Who speaks in a dialog with a party: that of its leg. Of the dialogs whose leg is not known the first one is the caller's; a
/// phone that came later, as to fetch a parked call, is known by its own INVITE alone.
fn speaker(trace: &Trace, names: &LegNames, bye: &Message) -> Option<String> {
    let party_of = |message: &Message| message.leg.and_then(|leg| names.get(&leg));
    if let Some((party, is_caller)) = party_of(bye) {
        return Some(if *is_caller { "The caller".to_owned() } else { party.clone() });
    }
    let mut came = trace.ladder.messages.iter().filter(|message| {
        let is_invite = message.method == "INVITE" && message.status.is_none();
        let was_rung = party_of(message).is_some_and(|(_, is_caller)| !is_caller);
        is_invite && is_outside(trace, &message.from) && !was_rung
    });
    let first = came.clone().next();
    let invite = came.find(|message| message.call_id == bye.call_id);
    let is_first = invite.is_none() || first.is_some_and(|first| first.call_id == bye.call_id);
    match names.get(&1) {
        Some((_, true)) if is_first => Some("The caller".to_owned()),
        _ => sender(&invite?.text).map(str::to_owned),
    }
}

/// The user part of a message's From.
fn sender(text: &str) -> Option<&str> {
    let from = text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        (name.eq_ignore_ascii_case("from") || name.eq_ignore_ascii_case("f")).then_some(value)
    })?;
    let (_, address) = from.split_once("sip:").or_else(|| from.split_once("sips:"))?;
    address.split_once('@').map(|(user, _)| user)
}

/// Which side hung up.
fn how_it_ended(trace: &Trace, names: &LegNames) -> Option<String> {
    // Whoever hung up then has only left: others still talk.
    let goes_on = trace.call.answered_at.is_some() && trace.call.ended_at.is_none();
    let Some(bye) = ending_bye(trace).filter(|_| !goes_on) else {
        return match (trace.call.ended_at, refusal(trace)) {
            (None, None) if !trace.call.conn_id.is_empty() => Some("It has not ended, as far as is known.".to_owned()),
            _ => None,
        };
    };
    let who = speaker(trace, names, bye).unwrap_or_else(|| "A party".to_owned());
    if is_outside(trace, &bye.from) {
        return Some(format!("{who} hung up."));
    }
    let why = trace.notes.iter().rev().find_map(|note| match note.text.strip_prefix("ended: ") {
        Some(limit) => Some(limit),
        None => note.text.starts_with("the auditor").then_some(note.text.as_str()),
    });
    Some(match why {
        Some(why) => format!("We hung up on {}: {why}.", who.to_lowercase()),
        None => format!("We hung up first, on {}.", who.to_lowercase()),
    })
}

fn findings(trace: &Trace, names: &LegNames, tries: &[TrunkTry]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut add = |severity, text: String| findings.push(Finding { severity, text });
    for leg in &trace.media {
        if let Some(severity) = leg.severity
            && (severity != Severity::Info || leg.verdict.contains("NAT"))
        {
            let phone = whose(leg);
            let named = leg.verdict.contains(&phone);
            let text = if named { leg.verdict.clone() } else { format!("{}: {}", text::capital(&phone), leg.verdict) };
            add(severity, text);
        }
    }
    for step in trace.application.steps.iter().filter(|step| step.step.step == "error") {
        add(Severity::Fault, format!("the application: {} {}", step.step.name, step.step.text).trim().to_owned());
    }
    for step in trace.application.steps.iter() {
        if step.step.step == "event" && step.step.name.starts_with("error.") {
            add(Severity::Warning, format!("the application was told {}: {}", step.step.name, step.step.text));
        }
    }
    for request in trace.requests.iter().filter(|request| request.request.outcome != "accepted") {
        let of = &request.request;
        add(Severity::Warning, format!("{} of {} was refused: {}", of.name, of.requester, of.outcome));
    }
    for note in trace.notes.iter().filter(|note| note.text.starts_with("the auditor")) {
        add(Severity::Fault, note.text.clone());
    }
    // Nothing is lost between nodes: there, a 200 is repeated while its ACK waits for the phone's answer.
    let outside = |id: &str| is_outside(trace, id);
    let at_edge = |message: &&Message| message.repeat && (outside(&message.from) || outside(&message.to));
    let repeats = trace.ladder.messages.iter().filter(at_edge).count();
    if repeats > 0 {
        add(Severity::Warning, format!("{repeats} of the SIP messages with phones or carriers had to be sent again"));
    }
    // That somebody does not take a call is no fault.
    let is_fault = |refusal: &&Message| !matches!(refusal.status, Some(486 | 487 | 600 | 603));
    if let Some(refusal) = refusal(trace).filter(is_fault) {
        let why = tries.last().and_then(|last| last.unasked.as_ref());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        add(Severity::Fault, format!("the call was refused with {}{why}", refusal.label.trim_end_matches(" (INVITE)")));
    }
    for message in trace.ladder.messages.iter().filter(|message| message.method == "INVITE" && !message.repeat) {
        let by_phone = |leg: &u16| outside(&message.from) && !tries.iter().any(|one| one.leg == *leg);
        if let (Some(status), Some(leg)) = (message.status, leg_of(message).filter(by_phone))
            && status >= 400
            && status != 487
            && let Some((party, false)) = names.get(&leg)
        {
            let severity = if matches!(status, 486 | 600 | 603) { Severity::Info } else { Severity::Warning };
            add(severity, format!("the phone of {party} answered {}", message.label.trim_end_matches(" (INVITE)")));
        }
    }
    findings.extend(tries.iter().flat_map(|one| one.findings.iter().cloned()));
    findings
}

/// The audio of the whole call, in one sentence.
fn audio(trace: &Trace) -> String {
    let faults: Vec<&Leg> = trace.media.iter().filter(|leg| leg.severity == Some(Severity::Fault)).collect();
    match (trace.media.len(), faults.len()) {
        (0, _) => "Nothing is known of audio.".to_owned(),
        (_, 0) if trace.media.iter().any(|leg| leg.from_phone.packets > 0) => {
            "Audio passed on every leg that lasted.".to_owned()
        }
        (_, 0) => "No leg lasted long enough to judge its audio.".to_owned(),
        _ => {
            let words: Vec<String> = faults.iter().map(|leg| leg.verdict.clone()).collect();
            format!("Audio was not right: {}.", words.join("; "))
        }
    }
}
