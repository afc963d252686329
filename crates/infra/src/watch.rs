//! Reports about the connections to servers of stores, for the table of connections.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The subject of an exchange with a server: the table of connections distinguishes these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Records, leases, configuration: stored data.
    Records,
    /// Facts: the stream of events.
    Facts,
    /// Streams that consumers share: new calls, requests.
    Work,
}

impl Matter {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Records, Self::Facts, Self::Work];
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It carries commands.
    Commands,
    /// It waits to be woken when a stream has grown.
    Wakes,
}

/// Receives reports about the connections of one client.
pub trait Watch: Send + Sync {
    /// A connection is being made.
    fn attempted(&self, line: Line);

    /// Number of connections that are up now.
    fn standing(&self, line: Line, connections: usize);

    /// An attempt or a request failed.
    fn failed(&self, line: Line);

    /// A request of `sent` bytes got an answer of `received` bytes; the protocol's overhead is not counted.
    fn exchanged(&self, about: Matter, sent: usize, received: usize);
}

/// A user of a store: the name that the server shows for its connections, and the receiver of reports about them.
#[derive(Clone)]
pub struct Client {
    /// As `trunkline/ors-1/voice-45+voice-46+voice-47`.
    pub name: String,
    /// The name of the connection that waits to be woken.
    pub wakes: String,
    /// The address from which it connects where that reaches the server: for servers that show no names.
    pub source: Option<IpAddr>,
    /// The receiver of reports.
    pub watch: Arc<dyn Watch>,
}

impl Client {
    /// A client without a watch: a command, a test.
    pub fn unwatched(name: &str) -> Self {
        Self { name: name.to_owned(), wakes: format!("{name}/wakes"), source: None, watch: Arc::new(Nobody) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

struct Nobody;

impl Watch for Nobody {
    fn attempted(&self, _: Line) {}
    fn standing(&self, _: Line, _: usize) {}
    fn failed(&self, _: Line) {}
    fn exchanged(&self, _: Matter, _: usize, _: usize) {}
}
