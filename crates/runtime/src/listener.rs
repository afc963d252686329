//! Binding of listeners, with readable errors; the addresses of edge listeners.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

use crate::exit::{Exit, ExitError};

/// A host and a port as advertised to peers: in Via, Contact, Record-Route and SDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl HostPort {
    /// Reads `HOST:PORT`, `[IPv6]:PORT` or, with `port`, a bare `HOST`.
    pub fn parse(text: &str, port: u16) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, digits)) => (host, digits.parse().map_err(|_| format!("{digits:?} is not a port"))?),
            None => (text, port),
        };
        let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        if is_name { Ok(Self { host: host.to_owned(), port }) } else { Err(format!("{host:?} is not a host")) }
    }
}

/// Where a listener binds, and the address that it advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Where it binds.
    pub listen: SocketAddr,
    /// The advertised address; the same as `listen` unless the settings differ.
    pub advertise: HostPort,
}

/// Binds a TCP listener.
pub async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ExitError> {
    TcpListener::bind(address).await.map_err(|error| in_words("tcp", address, &error))
}

/// A readable error for a failed bind, with the process that holds the port if it is known.
pub fn in_words(protocol: &str, address: SocketAddr, error: &io::Error) -> ExitError {
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder(protocol, address).unwrap_or_else(|| "another process".to_owned());
            format!(
                "{protocol} port {} on {} is in use by {holder}; end it, or start with other addresses: --instance N",
                address.port(),
                address.ip()
            )
        }
        io::ErrorKind::AddrNotAvailable => format!("this machine does not have the address {}", address.ip()),
        io::ErrorKind::PermissionDenied => {
            format!("not allowed to bind {protocol} port {} on {}", address.port(), address.ip())
        }
        _ => format!("cannot bind {protocol} {address}: {error}"),
    };
    ExitError::new(Exit::Address, message)
}

/// The process that holds a port, as far as /proc shows it to us: `sipp -sn uas (process 4711)`.
fn holder(protocol: &str, address: SocketAddr) -> Option<String> {
    // An IPv6 socket that is bound to the wildcard address holds the IPv4 port as well.
    let families: &[&str] = if address.is_ipv4() { &["", "6"] } else { &["6"] };
    let inode = families.iter().find_map(|family| {
        let table = std::fs::read_to_string(format!("/proc/net/{protocol}{family}")).ok()?;
        table.lines().skip(1).find_map(|row| inode_of(row, address)).map(str::to_owned)
    })?;
    let socket = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        descriptors.find(|d| std::fs::read_link(d.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()))?;
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        Some(format!("{} (process {pid})", command(&String::from_utf8_lossy(&line))))
    })
}

/// A short form of a command line of /proc: the program without its folder, and its arguments.
fn command(line: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    let mut words = line.split_terminator('\0');
    let program = words.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let whole: Vec<&str> = std::iter::once(program).chain(words).collect();
    let whole = whole.join(" ");
    if whole.chars().count() <= CHARACTERS_MAX {
        return whole;
    }
    whole.chars().take(CHARACTERS_MAX).chain("...".chars()).collect()
}

/// The inode of a row of /proc/net/{tcp,udp} that holds `address`, or a wildcard with its port.
fn inode_of(row: &str, address: SocketAddr) -> Option<&str> {
    const LISTEN: &str = "0A";
    const UDP_UNCONNECTED: &str = "07";
    let cells: Vec<&str> = row.split_whitespace().collect();
    let (ip, port) = cells.get(1)?.split_once(':')?;
    let holds_ip = match address.ip() {
        // The kernel prints the address as a number in the machine's byte order.
        IpAddr::V4(_) if ip.len() == 32 => ip.bytes().all(|b| b == b'0'),
        IpAddr::V4(v4) => {
            let bits = u32::from_str_radix(ip, 16).ok()?;
            bits == u32::from_ne_bytes(v4.octets()) || bits == 0
        }
        IpAddr::V6(_) => true,
    };
    let is_listening = [LISTEN, UDP_UNCONNECTED].contains(cells.get(3)?);
    let fits = holds_ip && is_listening && u16::from_str_radix(port, 16).ok()? == address.port();
    fits.then(|| cells.get(9).copied())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_names_its_holder() {
        let held = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = held.local_addr().unwrap();
        let error = bind_tcp(address).await.unwrap_err();
        assert_eq!(error.exit, Exit::Address);
        assert!(error.message.contains(&format!("(process {})", std::process::id())), "{error}");
        assert!(error.message.contains(&format!("tcp port {} on 127.0.0.1 is in use by", address.port())));
    }

    #[tokio::test]
    async fn a_socket_of_ipv6_that_holds_the_port_of_ipv4_is_found() {
        let Ok(held) = bind_tcp("[::]:0".parse().unwrap()).await else { return };
        let port = held.local_addr().unwrap().port();
        let found = holder("tcp", SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        assert!(found.contains(&format!("(process {})", std::process::id())), "{found}");
    }

    #[test]
    fn a_command_is_told_in_short() {
        assert_eq!(command("/usr/bin/sipp\0-sn\0uas\0"), "sipp -sn uas");
        assert_eq!(command(&"x".repeat(200)).len(), 83);
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_said_in_words() {
        let error = bind_tcp("192.0.2.1:5060".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.message, "this machine does not have the address 192.0.2.1");
    }

    #[test]
    fn advertised_addresses_are_hosts_with_or_without_port() {
        let read = |text| HostPort::parse(text, 5060).map(|hp| hp.to_string());
        assert_eq!(read("sip.example.com").as_deref(), Ok("sip.example.com:5060"));
        assert_eq!(read("192.0.2.1:5070").as_deref(), Ok("192.0.2.1:5070"));
        assert_eq!(read("2001:db8::1").as_deref(), Ok("[2001:db8::1]:5060"));
        assert!(read("a b").is_err() && read("").is_err() && read("host:99999").is_err());
    }
}
