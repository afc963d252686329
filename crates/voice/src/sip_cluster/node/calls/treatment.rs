//! Treatments of a leg, as MSML on its media dialog (RFC 5707).

use std::time::Duration;

use call::Input;
use call::call::{Ended, Playing, Purpose, RecordEnd};
use ivr::msml::{self, Collect, Command, Dialog, DtmfEnd, Event, Notice, Pattern, PlayEnd, Record};
use media::tone::Signal;
use model::request::Treatment;
use model::{ConnId, LegId, Timestamp};
use sip::agent::{Body, DialogId, IncomingId, Reply, RequestId};
use sip::header::HeaderName;
use sip::proxy::headers;
use sip::{Message, StatusCode};

use super::call::Entry;
use super::leg::{AudioPath, HeldKeys, Place, Side};
use super::msml_request::{may_be_done, result_code};
use super::pending::{Pending, Stop};
use super::to_sip::note;
use crate::sip_cluster::limits::NOTICE_MAX;
use crate::sip_cluster::node::Node;

impl Node {
    pub(in crate::sip_cluster::node) fn start_treatment(
        &mut self,
        conn_id: ConnId,
        leg: LegId,
        id: u32,
        treatment: &Treatment,
        now: Timestamp,
    ) {
        // Silence needs no media.
        if *treatment == Treatment::Silence {
            return self.feed(conn_id, Input::TreatmentStarted { id }, now);
        }
        // Once it has come to media, it is started.
        if self.leg(conn_id, leg).is_some_and(|leg| leg.path != AudioPath::Media) {
            return;
        }
        let failed = Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() };
        let Some((media, connection)) = self.media_of(conn_id, leg) else {
            return self.feed(conn_id, failed, now);
        };
        let command = self.command(conn_id, id, treatment, connection);
        let to = leg;
        if let Some(leg) = self.leg_mut(conn_id, leg) {
            leg.echo = *treatment == Treatment::Echo;
        }
        let secret = self.calls.get(&conn_id).is_some_and(|entry| collects_secret(entry, id));
        let headers = if secret { vec![(headers::SECRET, headers::SECRET_DIGITS.to_owned())] } else { Vec::new() };
        match self.send_msml(media, &[command], headers, now) {
            Some(request) => {
                self.pending.insert(request, Pending::Treatment(conn_id, to, id));
            }
            None => self.feed(conn_id, failed, now),
        }
    }

    /// The request that starts a treatment.
    fn command(&self, conn_id: ConnId, id: u32, treatment: &Treatment, connection: String) -> Command {
        if let Treatment::DeleteUserAnnouncement { announcement } = treatment {
            return Command::Delete { connection, uri: audio(announcement) };
        }
        let entry = self.calls.get(&conn_id);
        let country = entry.and_then(|entry| (self.prompts)(&entry.tenant).country);
        // What is recorded is named after the call that asks for it, which need not be the thread's first.
        let call = entry.and_then(|entry| entry.playing(id)).map_or(conn_id, |(call, _)| call.conn_id);
        let recording = Treatment::announcement_id(call, id);
        if let Some(dialog) = entry.and_then(|entry| classification(entry, id)) {
            return Command::DialogStart { connection, name: Some(dialog_name(id)), dialog };
        }
        match dialog(treatment, country.as_deref().unwrap_or_default(), &recording) {
            Some(dialog) => Command::DialogStart { connection, name: Some(dialog_name(id)), dialog },
            None => Command::Echo { connection },
        }
    }

    /// Repeats treatments that media had not confirmed when our previous run ended: the request, its answer or the end may be
    /// lost.
    pub(in crate::sip_cluster::node) fn ask_again(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id) else {
            return;
        };
        let playing = entry.thread.calls().flat_map(|call| &call.playing);
        let unconfirmed = playing.filter(|playing| playing.issued && !playing.started);
        for Playing { leg, id, treatment, .. } in unconfirmed.cloned().collect::<Vec<_>>() {
            let treatment = self.as_chosen(conn_id, id, treatment);
            self.start_treatment(conn_id, leg, id, &treatment, now);
        }
    }

    pub fn stop_treatment(&mut self, conn_id: ConnId, leg: LegId, id: u32, now: Timestamp) {
        let echo = self.leg_mut(conn_id, leg).is_some_and(|leg| std::mem::take(&mut leg.echo));
        self.tell_stop(Stop { conn_id, leg, id, echo }, now);
    }

    fn tell_stop(&mut self, stop: Stop, now: Timestamp) {
        let Some((media, connection)) = self.media_of(stop.conn_id, stop.leg) else {
            return;
        };
        let command = if stop.echo {
            Command::EndEcho { connection }
        } else {
            Command::DialogEnd { connection, name: dialog_name(stop.id) }
        };
        match self.send_msml(media, &[command], Vec::new(), now) {
            Some(request) => self.pending.insert(request, Pending::Stop(stop)),
            None => self.pending.repeat_later(stop),
        }
    }

    /// Repeats stops that media has not confirmed: the party would go on hearing music.
    pub(in crate::sip_cluster::node) fn stop_again(&mut self, now: Timestamp) {
        for stop in self.pending.take_unstopped() {
            self.mark(stop.conn_id);
            self.attempt_for(Some(stop.conn_id), now, |node| node.tell_stop(stop, now));
        }
    }

    /// Handles an INFO: media reports the end of a dialog, a phone reports a key.
    pub(in crate::sip_cluster::node) fn info(
        &mut self,
        dialog: DialogId,
        request: IncomingId,
        message: &Message,
        now: Timestamp,
    ) {
        let place = self.place(dialog);
        let of_phone = place.filter(|place| place.side == Side::Phone);
        let taken: &[&str] = match of_phone {
            Some(Place { conn_id, leg, .. }) if !self.takes_keys_by_info(conn_id, leg) => &[],
            _ => &KEY_TYPES,
        };
        let is_taken = key_type(message).is_some_and(|kind| taken.contains(&kind));
        // A body that is not read must not be answered as understood (RFC 6086 section 4.2.2).
        let reply = if of_phone.is_some() && !message.body().is_empty() && !is_taken {
            Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).header(HeaderName::Accept, taken.join(", "))
        } else {
            Reply::new(StatusCode::OK)
        };
        note("the answer to an INFO", self.agent.respond(request, reply, now));
        let (conn_id, leg) = match place {
            Some(Place { conn_id, leg, side: Side::Media }) => (conn_id, leg),
            Some(Place { conn_id, leg, side: Side::Phone }) if is_taken => {
                return self.key_by_info(conn_id, leg, message, now);
            }
            _ => return,
        };
        if message.body().len() > NOTICE_MAX {
            return;
        }
        if is_taken {
            return self.tell_key(conn_id, leg, message.body_bytes().clone(), now);
        }
        match msml::parse_notice(message.body()) {
            Ok(Notice::Event(event)) if event.is_dialog_exit() => {
                // One of another leg has that number if this one came from another thread.
                let is_its = |id: &u32| {
                    let playing = self.calls.get(&conn_id).and_then(|entry| entry.playing(*id));
                    playing.is_none_or(|(_, playing)| playing.leg == leg)
                };
                if let Some(id) = event.dialog().and_then(treatment_id).filter(is_its) {
                    let digits = event.digits().unwrap_or_default().to_owned();
                    self.feed(conn_id, Input::TreatmentEnded { id, cause: cause(&event), digits }, now);
                }
            }
            Ok(Notice::Event(event)) if event.is_recording() => {
                if let Some(id) = event.dialog().and_then(treatment_id) {
                    self.feed(conn_id, Input::TreatmentRecords { id }, now);
                }
            }
            // No audio comes from the phone: it is probed now, not at its regular time.
            Ok(Notice::Event(event)) if event.name == NO_RTP => {
                let held = event.values.iter().any(|(name, value)| name == HELD && value == "true");
                self.probe_leg(conn_id, leg, held, now);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%conn_id, %error, "media sent a notice that cannot be read"),
        }
    }

    /// Tells media of keys as if the leg's phone had reported them.
    pub(in crate::sip_cluster::node) fn send_keys(
        &mut self,
        conn_id: ConnId,
        leg: LegId,
        digits: &str,
        now: Timestamp,
    ) {
        self.pass_keys(conn_id, leg, KEY_TYPES[0], media::dtmf::info::body(digits).into_bytes(), now);
    }

    /// Gives media keys of a leg's party, which it collects and passes to the other party.
    pub(super) fn pass_keys(&mut self, conn_id: ConnId, id: LegId, kind: &'static str, body: Vec<u8>, now: Timestamp) {
        let Some(leg) = self.leg(conn_id, id) else { return };
        if leg.path != AudioPath::Media {
            return self.hold_keys(conn_id, HeldKeys { leg: id, kind, body }, now);
        }
        let Some(media) = leg.media else { return };
        let body = Body::new(kind, body);
        // No record may hold the keys of a PIN.
        let sent = if self.types_secret(conn_id, id) {
            self.agent.secret_info(media, body, now)
        } else {
            self.agent.info(media, body, Vec::new(), now)
        };
        if let Err(error) = sent {
            tracing::warn!(%conn_id, %error, "keys cannot be passed to media now");
        }
    }

    /// Whether the keys that a leg's party presses now belong to a secret.
    fn types_secret(&self, conn_id: ConnId, leg: LegId) -> bool {
        let playing =
            self.calls.get(&conn_id).into_iter().flat_map(|entry| entry.thread.calls()).flat_map(|it| &it.playing);
        playing.into_iter().any(|playing| playing.leg == leg && is_secret(playing))
    }

    /// A phone without telephone events reports a key by INFO. The key goes to media, which collects keys and passes them to the
    /// other party.
    fn key_by_info(&mut self, conn_id: ConnId, leg: LegId, message: &Message, now: Timestamp) {
        let Some(kind) = key_type(message) else { return };
        if message.body().len() <= NOTICE_MAX {
            self.pass_keys(conn_id, leg, kind, message.body().to_vec(), now);
        }
    }

    /// The answer to an INFO or a probe of ours.
    pub(in crate::sip_cluster::node) fn responded(
        &mut self,
        request: RequestId,
        status: StatusCode,
        response: Option<&Message>,
        now: Timestamp,
    ) {
        match self.pending.take(request) {
            Some(Pending::Probe(probe)) => self.probed(probe, status, response.is_some(), now),
            Some(Pending::Talk(conn_id, leg)) => self.answer_asked(conn_id, leg, status, now),
            Some(Pending::Key(conn_id, leg)) => self.key_told(conn_id, leg, status, now),
            Some(Pending::Stop(stop)) => {
                // 408 and 481 have ended the dialog.
                let ended = status.is_success() || self.media_of(stop.conn_id, stop.leg).is_none();
                if !ended {
                    self.pending.repeat_later(stop);
                }
            }
            Some(Pending::Join(place, seat)) => self.room_joined(place, seat, status, response, now),
            Some(Pending::Treatment(conn_id, leg, id)) => {
                self.treatment_answered(conn_id, leg, id, status, response, now);
            }
            None => {}
        }
    }

    /// Media has answered the request for a treatment.
    fn treatment_answered(
        &mut self,
        conn_id: ConnId,
        leg: LegId,
        id: u32,
        status: StatusCode,
        response: Option<&Message>,
        now: Timestamp,
    ) {
        let code = result_code(response);
        self.mark(conn_id);
        // After a repeated request it may run already.
        let runs = matches!(code.unwrap_or(msml::code::OK), msml::code::OK | msml::code::NAME_IN_USE);
        if (200..300).contains(&status.0) && runs {
            let deletes =
                |(_, playing): (_, &Playing)| matches!(playing.treatment, Treatment::DeleteUserAnnouncement { .. });
            let Some(deletes) = self.calls.get(&conn_id).and_then(|entry| entry.playing(id)).map(deletes) else {
                // It had ended, and this was reported only after the request was repeated.
                return self.stop_treatment(conn_id, leg, id, now);
            };
            self.feed(conn_id, Input::TreatmentStarted { id }, now);
            if deletes {
                // Done with media's answer: no end of it follows.
                self.feed(conn_id, Input::TreatmentEnded { id, cause: Ended::Completed, digits: String::new() }, now);
            }
        } else {
            tracing::warn!(%conn_id, status = status.0, ?code, "media refused a treatment");
            if may_be_done(status) {
                // It may play all the same, and nothing would know of it.
                self.stop_treatment(conn_id, leg, id, now);
            }
            self.feed(conn_id, Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() }, now);
        }
    }
}

