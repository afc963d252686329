//! Reads an audio session from its record.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use contracts::v1;
use media::codec::{Codec, OpusTerms};
use media::dtmf::{Digit, EventKey};
use media::ice::IceCredentials;
use media::rtcp::ReceptionSnapshot;
use media::sdp::{Association, AudioStream, Direction, Fingerprint, PayloadTypes, Protection};
use media::session::{
    Candidate, Collect, CollectEnd, InboundSnapshot, OutboundSnapshot, Phase, PlayEnd, Progress, Repeat, Run,
    SessionSnapshot, Source, Totals, TreatmentSnapshot,
};
use media::srtp::{Keying, Mki, SSRCS_MAX, SourceIndex, Suite};
use model::Timestamp;

use crate::dialog_records::RecordError;

/// The largest counter that is continued: more than a hundred years can produce, and far from an overflow.
const COUNT_MAX: u64 = 1 << 48;
/// The highest index of an encrypted packet: 48 bits.
const INDEX_MAX: u64 = (1 << 48) - 1;
/// The longest wait for a digit; MSML cannot request more.
const DIGIT_WAIT_MAX: Duration = Duration::from_hours(1);
/// The shortest and the longest packets that are sent, in samples at 8 kHz: 10 and 60 ms.
const PACKET: (u16, u16) = (80, 480);
/// The most digits of a collection: the count has eight bits.
const DIGITS_MAX: usize = 255;

type Read<T> = Result<T, RecordError>;

pub fn session(r: v1::AudioRecord) -> Read<SessionSnapshot> {
    Ok(SessionSnapshot {
        at: time(r.at_us),
        cname: r.cname,
        quiet_after: Duration::from_micros(r.quiet_after_us),
        stream: r.stream.as_ref().map(stream).transpose()?,
        inbound: inbound(&r.inbound.ok_or(RecordError("audio.inbound"))?)?,
        outbound: outbound(&r.outbound.ok_or(RecordError("audio.outbound"))?)?,
        treatment: r.treatment.as_ref().map(treatment).transpose()?,
        digits: keys(&r.digits)?,
        alive: time(r.alive_us),
        quiet: r.quiet,
        report_due: time(r.report_due_us),
        quiet_due: time(r.quiet_due_us),
        sources: r.sources.iter().take(SSRCS_MAX).map(source).collect(),
        refused: (count(r.forged), count(r.replayed)),
    })
}

fn stream(r: &v1::AudioStreamRecord) -> Read<AudioStream> {
    Ok(AudioStream {
        remote: address(r.remote.as_deref())?,
        remote_rtcp: address(r.remote_rtcp.as_deref())?,
        rtcp_mux: r.rtcp_mux,
        codec: match r.law() {
            v1::AudioLaw::Mu => Codec::Pcmu,
            v1::AudioLaw::A => Codec::Pcma,
            v1::AudioLaw::G722 => Codec::G722,
            v1::AudioLaw::Opus => Codec::Opus,
            v1::AudioLaw::Unspecified => return Err(RecordError("audio.stream.law")),
        },
        numbers: PayloadTypes {
            pcmu: r.pcmu.map(narrow).transpose()?,
            pcma: r.pcma.map(narrow).transpose()?,
            g722: r.g722.map(narrow).transpose()?,
            opus: r.opus.map(narrow).transpose()?,
            event: r.telephone_event.map(narrow).transpose()?,
            event_full: r.telephone_event_full.map(narrow).transpose()?,
        },
        opus: OpusTerms {
            // Earlier records have none of it: their streams are of G.711.
            playback_hz: if r.opus_playback_hz == 0 { OpusTerms::default().playback_hz } else { r.opus_playback_hz },
            bits_max: r.opus_bits_max,
            takes_repair: r.opus_repair,
        },
        direction: match r.direction() {
            v1::AudioDirection::Sendrecv => Direction::SendRecv,
            v1::AudioDirection::Sendonly => Direction::SendOnly,
            v1::AudioDirection::Recvonly => Direction::RecvOnly,
            v1::AudioDirection::Inactive => Direction::Inactive,
            v1::AudioDirection::Unspecified => return Err(RecordError("audio.stream.direction")),
        },
        packet: r.packet.map(narrow).transpose()?.map(|samples: u16| samples.clamp(PACKET.0, PACKET.1)),
        party: host(r.party.as_deref())?,
        offered: r.offered.as_ref().map(payload_types).transpose()?.unwrap_or_default(),
        protection: r.protection.as_ref().map(protection).transpose()?,
        association: r.association.as_ref().map(association).transpose()?,
    })
}

