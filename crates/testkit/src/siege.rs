//! Hostile user agents ([`simnet::hostile`]) on real sockets, against an installation.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use model::Timestamp;
use simnet::hostile::{Party, Place, Role};

use crate::{Installation, wait};

/// The port of every party, as registered for a phone by SIPp.
const PORT: u16 = 5_060;
/// The audio port in their descriptions; it is not open.
const AUDIO_PORT: u16 = 40_000;
/// Datagrams that one party reads in its turn.
const AT_ONCE: usize = 64;

/// Hostile parties that run concurrently.
#[derive(Default)]
pub struct Siege {
    parties: Vec<(Party, UdpSocket)>,
    said: usize,
}

impl Siege {
    /// Adds a caller of this number, at the address of this stranger.
    pub fn caller(&mut self, site: &Installation, stranger: u16, seed: u64, number: &str) -> Result<()> {
        let address = site.stranger_address(stranger);
        let party = Party::new(seed, Role::Caller(number.to_owned()), place(site, address, "stranger"), now());
        self.join(site, address, party)
    }

    /// Adds a caller whose only deviation is this one, in its first INVITE.
    pub fn calling_with(&mut self, site: &Installation, stranger: u16, deviation: &str, number: &str) -> Result<()> {
        let address = site.stranger_address(stranger);
        let party = Party::calling_with(deviation, u64::from(stranger), number, place(site, address, "stranger"));
        self.join(site, address, party)
    }

    /// Adds a phone at the address where this extension was registered.
    pub fn phone(&mut self, site: &Installation, host: u8, seed: u64, extension: &str) -> Result<()> {
        let address = site.peer_address(host);
        let party = Party::new(seed, Role::Callee, place(site, address, extension), now());
        self.join(site, address, party)
    }

    fn join(&mut self, site: &Installation, address: Ipv4Addr, party: Party) -> Result<()> {
        let socket = UdpSocket::bind((address, PORT))?;
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

fn place(site: &Installation, address: Ipv4Addr, user: &str) -> Place {
    Place {
        sent_by: format!("{address}:{PORT}"),
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