/// Body types by which phones report a key.
const KEY_TYPES: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// The type of an INFO's body, if it reports a key.
fn key_type(message: &Message) -> Option<&'static str> {
    let kind = message.content_type().ok().flatten()?;
    KEY_TYPES.into_iter().find(|name| name.split_once('/').is_some_and(|(main, sub)| kind.is(main, sub)))
}

/// Whether the digits being typed are the caller's secret.
fn collects_secret(entry: &Entry, id: u32) -> bool {
    entry.playing(id).is_some_and(|(_, playing)| is_secret(playing))
}

/// Whether a treatment collects a secret: a PIN of ours, or what an application has marked as one.
fn is_secret(playing: &Playing) -> bool {
    playing.purpose == Purpose::Pin || playing.treatment.is_secret()
}

/// The dialog of a treatment that listens to who has answered.
fn classification(entry: &Entry, id: u32) -> Option<Dialog> {
    let (_, playing) = entry.playing(id).filter(|(_, playing)| playing.purpose == Purpose::Classifying)?;
    dialog(&playing.treatment, "", "")?.record.map(|record| Dialog::classifying(Record { beep: false, ..record }))
}

fn dialog_name(id: u32) -> String {
    format!("t{id}")
}

fn treatment_id(dialog: &str) -> Option<u32> {
    dialog.strip_prefix('t')?.parse().ok()
}

