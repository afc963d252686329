//! The robots' description of the installation.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Everything that the robots know: no more than a carrier, a phone and a client of the public API know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Site {
    /// The tenant.
    pub tenant: String,
    /// The SIP edge.
    pub sip: Edge,
    /// The web edge, as `http://127.0.0.1:8080`.
    pub web: String,
    /// A caller token with the scopes `agents:control`, `calls:control` and `calls:read`.
    pub token: String,
    /// The numbers that callers dial, by name: `sales`, `support`, `menu`.
    pub numbers: BTreeMap<String, String>,
    /// The skills that a service requires of its agents, by the service's name.
    pub services: BTreeMap<String, BTreeMap<String, u16>>,
    /// The agents.
    pub agents: Vec<RobotAgent>,
    /// The calls that go out; none if none do.
    #[serde(default)]
    pub outside: Option<OutsideCalls>,
}

/// Who calls numbers outside, and which numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutsideCalls {
    /// What the numbers begin with.
    pub prefix: String,
    /// Where the trunk for them leads: the carrier of the robots, if they run at this address.
    pub carrier: SocketAddr,
    /// The phones that call them.
    pub desks: Vec<RobotDesk>,
    /// Where those of them that encrypt speak SIP over TLS; without it they encrypt their audio alone.
    pub secure: Option<SecureEdge>,
}

/// The edge for SIP over TLS.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecureEdge {
    /// Host name or address, which it proves.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The certificate of whom it proves that to, in PEM.
    pub certificate: String,
}

impl SecureEdge {
    /// Its address.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        resolve(&self.host, self.port)
    }
}

/// A phone of somebody who is no agent.
#[derive(Clone, Serialize, Deserialize)]
pub struct RobotDesk {
    /// The phone's number.
    pub extension: String,
    /// The phone's password.
    pub password: String,
    /// Whether it encrypts.
    pub encrypts: bool,
}

impl std::fmt::Debug for RobotDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RobotDesk({})", self.extension)
    }
}

/// A SIP edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// Host name or address.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

/// An agent with its phone.
#[derive(Clone, Serialize, Deserialize)]
pub struct RobotAgent {
    /// The phone's number.
    pub extension: String,
    /// The phone's password.
    pub password: String,
    /// The agent's id.
    pub agent: String,
    /// Skills with their levels.
    pub skills: BTreeMap<String, u16>,
}

impl std::fmt::Debug for RobotAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RobotAgent({} at {})", self.agent, self.extension)
    }
}

impl Site {
    /// Reads it from a JSON file.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
    }

    /// The address of the SIP edge.
    pub(crate) fn edge(&self) -> Result<SocketAddr> {
        resolve(&self.sip.host, self.sip.port)
    }

    /// The robots' own address towards the edge.
    pub(crate) fn own_address(&self) -> Result<IpAddr> {
        self.sip.robots_address()
    }

    /// The address of the web edge.
    pub(crate) fn web_edge(&self) -> Result<(SocketAddr, String)> {
        let place = self.web.strip_prefix("http://").context("the web edge is not http://HOST:PORT")?;
        let place = place.trim_end_matches('/');
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "80"));
        let port = port.parse().with_context(|| format!("no port in {}", self.web))?;
        Ok((resolve(host, port)?, place.to_owned()))
    }
}

impl Edge {
    /// The robots' own address towards this edge: one that no role uses, if the edge is a loopback address.
    ///
    /// # Errors
    /// If nothing leads to it.
    pub fn robots_address(&self) -> Result<IpAddr> {
        let edge = resolve(&self.host, self.port)?;
        match edge.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Ok(Ipv4Addr::new(127, ip.octets()[1], 251, 1).into()),
            _ => {
                let any: IpAddr = if edge.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0_u16; 8].into() };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(edge).with_context(|| format!("no way to {edge}"))?;
                Ok(socket.local_addr()?.ip())
            }
        }
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr> {
    let mut found = (host, port).to_socket_addrs().with_context(|| format!("resolving {host}"))?;
    found.next().with_context(|| format!("{host} has no address"))
}
