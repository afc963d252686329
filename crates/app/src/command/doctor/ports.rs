//! The holders of the ports that the instance needs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use runtime::process::sections;
use runtime::{Place, Protocol, RoleSpec, address, data_dir, edge};

use super::finding::Finding;
use super::situation::Situation;
use crate::roles;

/// A port that a role needs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Needed {
    node: String,
    /// `tcp` or `udp`.
    transport: &'static str,
    at: SocketAddr,
    /// The setting that moves an edge port.
    setting: Option<String>,
}

/// A process that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    pid: Option<u32>,
}

/// Reports ports that other processes hold.
pub fn ports(situation: &Situation) -> Vec<Finding> {
    let ours: Vec<u32> =
        situation.topology.iter().flat_map(|topology| topology.roles.iter().filter_map(|role| role.pid)).collect();
    let held = Held::read();
    let taken = |needed: Needed| {
        let holder = held.by(&needed)?;
        (!holder.pid.is_some_and(|pid| ours.contains(&pid))).then_some((needed, holder))
    };
    let mut findings = Vec::new();
    let mut told = Vec::new();
    for (needed, holder) in needed(situation).into_iter().filter_map(taken) {
        let elsewhere = holder.pid.filter(|_| !situation.runs()).and_then(|pid| Some((pid, data_dir_of(pid)?)));
        match elsewhere.filter(|(_, folder)| *folder != situation.data_dir) {
            None => findings.push(finding(&needed, &holder)),
            // The running installation is in order: one finding for all its ports.
            Some((pid, _)) if told.contains(&pid) => {}
            Some((pid, folder)) => {
                findings.push(runs_elsewhere(situation, pid, &folder));
                told.push(pid);
            }
        }
    }
    findings
}

/// The data directory that a Trunkline process has open.
fn data_dir_of(pid: u32) -> Option<PathBuf> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let mut targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    let is_lock = |path: &PathBuf| path.ends_with("lock") && path.with_file_name(data_dir::INSTALLATION_KEY).exists();
    targets.find(is_lock).and_then(|lock| lock.parent().map(PathBuf::from))
}

fn runs_elsewhere(situation: &Situation, pid: u32, folder: &Path) -> Finding {
    let (instance, asked) = (situation.instance, situation.data_dir.display());
    let what = format!(
        "process {pid} runs instance {instance} with the data directory {}, not with {asked}",
        folder.display()
    );
    let remedy = format!(
        "look there, with --data-dir {}, or take another instance number with --instance; nothing needs to be ended",
        folder.display()
    );
    Finding::error(format!("instance {instance}"), what, remedy)
}

fn finding(needed: &Needed, holder: &Holder) -> Finding {
    let (transport, at) = (needed.transport, needed.at);
    let who = match holder.pid {
        Some(pid) => format!("{} (process {pid})", holder.name),
        None => holder.name.clone(),
    };
    let stop = holder.pid.map_or("end that process".to_owned(), |pid| format!("end process {pid}"));
    let remedy = match &needed.setting {
        Some(setting) => format!("{stop}, or listen elsewhere with --set {setting}=ADDRESS:PORT"),
        None => format!("{stop}, or take another instance number with --instance"),
    };
    Finding::error(&needed.node, format!("{transport} port {} on {} is held by {who}", at.port(), at.ip()), remedy)
}

/// Every port that the instance needs, except audio ports.
fn needed(situation: &Situation) -> Vec<Needed> {
    let mut all = Vec::new();
    for spec in roles::TABLE {
        for replica in 1..=sections::replica_count(&situation.values, spec.name) {
            all.extend(of_replica(situation, spec, replica));
        }
    }
    all
}

fn of_replica(situation: &Situation, spec: &RoleSpec, replica: u8) -> Vec<Needed> {
    let node = format!("{}-{replica}", spec.name);
    let cluster = address::of_replica(situation.instance, spec.number, replica);
    let need = |transport, at, setting| Needed { node: node.clone(), transport, at, setting };
    let mut all = vec![need("tcp", SocketAddr::new(cluster, spec.admin_port), None)];
    for listen in spec.listens.iter().filter(|listen| listen.port != 0 && listen.port != spec.admin_port) {
        let transport = if matches!(listen.protocol, Protocol::SipUdp | Protocol::Rtp) { "udp" } else { "tcp" };
        match listen.place {
            Place::Cluster => all.push(need(transport, SocketAddr::new(cluster, listen.port), None)),
            Place::Edge => {
                let bounds = edge::bounds(spec, listen, situation.instance, replica, &situation.values);
                let setting = format!("{}.{}_listen", spec.name, listen.name.replace('-', "_"));
                let ports = bounds.iter().flat_map(edge::EdgeBounds::all);
                all.extend(ports.map(|bound| need(transport, bound.listen, Some(setting.clone()))));
            }
        }
    }
    all
}