fn association(r: &v1::AssociationRecord) -> Read<Association> {
    let theirs = Fingerprint::parse(&r.fingerprint).ok_or(RecordError("audio.stream.association"))?;
    let ice = IceCredentials { fragment: r.ice_fragment.as_str().into(), password: r.ice_password.as_str().into() };
    let ice = Some(ice).filter(|ice| !ice.password.is_empty());
    Ok(Association { theirs, connects: r.connects, ice, peer_fragment: r.peer_fragment.as_str().into() })
}

fn source(r: &v1::SourceIndexRecord) -> SourceIndex {
    SourceIndex { ssrc: r.ssrc, rtp: r.rtp.map(|index| index.min(INDEX_MAX)), rtcp: r.rtcp }
}

fn protection(r: &v1::ProtectionRecord) -> Read<Protection> {
    const BAD: RecordError = RecordError("audio.stream.protection");
    let suite = Suite::from_name(&r.suite).ok_or(BAD)?;
    let mki = Mki { value: r.mki, length: narrow(r.mki_bytes)? };
    let mki = Some(mki).filter(|mki| mki.length > 0);
    Ok(Protection {
        ours: Keying::new(suite, &r.ours, None).ok_or(BAD)?,
        theirs: Keying::new(suite, &r.theirs, mki).ok_or(BAD)?,
    })
}

fn payload_types(r: &v1::PayloadTypesRecord) -> Read<PayloadTypes> {
    Ok(PayloadTypes {
        pcmu: r.pcmu.map(narrow).transpose()?,
        pcma: r.pcma.map(narrow).transpose()?,
        g722: r.g722.map(narrow).transpose()?,
        opus: r.opus.map(narrow).transpose()?,
        event: r.event_8000.map(narrow).transpose()?,
        event_full: r.event_48000.map(narrow).transpose()?,
    })
}

fn inbound(r: &v1::AudioInboundRecord) -> Read<InboundSnapshot> {
    Ok(InboundSnapshot {
        source: Source {
            learned: address(r.learned.as_deref())?,
            learned_rtcp: address(r.learned_rtcp.as_deref())?,
            lock: address(r.locked_address.as_deref())?.zip(r.locked_ssrc),
            last_packet: time(r.last_packet_us),
            described: time(r.described_us),
            candidate: r.candidate.as_ref().map(candidate).transpose()?,
            answered: host(r.answered.as_deref())?,
            // Earlier records have no such counter: their legs have no limit.
            unproven_left: r.unproven_left.unwrap_or(u32::MAX),
        },
        reception: r.reception.as_ref().map(reception).transpose()?,
        // Earlier records do not name the source: a key that is pressed while the leg moves may then count twice.
        last_key: match (r.last_key, r.last_key_ssrc, r.last_key_code) {
            (Some(timestamp), Some(ssrc), Some(code)) => Some(EventKey { ssrc, timestamp, code: narrow(code)? }),
            _ => None,
        },
        totals: Totals {
            received: count(r.received),
            received_octets: count(r.received_octets),
            lost_before: r.lost_before.clamp(-(COUNT_MAX as i64), COUNT_MAX as i64),
            strangers: count(r.strangers),
            invalid: count(r.invalid),
            first_packet: r.first_packet_us.map(time),
            remote_fraction_lost: narrow(r.remote_fraction_lost)?,
        },
    })
}

fn candidate(r: &v1::SourceCandidateRecord) -> Read<Candidate> {
    Ok(Candidate {
        address: r.address.parse().map_err(|_| RecordError("audio.inbound.candidate"))?,
        ssrc: r.ssrc,
        next: narrow(r.next)?,
        count: narrow(r.count)?,
        at: time(r.at_us),
    })
}

fn reception(r: &v1::ReceptionRecord) -> Read<ReceptionSnapshot> {
    Ok(ReceptionSnapshot {
        ssrc: r.ssrc,
        // Earlier records have no clock: their streams are of G.711.
        clock: if r.clock == 0 { 8_000 } else { r.clock },
        base: narrow(r.base)?,
        highest: r.highest,
        received: count(r.received),
        expected_prior: r.expected_prior,
        received_prior: r.received_prior,
        jitter_16: r.jitter_16,
        transit: r.transit,
        sender_report: r.sender_report.map(|middle| (middle, time(r.sender_report_us))),
    })
}