/// The MOML dialog of a treatment, with the tones of that country and the id of what it records; none for what is no dialog.
fn dialog(treatment: &Treatment, country: &str, recording: &str) -> Option<Dialog> {
    let sounds = |signal: Signal| Dialog::looped([tone(signal, country)]);
    Some(match treatment {
        Treatment::PlayAnnouncement { prompts } => Dialog::announcement(prompts.iter().map(|p| audio(p))),
        Treatment::Music { resource, .. } => Dialog::looped([audio(resource)]),
        Treatment::RingBack => sounds(Signal::RingBack),
        Treatment::Busy => sounds(Signal::Busy),
        Treatment::FastBusy => sounds(Signal::FastBusy),
        Treatment::PlayAndCollect {
            prompts,
            max_digits,
            first_digit_timeout_ms,
            inter_digit_timeout_ms,
            terminator,
            secret: _,
        } => {
            let pattern = Pattern { min: 1, max: (*max_digits).clamp(1, msml::DIGITS_MAX), return_key: *terminator };
            let collect = Collect {
                first_digit: Duration::from_millis(*first_digit_timeout_ms),
                inter_digit: Duration::from_millis(*inter_digit_timeout_ms),
                ..Collect::new(pattern)
            };
            Dialog::prompt_and_collect(prompts.iter().map(|p| audio(p)), collect)
        }
        Treatment::RecordUserAnnouncement { prompts, terminator, silence_ms, max_ms } => {
            let record = Record {
                uri: audio(recording),
                longest: Duration::from_millis(*max_ms),
                silence: silence_ms.map(Duration::from_millis),
                end_key: *terminator,
                beep: true,
                on_exit: Vec::new(),
            };
            Dialog::prompt_and_record(prompts.iter().map(|p| audio(p)), record)
        }
        Treatment::Echo | Treatment::Silence | Treatment::DeleteUserAnnouncement { .. } => return None,
    })
}