/// The listening sockets of the machine, as far as /proc shows them.
struct Held {
    /// By transport: address and inode.
    sockets: HashMap<&'static str, Vec<(SocketAddr, u64)>>,
    processes: HashMap<u64, Holder>,
}

impl Held {
    fn read() -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        let of = |name: &str| read(name).lines().filter_map(listening).collect::<Vec<_>>();
        let both = |transport| [of(transport), of(&format!("{transport}6"))].concat();
        let sockets = ["tcp", "udp"].map(|transport| (transport, both(transport)));
        Self { sockets: sockets.into(), processes: processes() }
    }

    /// The process that holds a port, if any.
    fn by(&self, needed: &Needed) -> Option<Holder> {
        let holds = |(at, _): &&(SocketAddr, u64)| {
            at.port() == needed.at.port() && (at.ip() == needed.at.ip() || at.ip().is_unspecified())
        };
        let (_, inode) = self.sockets.get(needed.transport)?.iter().find(holds)?;
        let unseen = || Holder { name: "a process of another user".to_owned(), pid: None };
        Some(self.processes.get(inode).cloned().unwrap_or_else(unseen))
    }
}

/// Address and inode of a listening row of /proc/net/{tcp,udp,tcp6,udp6}. An IPv6 socket that is bound to the wildcard
/// address holds the IPv4 port as well.
fn listening(row: &str) -> Option<(SocketAddr, u64)> {
    const LISTEN: &str = "0A";
    const UDP_UNCONNECTED: &str = "07";
    /// Prefix of an IPv4 address in the IPv6 tables, as little-endian machines print it.
    const MAPPED: &str = "0000000000000000FFFF0000";
    let cells: Vec<&str> = row.split_whitespace().collect();
    let (ip, port) = cells.get(1)?.split_once(':')?;
    if ![LISTEN, UDP_UNCONNECTED].contains(cells.get(3)?) {
        return None;
    }
    let ip = match ip.strip_prefix(MAPPED).unwrap_or(ip) {
        of_ipv6 if of_ipv6.len() == 32 && of_ipv6.bytes().all(|digit| digit == b'0') => Ipv4Addr::UNSPECIFIED.into(),
        of_ipv6 if of_ipv6.len() == 32 => IpAddr::V6(ipv6_of(of_ipv6)?),
        of_ipv4 => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(of_ipv4, 16).ok()?.to_ne_bytes())),
    };
    let at = SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?);
    Some((at, cells.get(9)?.parse().ok()?))
}

/// An address of 32 digits. The kernel prints it as four numbers in the machine's byte order.
fn ipv6_of(digits: &str) -> Option<Ipv6Addr> {
    let mut octets = [0_u8; 16];
    for (at, place) in octets.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *place = u32::from_str_radix(digits.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes();
    }
    Some(Ipv6Addr::from(octets))
}

/// The process that holds each socket, by inode.
fn processes() -> HashMap<u64, Holder> {
    let mut all = HashMap::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default().trim().to_owned();
        for descriptor in std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode {
                all.insert(inode, Holder { name: name.clone(), pid: Some(pid) });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_found_with_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let needed = Needed { node: "x-1".to_owned(), transport: "tcp", at, setting: None };
        let holder = Held::read().by(&needed).unwrap();
        assert_eq!(holder.pid, Some(std::process::id()));
        drop(listener);
        // A process that another test is just starting briefly has a copy of it.
        let is_free = || Held::read().by(&needed).is_none();
        assert!((0..10_000).any(|_| is_free()), "nobody holds it any more");
    }

    #[test]
    fn a_socket_of_ipv6_that_holds_the_port_of_ipv4_is_found() {
        let Ok(listener) = std::net::TcpListener::bind("[::]:0") else { return };
        let at = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let needed = Needed { node: "x-1".to_owned(), transport: "tcp", at, setting: None };
        assert_eq!(Held::read().by(&needed).and_then(|holder| holder.pid), Some(std::process::id()));
    }

    #[test]
    fn only_listening_rows_count() {
        let row = |state: &str| format!("   0: 0100007F:13C4 00000000:0000 {state} 0:0 0:0 0 0 0 4711 1 x");
        assert_eq!(listening(&row("0A")), Some(("127.0.0.1:5060".parse().unwrap(), 4_711)));
        assert_eq!(listening(&row("01")), None);
        let mapped = row("0A").replace("0100007F", "0000000000000000FFFF00000100007F");
        assert_eq!(listening(&mapped), Some(("127.0.0.1:5060".parse().unwrap(), 4_711)));
        let six = row("0A").replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(listening(&six), Some(("[::1]:5060".parse().unwrap(), 4_711)));
    }
}
