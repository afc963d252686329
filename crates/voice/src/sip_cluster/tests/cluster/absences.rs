//! Absences of media and proxies, and when: what may be lost when they fail. `docs/when-things-go-wrong.md` describes the same.

use std::time::Duration;

use model::Timestamp;

/// How long an ACK may take to us: the edge's network loses much, and only the proxy has the state by which it is sent again.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

/// The end of an absence.
type Until = Timestamp;

/// The absences of media and of the proxies.
#[derive(Default, Debug)]
pub struct Absences {
    media: Vec<Until>,
    proxies: [Vec<Until>; 2],
}

impl Absences {
    pub fn media_goes(&mut self, now: Timestamp) {
        goes(&mut self.media, now);
    }

    /// All proxies have accepted media again.
    pub fn media_is_back(&mut self, now: Timestamp) {
        is_back(&mut self.media, now);
    }

    pub fn proxy_goes(&mut self, at: usize, now: Timestamp) {
        goes(&mut self.proxies[at], now);
    }

    /// Nodes and media have connected to the proxy again.
    pub fn proxy_is_back(&mut self, at: usize, now: Timestamp) {
        is_back(&mut self.proxies[at], now);
    }

    /// Whether media was away at any time since then.
    pub fn media_since(&self, then: Timestamp) -> bool {
        since(&self.media, then)
    }

    /// Whether that proxy was away.
    pub fn proxy_since(&self, at: usize, then: Timestamp) -> bool {
        since(&self.proxies[at], then)
    }

    /// Whether media or a proxy was away.
    pub fn anybody_since(&self, then: Timestamp) -> bool {
        self.media_since(then) || self.proxies.iter().any(|proxy| since(proxy, then))
    }
}

fn goes(of: &mut Vec<Until>, now: Timestamp) {
    if of.last().is_none_or(|until| *until < now) {
        of.push(Timestamp::MAX);
    }
}

fn is_back(of: &mut [Until], now: Timestamp) {
    if let Some(until) = of.last_mut() {
        *until = now.min(*until);
    }
}

fn since(of: &[Until], then: Timestamp) -> bool {
    of.iter().any(|until| *until >= then)
}
