//! Datagrams dropped by the kernel because a UDP socket is not read fast enough: the socket itself does not report them.

use std::net::{IpAddr, SocketAddr};

/// The number of datagrams dropped by the kernel for the socket bound to `local`, since it was bound. Reads a table of all UDP
/// sockets, so do not call it in a time-critical loop.
///
/// # Errors
/// When the table cannot be read.
pub fn dropped(local: SocketAddr) -> std::io::Result<u64> {
    let table = if local.is_ipv4() { "/proc/self/net/udp" } else { "/proc/self/net/udp6" };
    Ok(dropped_in(&std::fs::read_to_string(table)?, local))
}

/// The last column of the socket's line; 0 if there is none.
fn dropped_in(table: &str, local: SocketAddr) -> u64 {
    let address = kernels_name(local);
    let line = table.lines().find(|line| line.split_whitespace().nth(1) == Some(&address));
    line.and_then(|line| line.split_whitespace().next_back()?.parse().ok()).unwrap_or_default()
}

/// An address in the kernel's notation: words of 32 bits as the machine stores them, then the port.
fn kernels_name(local: SocketAddr) -> String {
    let word = |bytes: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*bytes));
    let ip: String = match local.ip() {
        IpAddr::V4(ip) => word(&ip.octets()),
        IpAddr::V6(ip) => ip.octets().as_chunks::<4>().0.iter().map(word).collect(),
    };
    format!("{ip}:{:04X}", local.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  391: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 26713 2 0000000000000000 17
  455: 00000000:1404 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 26714 2 0000000000000000 4
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_drops_of_a_socket_stand_in_its_line() {
        let of = |local: &str| dropped_in(TABLE, local.parse().unwrap());
        assert_eq!((of("127.0.0.1:5060"), of("0.0.0.0:5124"), of("127.0.0.1:5124")), (17, 4, 0));
        assert_eq!(kernels_name("[2001:db8::1]:5060".parse().unwrap()), "B80D0120000000000000000001000000:13C4");
    }
}
