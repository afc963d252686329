//! Hostile user agents ([`simnet::hostile`]) on real sockets, against an installation.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use model::Timestamp;
use simnet::hostile::{Party, Place, Role};

use crate::{Installation, wait};

/// The port of a phone, as registered for its party by SIPp.
const PHONES_PORT: u16 = 5_060;
/// The first port of callers.
const CALLERS_PORT: u16 = 5_060;
/// Ports of callers, one for each round: no party of a later round answers for a caller that has left.
const CALLERS_PORTS: u64 = 16;
/// The audio port in their descriptions; it is not open.
const AUDIO_PORT: u16 = 40_000;
/// Datagrams that one party reads in its turn.
const AT_ONCE: usize = 64;

/// Hostile parties that run concurrently.
pub struct Siege {
    parties: Vec<(Party, UdpSocket)>,
    said: usize,
    port: u16,
}

impl Siege {
    /// The siege of this round: its callers use other ports than those of the rounds before.
    pub fn of_round(round: u64) -> Self {
        Self { parties: Vec::new(), said: 0, port: CALLERS_PORT + (round % CALLERS_PORTS) as u16 }
    }

    /// Adds a caller of this number, at the address of this stranger.
    pub fn caller(&mut self, site: &Installation, stranger: u16, seed: u64, number: &str) -> Result<()> {
        let address = site.stranger_address(stranger);
        let at = (address, self.port);
        let party = Party::new(seed, Role::Caller(number.to_owned()), place(site, at, "stranger"), now());
        self.join(site, at, party)
    }

    /// Adds a caller whose only deviation is this one, in its first INVITE.
    pub fn calling_with(&mut self, site: &Installation, stranger: u16, deviation: &str, number: &str) -> Result<()> {
        let address = site.stranger_address(stranger);
        let at = (address, self.port);
        let party = Party::calling_with(deviation, u64::from(stranger), number, place(site, at, "stranger"));
        self.join(site, at, party)
    }

    /// Adds a phone at the address where this extension was registered.
    pub fn phone(&mut self, site: &Installation, host: u8, seed: u64, extension: &str) -> Result<()> {
        let at = (site.peer_address(host), PHONES_PORT);
        let party = Party::new(seed, Role::Callee, place(site, at, extension), now());
        self.join(site, at, party)
    }

    fn join(&mut self, site: &Installation, at: (Ipv4Addr, u16), party: Party) -> Result<()> {
        let socket = UdpSocket::bind(at)?;
        socket.connect(site.sip())?;
        socket.set_nonblocking(true)?;
        self.parties.push((party, socket));
        Ok(())
    }

    /// Runs the parties for this time.
    pub fn act(&mut self, time: Duration) {
        // The condition is never true, so this always times out.
        let _ = wait::until::<()>(time, || {
            self.turn();
            Ok(None)
        });
    }

    /// Runs the parties until one has an answered call.
    pub fn is_answered(&mut self, limit: Duration) -> Result<()> {
        wait::until(limit, || {
            self.turn();
            Ok(self.parties.iter().any(|(party, _)| party.talks()).then_some(()))
        })
    }

    /// Ends the siege: some parties hang up, and none sends anything after that. Returns the number of messages sent,
    /// and the number of parties with an answered call.
    pub fn leave(mut self) -> (usize, usize) {
        let talked = self.parties.iter().filter(|(party, _)| party.talks()).count();
        self.parties.iter_mut().for_each(|(party, _)| party.fall_silent());
        self.turn();
        (self.said, talked)
    }

    fn turn(&mut self) {
        let mut bytes = vec![0; 65_536];
        for (party, socket) in &mut self.parties {
            let now = now();
            // An error belongs to an earlier datagram that was refused.
            for _ in 0..AT_ONCE {
                let Ok(length) = socket.recv(&mut bytes) else { break };
                party.receive(&String::from_utf8_lossy(&bytes[..length]), now);
            }
            party.handle_timeout(now);
            while let Some(said) = party.poll_transmit() {
                self.said += usize::from(socket.send(&said.bytes()).is_ok());
            }
        }
    }
}

fn place(site: &Installation, (address, port): (Ipv4Addr, u16), user: &str) -> Place {
    Place {
        sent_by: format!("{address}:{port}"),
        edge: site.sip(),
        user: user.to_owned(),
        call_ids: "hostile-".to_owned(),
        audio_port: AUDIO_PORT,
    }
}

#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
