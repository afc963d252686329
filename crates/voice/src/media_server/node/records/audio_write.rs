//! An audio session as a record.

use contracts::v1;
use media::codec::Codec;
use media::dtmf::Digit;
use media::rtcp::ReceptionSnapshot;
use media::sdp::{AudioStream, Direction, PayloadTypes, Protection};
use media::session::{
    Candidate, Collect, CollectEnd, InboundSnapshot, OutboundSnapshot, Phase, PlayEnd, Repeat, Run, SessionSnapshot,
    TreatmentSnapshot,
};
use media::srtp::SourceIndex;
use std::time::Duration;

pub fn session(s: &SessionSnapshot) -> v1::AudioRecord {
    v1::AudioRecord {
        at_us: s.at.as_micros(),
        cname: s.cname.clone(),
        quiet_after_us: micros(s.quiet_after),
        stream: s.stream.as_ref().map(stream),
        inbound: Some(inbound(&s.inbound)),
        outbound: Some(outbound(&s.outbound)),
        treatment: s.treatment.as_ref().map(treatment),
        digits: keys(&s.digits),
        alive_us: s.alive.as_micros(),
        quiet: s.quiet,
        report_due_us: s.report_due.as_micros(),
        quiet_due_us: s.quiet_due.as_micros(),
        sources: s.sources.iter().map(source).collect(),
        forged: s.refused.0,
        replayed: s.refused.1,
    }
}

fn stream(s: &AudioStream) -> v1::AudioStreamRecord {
    let direction = match s.direction {
        Direction::SendRecv => v1::AudioDirection::Sendrecv,
        Direction::SendOnly => v1::AudioDirection::Sendonly,
        Direction::RecvOnly => v1::AudioDirection::Recvonly,
        Direction::Inactive => v1::AudioDirection::Inactive,
    };
    let law = match s.codec {
        Codec::Pcmu => v1::AudioLaw::Mu,
        Codec::Pcma => v1::AudioLaw::A,
        Codec::G722 => v1::AudioLaw::G722,
        Codec::Opus => v1::AudioLaw::Opus,
    };
    let numbers = &s.numbers;
    v1::AudioStreamRecord {
        remote: s.remote.map(|a| a.to_string()),
        remote_rtcp: s.remote_rtcp.map(|a| a.to_string()),
        rtcp_mux: s.rtcp_mux,
        law: law.into(),
        pcmu: numbers.pcmu.map(u32::from),
        pcma: numbers.pcma.map(u32::from),
        telephone_event: numbers.event.map(u32::from),
        g722: numbers.g722.map(u32::from),
        opus: numbers.opus.map(u32::from),
        telephone_event_full: numbers.event_full.map(u32::from),
        opus_playback_hz: s.opus.playback_hz,
        opus_bits_max: s.opus.bits_max,
        opus_repair: s.opus.takes_repair,
        direction: direction.into(),
        packet: s.packet.map(u32::from),
        party: s.party.map(|host| host.to_string()),
        offered: Some(payload_types(&s.offered)),
        protection: s.protection.as_ref().map(protection),
        association: s.association.as_ref().map(|it| v1::AssociationRecord {
            fingerprint: it.theirs.to_string(),
            connects: it.connects,
            peer_fragment: it.peer_fragment.to_string(),
            ice_fragment: it.ice.as_ref().map(|ice| ice.fragment.to_string()).unwrap_or_default(),
            ice_password: it.ice.as_ref().map(|ice| ice.password.to_string()).unwrap_or_default(),
        }),
    }
}

fn source(s: &SourceIndex) -> v1::SourceIndexRecord {
    v1::SourceIndexRecord { ssrc: s.ssrc, rtp: s.rtp, rtcp: s.rtcp }
}

fn protection(p: &Protection) -> v1::ProtectionRecord {
    let mki = p.theirs.mki();
    v1::ProtectionRecord {
        suite: p.ours.suite().name().to_owned(),
        ours: p.ours.material().to_vec().into(),
        theirs: p.theirs.material().to_vec().into(),
        mki: mki.map_or(0, |mki| mki.value),
        mki_bytes: mki.map_or(0, |mki| mki.length.into()),
    }
}

fn payload_types(numbers: &PayloadTypes) -> v1::PayloadTypesRecord {
    v1::PayloadTypesRecord {
        pcmu: numbers.pcmu.map(u32::from),
        pcma: numbers.pcma.map(u32::from),
        g722: numbers.g722.map(u32::from),
        opus: numbers.opus.map(u32::from),
        event_8000: numbers.event.map(u32::from),
        event_48000: numbers.event_full.map(u32::from),
    }
}

