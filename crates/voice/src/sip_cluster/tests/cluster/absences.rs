//! Who was away, and when: what may be lost by the death of media and of a proxy. `docs/when-things-go-wrong.md` says the same in words.

use std::time::Duration;

use model::Timestamp;

/// How long an ACK may be on its way to us: the edge's network loses much, and the proxy alone has what is said again for it.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

/// Until when somebody was away.
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

    /// All proxies have accepted it again.
    pub fn media_is_back(&mut self, now: Timestamp) {
        is_back(&mut self.media, now);
    }

    pub fn proxy_goes(&mut self, at: usize, now: Timestamp) {
        goes(&mut self.proxies[at], now);
    }

    /// Nodes and media have come back to it.
    pub fn proxy_is_back(&mut self, at: usize, now: Timestamp) {
        is_back(&mut self.proxies[at], now);
    }

    /// Whether media was away at any moment since then.
    pub fn media_since(&self, then: Timestamp) -> bool {
        since(&self.media, then)
    }

    /// Whether that proxy was.
    pub fn proxy_since(&self, at: usize, then: Timestamp) -> bool {
        since(&self.proxies[at], then)
    }

    /// Whether media was, or a proxy.
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
