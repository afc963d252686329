//! Hostile user agents ([`simnet::hostile`]) on real sockets, against an installation.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use model::Timestamp;
use simnet::hostile::{Party, Place, Role};

use crate::{Installation, wait};

/// The port of a phone that SIPp has registered for its party.
const PHONES_PORT: u16 = 5_060;
/// The first port of callers.
const CALLERS_PORT: u16 = 5_060;
/// Ports of callers, one for each round: nobody of a later round answers for a caller who has left.
const CALLERS_PORTS: u64 = 16;
/// Where they say that they hear audio; nobody listens there.
const AUDIO_PORT: u16 = 40_000;
/// Datagrams that one party takes before it is another's turn.
const AT_ONCE: usize = 64;

/// Hostile parties that act at the same time.
pub struct Siege {
    parties: Vec<(Party, UdpSocket)>,
    said: usize,
    port: u16,
}

impl Siege {
    /// The siege of that number in a row: its callers have other ports than those of the sieges before.
    pub fn of_round(round: u64) -> Self {
        Self { parties: Vec::new(), said: 0, port: CALLERS_PORT + (round % CALLERS_PORTS) as u16 }
    }

    /// One more who calls that number, as the stranger of that number.
    pub fn caller(&mut self, site: &Installation, stranger: u16, seed: u64, number: &str) -> Result<()> {
        let address = site.stranger_address(stranger);
        let at = (address, self.port);
        let party = Party::new(seed, Role::Caller(number.to_owned()), place(site, at, "stranger"), now());
        self.join(site, at, party)
    }

    /// One more whose only departure from what is expected is this one, in the INVITE that it begins with.
    pub fn calling_with(&mut self, site: &Installation, stranger: u16, deviation: &str, number: &str) -> Result<()> {
        let address = site.stranger_address(stranger);
        let at = (address, self.port);
        let party = Party::calling_with(deviation, u64::from(stranger), number, place(site, at, "stranger"));
        self.join(site, at, party)
    }

    /// One more who is called, where that extension was registered.
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

    /// Lets them act for that long.
    pub fn act(&mut self, time: Duration) {
        // Nothing is waited for, so the time is always over.
        let _ = wait::until::<()>(time, || {
            self.turn();
            Ok(None)
        });
    }

    /// Lets them act until one of them has come into a call.
    pub fn is_answered(&mut self, limit: Duration) -> Result<()> {
        wait::until(limit, || {
            self.turn();
            Ok(self.parties.iter().any(|(party, _)| party.talks()).then_some(()))
        })
    }

    /// They leave: some hang up, and none says anything after that. Gives how many messages they have sent, and how many of them
    /// had come into a call.
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
            // An error is that of a datagram before, which somebody has refused.
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
