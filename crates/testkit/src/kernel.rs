//! The kernel's table of a process's TCP connections with the bytes of each, from `ss`.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// One established TCP connection as seen from one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    inode: u64,
}

/// The established TCP connections of a process.
pub fn connections(pid: u32) -> Result<Vec<Socket>> {
    let held = sockets_of(pid)?;
    let output = Command::new("ss")
        .args(["-Htnie", "state", "established"])
        .output()
        .context("ss is not installed: script/bootstrap installs it")?;
    ensure!(output.status.success(), "ss: {}", String::from_utf8_lossy(&output.stderr));
    let all = read(&String::from_utf8_lossy(&output.stdout));
    Ok(all.into_iter().filter(|socket| held.contains(&socket.inode)).collect())
}

/// The processes of an installation with one process per role, by their nodes, such as `sip-cluster-1`.
pub fn processes(supervisor: u32) -> Result<BTreeMap<String, u32>> {
    let listed = Command::new("ps").args(["-o", "pid=,args=", "--ppid", &supervisor.to_string()]).output()?;
    Ok(String::from_utf8_lossy(&listed.stdout).lines().filter_map(node_of).collect())
}

fn node_of(line: &str) -> Option<(String, u32)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
    Some((format!("{}-{}", after("run")?, after("--replica")?), words.first()?.parse().ok()?))
}

/// The inodes of a process's sockets.
fn sockets_of(pid: u32) -> Result<HashSet<u64>> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    let inode = |target: std::path::PathBuf| {
        let text = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
        text.parse().ok()
    };
    Ok(targets.filter_map(inode).collect())
}

/// Parses the output: a connection has a line with its ends, and an indented one with its counters.
fn read(text: &str) -> Vec<Socket> {
    let mut all: Vec<Socket> = Vec::new();
    for line in text.lines() {
        if line.starts_with(char::is_whitespace) {
            if let Some(last) = all.last_mut() {
                last.sent = count(line, "bytes_sent:");
                last.received = count(line, "bytes_received:");
            }
        } else if let Some(socket) = read_ends(line) {
            all.push(socket);
        }
    }
    all
}

fn read_ends(line: &str) -> Option<Socket> {
    let mut cells = line.split_whitespace().skip(2);
    let (local, remote) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    let inode = cells.find_map(|cell| cell.strip_prefix("ino:")?.parse().ok())?;
    Some(Socket { local, remote, sent: 0, received: 0, inode })
}

fn count(line: &str, name: &str) -> u64 {
    let found = line.split_whitespace().find_map(|cell| cell.strip_prefix(name)?.parse().ok());
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::wait;

    const LISTED_WITHIN: Duration = Duration::from_secs(30);

    #[test]
    fn both_lines_of_a_connection_are_read() {
        let text = "0      0      127.0.0.1:9999   127.0.0.1:38322 ino:967950 sk:108 cgroup:/ <->\n\
                    \t ts sack cubic rtt:0.022/0.011 bytes_sent:7 bytes_acked:8 bytes_received:5 segs_out:1\n\
                    0      0      [::1]:22   [::1]:4 ino:9 sk:1\n\t ts\n";
        let all = read(text);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].local.port(), all[0].remote.port(), all[0].inode), (9_999, 38_322, 967_950));
        assert_eq!((all[0].sent, all[0].received, all[1].sent), (7, 5, 0));
    }

    #[test]
    fn a_process_is_known_by_its_command_line() {
        let line = " 4711 /x/trunkline run sip-cluster --supervised-by 12 --replica 2 --instance 60";
        assert_eq!(node_of(line), Some(("sip-cluster-2".to_owned(), 4711)));
        assert_eq!(node_of("1 /sbin/init"), None);
    }

    #[test]
    fn our_own_connection_is_there_with_its_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.write_all(b"hello").unwrap();
        let own = stream.local_addr().unwrap();
        // The kernel lists while other tests open and close connections, and may leave one out.
        let listed = || Ok(connections(std::process::id())?.into_iter().find(|socket| socket.local == own));
        let found = wait::until(LISTED_WITHIN, listed).unwrap();
        assert_eq!((found.remote, found.sent), (listener.local_addr().unwrap(), 5));
    }
}