fn outbound(r: &v1::AudioOutboundRecord) -> Read<OutboundSnapshot> {
    Ok(OutboundSnapshot {
        ssrc: r.ssrc,
        next_sequence: narrow(r.next_sequence)?,
        anchor_timestamp: r.anchor_timestamp,
        anchor: time(r.anchor_us),
        run: r.run.as_ref().map(run).transpose()?,
        playing: r.playing,
        packets: r.packets,
        octets: r.octets,
        packets_at_report: r.packets_at_report,
        unrelayed: count(r.unrelayed),
    })
}

fn run(r: &v1::RelayRunRecord) -> Read<Run> {
    Ok(Run {
        source: r.source,
        first: narrow(r.first)?,
        highest: narrow(r.highest)?,
        sequence_offset: narrow(r.sequence_offset)?,
        timestamp_offset: r.timestamp_offset,
    })
}

fn treatment(r: &v1::TreatmentRecord) -> Read<TreatmentSnapshot> {
    let phase = match r.phase() {
        v1::TreatmentPhase::Playing => Phase::Playing { due: time(r.due_us) },
        v1::TreatmentPhase::Collecting => Phase::Collecting { deadline: time(r.due_us) },
        v1::TreatmentPhase::Over => Phase::Over,
        v1::TreatmentPhase::Unspecified => return Err(RecordError("treatment.phase")),
    };
    let play_end = match r.play_end {
        0 => None,
        1 => Some(PlayEnd::Complete),
        2 => Some(PlayEnd::Interrupted),
        3 => Some(PlayEnd::Stopped),
        _ => return Err(RecordError("treatment.play_end")),
    };
    let collect_end = match r.collect_end {
        0 => None,
        1 => Some(CollectEnd::Match),
        2 => Some(CollectEnd::NoInput),
        3 => Some(CollectEnd::NoMatch),
        4 => Some(CollectEnd::Stopped),
        _ => return Err(RecordError("treatment.collect_end")),
    };
    Ok(TreatmentSnapshot {
        prompts: r.prompts.iter().map(|name| name.as_str().into()).collect(),
        repeat: r.times.map_or(Ok(Repeat::Forever), |times| narrow(times).map(Repeat::Times))?,
        interruptible: r.interruptible,
        collect: r.collect.as_ref().map(collect).transpose()?,
        progress: Progress {
            id: r.id,
            phase,
            prompt: narrow(r.prompt)?,
            sample: narrow(r.sample)?,
            rounds: narrow(r.rounds)?,
            played: r.played,
            play_end,
            digits: keys(&r.digits)?,
            last: keys(&r.last)?.pop(),
            collect_end,
        },
    })
}

fn collect(r: &v1::CollectRecord) -> Read<Collect> {
    Ok(Collect {
        clear_buffer: r.clear_buffer,
        first_digit: Duration::from_micros(r.first_digit_us).min(DIGIT_WAIT_MAX),
        inter_digit: Duration::from_micros(r.inter_digit_us).min(DIGIT_WAIT_MAX),
        min: narrow(r.min)?,
        max: narrow(r.max)?,
        return_key: keys(&r.return_key)?.pop(),
    })
}

fn keys(text: &str) -> Read<Vec<Digit>> {
    if text.len() > DIGITS_MAX {
        return Err(RecordError("digits"));
    }
    text.chars().map(|c| Digit::from_char(c).ok_or(RecordError("digits"))).collect()
}

fn address(text: Option<&str>) -> Read<Option<SocketAddr>> {
    text.map(|text| text.parse().map_err(|_| RecordError("address"))).transpose()
}

fn narrow<A, B: TryFrom<A>>(number: A) -> Read<B> {
    B::try_from(number).map_err(|_| RecordError("number out of range"))
}

fn host(text: Option<&str>) -> Read<Option<IpAddr>> {
    text.map(|text| text.parse().map_err(|_| RecordError("host"))).transpose()
}

fn count(number: u64) -> u64 {
    number.min(COUNT_MAX)
}

const fn time(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}
