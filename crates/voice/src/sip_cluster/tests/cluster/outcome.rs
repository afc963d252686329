//! What came of a seed, and how it is shown.

use sip::Message;

/// What came of a seed.
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

/// How often something happened: what never happens proves nothing.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    pub calls: u64,
    pub established: u64,
    pub kills: u64,
    pub stops: u64,
    pub cuts: u64,
    pub taken_over: u64,
    pub fenced: u64,
    pub steps: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Self) {
        let Self { calls, established, kills, stops, cuts, taken_over, fenced, steps } = other;
        self.calls += calls;
        self.established += established;
        self.kills += kills;
        self.stops += stops;
        self.cuts += cuts;
        self.taken_over += taken_over;
        self.fenced += fenced;
        self.steps += steps;
    }

    pub fn assert_everything_happened(&self) {
        let Self { calls, established, kills, stops, cuts, taken_over, fenced, .. } = self;
        let happened = [calls, established, kills, stops, cuts, taken_over, fenced];
        assert!(happened.iter().all(|times| **times > 0), "{self:?}");
    }
}

/// A message in a line.
pub fn in_short(message: &Message) -> String {
    let what = message.status().map_or_else(|| message.method().to_string(), |status| status.0.to_string());
    let cseq = message.cseq().map(|cseq| format!("{} {}", cseq.number, cseq.method)).unwrap_or_default();
    let mark = message.header(&sip::proxy::headers::UNREACHABLE).unwrap_or_default();
    format!("{what} ({cseq}) {} {mark}", message.call_id().unwrap_or_default())
}