fn inbound(i: &InboundSnapshot) -> v1::AudioInboundRecord {
    let source = &i.source;
    v1::AudioInboundRecord {
        learned: source.learned.map(|a| a.to_string()),
        learned_rtcp: source.learned_rtcp.map(|a| a.to_string()),
        locked_address: source.lock.map(|(address, _)| address.to_string()),
        locked_ssrc: source.lock.map(|(_, ssrc)| ssrc),
        last_packet_us: source.last_packet.as_micros(),
        described_us: source.described.as_micros(),
        candidate: source.candidate.as_ref().map(candidate),
        answered: source.answered.map(|host| host.to_string()),
        unproven_left: Some(source.unproven_left),
        reception: i.reception.as_ref().map(reception),
        last_key: i.last_key.map(|key| key.timestamp),
        last_key_ssrc: i.last_key.map(|key| key.ssrc),
        last_key_code: i.last_key.map(|key| key.code.into()),
        received: i.totals.received,
        received_octets: i.totals.received_octets,
        lost_before: i.totals.lost_before,
        strangers: i.totals.strangers,
        invalid: i.totals.invalid,
        first_packet_us: i.totals.first_packet.map(|at| at.as_micros()),
        remote_fraction_lost: i.totals.remote_fraction_lost.into(),
    }
}

fn candidate(c: &Candidate) -> v1::SourceCandidateRecord {
    v1::SourceCandidateRecord {
        address: c.address.to_string(),
        ssrc: c.ssrc,
        next: c.next.into(),
        count: c.count.into(),
        at_us: c.at.as_micros(),
    }
}

fn reception(r: &ReceptionSnapshot) -> v1::ReceptionRecord {
    v1::ReceptionRecord {
        ssrc: r.ssrc,
        clock: r.clock,
        base: r.base.into(),
        highest: r.highest,
        received: r.received,
        expected_prior: r.expected_prior,
        received_prior: r.received_prior,
        jitter_16: r.jitter_16,
        transit: r.transit,
        sender_report: r.sender_report.map(|(middle, _)| middle),
        sender_report_us: r.sender_report.map_or(0, |(_, at)| at.as_micros()),
    }
}

fn outbound(o: &OutboundSnapshot) -> v1::AudioOutboundRecord {
    v1::AudioOutboundRecord {
        ssrc: o.ssrc,
        next_sequence: o.next_sequence.into(),
        anchor_timestamp: o.anchor_timestamp,
        anchor_us: o.anchor.as_micros(),
        run: o.run.as_ref().map(run),
        playing: o.playing,
        packets: o.packets,
        octets: o.octets,
        packets_at_report: o.packets_at_report,
        unrelayed: o.unrelayed,
    }
}

fn run(r: &Run) -> v1::RelayRunRecord {
    v1::RelayRunRecord {
        source: r.source,
        first: r.first.into(),
        highest: r.highest.into(),
        sequence_offset: r.sequence_offset.into(),
        timestamp_offset: r.timestamp_offset,
    }
}

fn treatment(t: &TreatmentSnapshot) -> v1::TreatmentRecord {
    let progress = &t.progress;
    let (phase, due) = match progress.phase {
        Phase::Playing { due } => (v1::TreatmentPhase::Playing, due.as_micros()),
        Phase::Collecting { deadline } => (v1::TreatmentPhase::Collecting, deadline.as_micros()),
        Phase::Over => (v1::TreatmentPhase::Over, 0),
    };
    v1::TreatmentRecord {
        prompts: t.prompts.iter().map(|name| name.to_string()).collect(),
        times: match t.repeat {
            Repeat::Times(times) => Some(times.into()),
            Repeat::Forever => None,
        },
        interruptible: t.interruptible,
        collect: t.collect.as_ref().map(collect),
        id: progress.id,
        phase: phase.into(),
        due_us: due,
        prompt: progress.prompt as u64,
        sample: progress.sample as u64,
        rounds: progress.rounds.into(),
        played: progress.played,
        play_end: progress.play_end.map_or(0, |end| match end {
            PlayEnd::Complete => 1,
            PlayEnd::Interrupted => 2,
            PlayEnd::Stopped => 3,
        }),
        digits: keys(&progress.digits),
        last: keys(progress.last.as_slice()),
        collect_end: progress.collect_end.map_or(0, |end| match end {
            CollectEnd::Match => 1,
            CollectEnd::NoInput => 2,
            CollectEnd::NoMatch => 3,
            CollectEnd::Stopped => 4,
        }),
    }
}

fn collect(c: &Collect) -> v1::CollectRecord {
    v1::CollectRecord {
        clear_buffer: c.clear_buffer,
        first_digit_us: micros(c.first_digit),
        inter_digit_us: micros(c.inter_digit),
        min: c.min.into(),
        max: c.max.into(),
        return_key: keys(c.return_key.as_slice()),
    }
}

fn keys(digits: &[Digit]) -> String {
    digits.iter().map(|digit| digit.as_char()).collect()
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
