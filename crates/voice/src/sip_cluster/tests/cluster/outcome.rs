//! The outcome of a seed, and how it is shown.

use sip::Message;

use super::ledger::WaySeen;

/// The outcome of a seed.
pub struct Outcome {
    pub broken: Vec<String>,
    pub digest: u64,
    pub seen: Seen,
}

impl Outcome {
    pub fn panicked() -> Self {
        Self { broken: vec!["a core panicked".to_owned()], digest: 0, seen: Seen::default() }
    }
}

/// Counts of events: a fault that never happens proves nothing.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    pub calls: u64,
    pub established: u64,
    pub kills: u64,
    pub stops: u64,
    pub cuts: u64,
    pub taken_over: u64,
    pub fenced: u64,
    pub media_kills: u64,
    pub proxy_kills: u64,
    /// Legs that media has continued after a restart.
    pub media_legs: u64,
    /// Packets that media has sent; how often two parties have heard each other, and a party its treatment.
    pub audio: u64,
    /// How often a party spoke to the other one directly.
    pub direct_audio: u64,
    pub heard: u64,
    pub treated: u64,
    pub ledger: WaySeen,
    pub steps: u64,
    /// Messages of hostile parties, those that no grammar allows, and hostile parties that came into a call.
    pub hostile: u64,
    pub invalid: u64,
    pub hostile_calls: u64,
    /// Requests of programs.
    pub program_requests: u64,
    /// Threads that have met.
    pub meetings: u64,
    /// Threads that a living node has handed over, for a meeting.
    pub brought: u64,
    /// The largest values seen.
    pub messages_of_a_turn: u64,
    pub bytes_of_a_record: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Self) {
        let Self { calls, established, kills, stops, cuts, taken_over, fenced, ledger, steps, hostile, .. } = other;
        self.calls += calls;
        self.established += established;
        self.kills += kills;
        self.stops += stops;
        self.cuts += cuts;
        self.taken_over += taken_over;
        self.fenced += fenced;
        self.media_kills += other.media_kills;
        self.proxy_kills += other.proxy_kills;
        self.media_legs += other.media_legs;
        self.audio += other.audio;
        self.direct_audio += other.direct_audio;
        self.heard += other.heard;
        self.treated += other.treated;
        self.add_way(*ledger);
        self.steps += steps;
        self.hostile += hostile;
        self.invalid += other.invalid;
        self.hostile_calls += other.hostile_calls;
        self.program_requests += other.program_requests;
        self.meetings += other.meetings;
        self.brought += other.brought;
        self.messages_of_a_turn = self.messages_of_a_turn.max(other.messages_of_a_turn);
        self.bytes_of_a_record = self.bytes_of_a_record.max(other.bytes_of_a_record);
    }

    pub const fn add_way(&mut self, other: WaySeen) {
        let WaySeen { waited, came_too_late, unheard_commits, unheard_claims } = other;
        self.ledger.waited += waited;
        self.ledger.came_too_late += came_too_late;
        self.ledger.unheard_commits += unheard_commits;
        self.ledger.unheard_claims += unheard_claims;
    }

    pub fn assert_everything_happened(&self) {
        let Self { calls, established, kills, stops, cuts, taken_over, fenced, ledger, .. } = self;
        let WaySeen { waited, came_too_late, unheard_commits, unheard_claims } = ledger;
        let of_the_ledger = [waited, came_too_late, unheard_commits, unheard_claims];
        let of_media = [&self.media_kills, &self.media_legs, &self.heard, &self.treated, &self.direct_audio];
        let happened = [calls, established, kills, stops, cuts, taken_over, fenced, &self.proxy_kills];
        let happened = happened.into_iter().chain(of_the_ledger).chain(of_media);
        assert!(happened.into_iter().all(|times| *times > 0), "{self:?}");
    }

    pub fn assert_programs(&self) {
        let Self { calls, established, kills, stops, cuts, taken_over, media_kills, heard, .. } = self;
        let of_programs = [&self.program_requests, &self.meetings, &self.brought];
        let happened = [calls, established, kills, stops, cuts, taken_over, media_kills, heard];
        let happened = happened.into_iter().chain(of_programs);
        assert!(happened.into_iter().all(|times| *times > 0), "{self:?}");
    }

    pub fn assert_hostility(&self) {
        let Self { calls, established, kills, stops, cuts, taken_over, hostile, invalid, hostile_calls, .. } = self;
        let happened = [calls, established, kills, stops, cuts, taken_over, hostile, invalid, hostile_calls];
        assert!(happened.into_iter().all(|times| *times > 0), "{self:?}");
    }
}

/// A message in a line.
pub fn in_short(message: &Message) -> String {
    let what = message.status().map_or_else(|| message.method().to_string(), |status| status.0.to_string());
    let cseq = message.cseq().map(|cseq| format!("{} {}", cseq.number, cseq.method)).unwrap_or_default();
    let mark = message.header(&sip::proxy::headers::UNREACHABLE).unwrap_or_default();
    format!("{what} ({cseq}) {} {mark}", message.call_id().unwrap_or_default())
}
