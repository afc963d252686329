//! rtpengine's NG protocol, as far as a plain session needs it: a cookie and a bencoded dictionary in a datagram.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::load::Load;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Sets up every session and sets the phones' destinations. The second phone of each has its audio in clear.
pub fn connect(control: &str, load: &Load) -> Result<()> {
    let local: SocketAddr = control.parse()?;
    let socket = UdpSocket::bind((local.ip(), 0))?;
    socket.connect(control)?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    for (number, phones) in load.conferences().into_iter().enumerate() {
        let [caller, callee] = phones.as_slice() else { bail!("a session has two phones") };
        let call = format!("call{number}");
        let tags = [("from-tag", "a"), ("to-tag", "b")];
        let for_callee = ask(&socket, "offer", &call, &tags[..1], caller)?;
        let for_caller = ask(&socket, "answer", &call, &tags, callee)?;
        load.answered(number, &[for_caller, for_callee])?;
    }
    Ok(())
}

/// The audio address in rtpengine's description.
fn ask(socket: &UdpSocket, command: &str, call: &str, tags: &[(&str, &str)], sdp: &str) -> Result<SocketAddr> {
    // The keys of a bencoded dictionary must be sorted.
    let mut entries = vec![("call-id", call), ("command", command), ("ICE", "remove"), ("sdp", sdp)];
    if command == "offer" {
        entries.push(("transport-protocol", "RTP/AVP"));
    }
    entries.extend_from_slice(tags);
    entries.sort_unstable();
    let body: String = entries.iter().map(|(key, value)| string(key) + &string(value)).collect();
    socket.send(format!("{call}{command} d{body}e").as_bytes())?;
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).context("rtpengine does not answer")?;
    let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
    ensure!(text.contains("6:result2:ok"), "rtpengine: {text}");
    let (_, sdp) = text.split_once("3:sdp").context("no description from rtpengine")?;
    let (_, sdp) = sdp.split_once(':').context("no description from rtpengine")?;
    address(sdp)
}

fn string(text: &str) -> String {
    format!("{}:{text}", text.len())
}

/// The audio address of a description.
pub fn address(sdp: &str) -> Result<SocketAddr> {
    let line = |start: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(start));
    let ip = line("c=IN IP4 ").context("no address in the description")?;
    let port = line("m=audio ").and_then(|rest| rest.split(' ').next()).context("no port in the description")?;
    Ok(SocketAddr::new(ip.parse()?, port.parse()?))
}
