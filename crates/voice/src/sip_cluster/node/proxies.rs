//! The connections to proxies: those that are up, and the edges that the node waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Timestamp;
use model::plan::Contact;
use sip::{ConnectionId, NameAddr};

/// Placeholder for the edge of a proxy that will not return.
pub const NO_EDGE: &str = "edge.trunkline.invalid";

/// Marks numbers of connections that have not been up in this run: no real number is so high.
const NEVER_UP: u64 = 1 << 63;
/// Where no proxy is connected: no real connection has it, so nothing is sent.
pub const NO_CONNECTION: ConnectionId = ConnectionId(0);

/// The proxies, by the numbers of their connections and by their edges.
pub struct Proxies {
    /// Connections that are up, each with its proxy's edge.
    up: BTreeMap<ConnectionId, String>,
    /// Those of them whose proxies drain.
    draining: BTreeSet<ConnectionId>,
    /// Edges whose connection broke, until it is back or no leg uses it any more.
    lost: BTreeMap<String, Lost>,
    /// Number of edges awaited that have not been connected in this run.
    never_up: u64,
    /// How long a lost proxy may take to come back before requests that wait for it fail.
    return_within: Duration,
    /// Counts what went out by any of them in turn.
    turn: usize,
}

/// An edge whose connection broke.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// Number of the broken connection; legs refer to it.
    link: ConnectionId,
    /// Since when it is away.
    since: Timestamp,
    /// Until when requests through that proxy wait for a response.
    until: Timestamp,
}

impl Proxies {
    /// No connections yet.
    pub const fn new(return_within: Duration) -> Self {
        Self {
            up: BTreeMap::new(),
            draining: BTreeSet::new(),
            lost: BTreeMap::new(),
            never_up: 0,
            return_within,
            turn: 0,
        }
    }

    /// A connection is up. Returns the number by which legs of that edge go, if its connection had broken.
    pub fn came_up(&mut self, link: ConnectionId, edge: &str) -> Option<ConnectionId> {
        self.up.insert(link, edge.to_owned());
        self.lost.remove(edge).map(|lost| lost.link)
    }

    /// A connection broke; returns whether it was up.
    pub fn broke(&mut self, link: ConnectionId, now: Timestamp) -> bool {
        let Some(edge) = self.up.remove(&link) else { return false };
        self.draining.remove(&link);
        self.lost.insert(edge, Lost { link, since: now, until: now + self.return_within });
        true
    }

    /// Whether a connection is up.
    pub fn is_up(&self, link: ConnectionId) -> bool {
        self.up.contains_key(&link)
    }

    /// Whether the proxy at a connection drains, as it says with each keep-alive.
    pub fn drains(&mut self, link: ConnectionId, drains: bool) {
        if drains && self.is_up(link) {
            self.draining.insert(link);
        } else {
            self.draining.remove(&link);
        }
    }

    /// Whether a Path leads through a proxy that drains.
    pub fn is_by_draining(&self, path: &[String]) -> bool {
        path.first().and_then(|first| self.link_by(first)).is_some_and(|link| self.draining.contains(&link))
    }

    /// Whether no connection is up.
    pub fn none_is_up(&self) -> bool {
        self.up.is_empty()
    }

    /// Any connection that is up; one to a proxy that drains only if all do.
    pub fn any(&self) -> Option<ConnectionId> {
        self.preferred().next()
    }

    /// The connection by which a call goes out that any proxy may send: the one that was used least for it. Of several alike the next one in
    /// turn; the one that has been up for longest, if it takes no `turns`.
    pub fn outward<U: Ord>(&mut self, turns: bool, used: impl Fn(ConnectionId) -> U) -> Option<ConnectionId> {
        let mut links: Vec<ConnectionId> = self.preferred().collect();
        if turns && !links.is_empty() {
            let first = self.turn % links.len();
            links.rotate_left(first);
            self.turn = self.turn.wrapping_add(1);
        }
        links.into_iter().min_by_key(|link| used(*link))
    }

    /// Whether a call can go out by a connection that has not been `tried`.
    pub fn is_one_untried(&self, tried: impl Fn(ConnectionId) -> bool) -> bool {
        self.preferred().any(|link| !tried(link))
    }

    /// The connections that are up, without those to proxies that drain unless all do.
    fn preferred(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        let all_drain = self.up.keys().all(|link| self.draining.contains(link));
        self.up.keys().copied().filter(move |link| all_drain || !self.draining.contains(link))
    }

    /// Whether an edge is awaited.
    pub fn is_one_awaited(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The connections of edges that are awaited.
    pub fn awaited(&self) -> Vec<ConnectionId> {
        self.lost.values().map(|lost| lost.link).collect()
    }

    /// For how long the proxy at a connection has been away; nothing while it is there.
    pub fn away_for(&self, link: ConnectionId, now: Timestamp) -> Duration {
        let lost = self.lost.values().find(|lost| lost.link == link);
        lost.map_or(Duration::ZERO, |lost| now.since(lost.since))
    }

    /// Those of them that have been away for too long: requests that wait for them fail.
    pub fn overdue(&self, now: Timestamp) -> Vec<ConnectionId> {
        self.lost.values().filter(|lost| lost.until <= now).map(|lost| lost.link).collect()
    }

    /// Awaits these connections no longer, except where a leg still goes by one.
    pub fn forget_unused(&mut self, links: &[ConnectionId], is_used: impl Fn(ConnectionId) -> bool) {
        self.lost.retain(|_, lost| !links.contains(&lost.link) || is_used(lost.link));
    }

    /// The edge of the proxy at a connection.
    pub fn edge(&self, link: ConnectionId) -> &str {
        let lost = || self.lost.iter().find(|(_, lost)| lost.link == link).map(|(edge, _)| edge);
        self.up.get(&link).or_else(lost).map_or(NO_EDGE, String::as_str)
    }

    /// The connection to the proxy with that edge. If there is none yet, the call waits for it as for one that broke: another
    /// proxy does not know the call's requests, so a CANCEL through it would match none.
    pub fn link_at(&mut self, edge: &str, now: Timestamp) -> ConnectionId {
        let own = self.up.iter().find(|(_, at)| at.as_str() == edge).map(|(link, _)| *link);
        if let Some(link) = own.or_else(|| self.lost.get(edge).map(|lost| lost.link)) {
            return link;
        }
        if edge == NO_EDGE {
            return self.any().unwrap_or(NO_CONNECTION);
        }
        self.never_up += 1;
        let link = ConnectionId(NEVER_UP | self.never_up);
        self.lost.insert(edge.to_owned(), Lost { link, since: now, until: now + self.return_within });
        link
    }

    /// The connection to the proxy that a registration's Path leads through; without a Path, any connection.
    pub fn link_of(&self, contact: &Contact) -> Option<ConnectionId> {
        match contact.path.first() {
            Some(first) => self.link_by(first),
            None => self.any(),
        }
    }

    /// The connection to the proxy that an element of a Path names.
    fn link_by(&self, path: &str) -> Option<ConnectionId> {
        let address = NameAddr::parse(path).ok()?;
        let uri = address.uri().ok()?;
        let host = uri.host()?;
        self.up
            .iter()
            .find(|(_, edge)| {
                let (name, port) = edge.rsplit_once(':').unwrap_or((edge, "5060"));
                name.eq_ignore_ascii_case(&host.to_string()) && port.parse().ok() == Some(uri.port().unwrap_or(5060))
            })
            .map(|(link, _)| *link)
    }
}