/// The URI of a prompt: media looks its name up among the tenant's prompts.
fn audio(prompt: &str) -> String {
    format!("prompt:{prompt}")
}

/// The event by which media reports that a phone has fallen silent.
const NO_RTP: &str = "trunkline.no-rtp";
/// The value of that event that says whether the phone is on hold, so that it need not send anything.
const HELD: &str = "held";

/// The URI of a tone, which media generates itself as a country's telephones sound it.
fn tone(signal: Signal, country: &str) -> String {
    let digits: String = country.chars().filter(char::is_ascii_digit).collect();
    let name = signal.name();
    // The longest prefix of a country has three digits (ITU-T E.164).
    if (1..=3).contains(&digits.len()) { format!("tone:{name}.{digits}") } else { format!("tone:{name}") }
}

fn cause(event: &Event) -> Ended {
    if let Some(class) = event.answer_class() {
        return Ended::Classified(class);
    }
    if let Some((end, length)) = event.recorded() {
        return Ended::Recorded { end: record_end(end), duration_ms: length.as_millis() as u64 };
    }
    match (event.dtmf_end(), event.play_end()) {
        (Some(DtmfEnd::Terminated), _) | (None, Some(PlayEnd::Terminated)) => Ended::Stopped,
        (Some(_), _) => Ended::Collected,
        (None, Some(_)) => Ended::Completed,
        // A dialog that ended without either could not be played.
        (None, None) => Ended::Failed,
    }
}

const fn record_end(end: msml::RecordEnd) -> RecordEnd {
    match end {
        msml::RecordEnd::Key => RecordEnd::Key,
        msml::RecordEnd::Silence => RecordEnd::Silence,
        msml::RecordEnd::Longest => RecordEnd::Longest,
        msml::RecordEnd::Terminated => RecordEnd::Stopped,
    }
}
