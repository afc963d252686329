//! Observes an installation: metrics, memory; and sends requests to the public interface.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Installation, wait};

const ANSWER_LIMIT: Duration = Duration::from_secs(45);
/// Below the 50 s after which media ends the calls of those who have fallen silent: what is left over must not end by that.
const SETTLE_LIMIT: Duration = Duration::from_secs(40);

/// An answer to an HTTP request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// Third octet of a role's addresses, and the port of its admin interface.
fn admin_place(role: &str) -> Result<(u8, u16)> {
    Ok(match role {
        "sip-proxy" => (1, 11_400),
        "sip-cluster" => (2, 11_300),
        "sip-vq" => (3, 9_090),
        "registrar" => (4, 11_500),
        "dialplan" => (5, 9_090),
        "config" => (6, 9_090),
        "frontend" => (7, 9_090),
        "agent-state" => (8, 11_000),
        "call-state" => (9, 11_900),
        "rq" => (10, 9_090),
        "ors" => (11, 11_200),
        "media" => (13, 9_090),
        "webrtc" => (14, 9_090),
        "tenant" => (16, 15_000),
        "gws-proxy" => (20, 9_090),
        "gws-configuration" => (21, 9_090),
        "gws-data-collector" => (22, 9_090),
        "gws-interaction" => (23, 9_090),
        "gws-voice" => (24, 9_090),
        "gws-setting" => (26, 9_090),
        "gws-statistics" => (25, 9_090),
        "gws-workspace" => (27, 9_090),
        "gws-provisioning" => (28, 9_090),
        "pulse" => (30, 8_090),
        "ingress" => (40, 9_090),
        "auth" => (41, 9_090),
        "telemetry" => (42, 9_107),
        "bds" => (43, 9_090),
        "wfm-adapter" => (44, 9_090),
        "agent-setup" => (45, 9_090),
        "salesforce-adapter" => (46, 9_090),
        _ => bail!("no role {role} is known here"),
    })
}

impl Installation {
    /// The address of a role's admin interface.
    pub fn admin(&self, role: &str) -> Result<SocketAddr> {
        self.admin_of(role, 1)
    }

    /// The address of the admin interface of one replica.
    pub fn admin_of(&self, role: &str, replica: u8) -> Result<SocketAddr> {
        let (third, port) = admin_place(role)?;
        Ok((Ipv4Addr::new(127, self.demo.instance, third, replica), port).into())
    }

    /// The sum of a metric of a role over its labels.
    ///
    /// # Errors
    /// If the role has no metric of this name.
    pub fn metric(&self, role: &str, name: &str) -> Result<f64> {
        self.metric_of(role, 1, name)
    }

    /// Like [`Self::metric`], for one replica.
    pub fn metric_of(&self, role: &str, replica: u8, name: &str) -> Result<f64> {
        let answer = self.http(self.admin_of(role, replica)?, "GET", "/metrics", "")?;
        ensure!(answer.status == 200, "metrics of {role}: {}", answer.status);
        let named = answer.body.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            (rest.starts_with(' ') || rest.starts_with('{')).then(|| rest.rsplit(' ').next())?
        });
        let values: Vec<f64> = named.filter_map(|value| value.parse().ok()).collect();
        ensure!(!values.is_empty(), "{role} has no metric {name}");
        Ok(values.iter().sum())
    }

    /// Waits until a metric has this value.
    pub fn metric_becomes(&self, role: &str, name: &str, wanted: f64, limit: Duration) -> Result<()> {
        let mut last = None;
        let come = wait::until(limit, || {
            // A role that restarts does not answer for a moment.
            last = self.metric(role, name).ok();
            Ok((last == Some(wanted)).then_some(()))
        });
        come.with_context(|| format!("{name} of {role} is {last:?}, not {wanted}"))
    }

    /// Sends a request frame to the public interface, as the operator of the demo.
    pub fn request(&self, frame: &Value) -> Result<()> {
        let place = self.demo.web.trim_start_matches("http://").parse()?;
        let answer = self.http(place, "POST", "/api/voice/v1/example/requests", &frame.to_string())?;
        ensure!(answer.status == 202, "{frame} is answered {} {}", answer.status, answer.body);
        Ok(())
    }

    /// Logs an agent in at an extension and sets the agent ready through the public interface.
    pub fn log_in(&self, extension: &str) -> Result<()> {
        let person = self.demo.people.iter().find(|person| person.extension == extension);
        let agent = &person.with_context(|| format!("nobody has the extension {extension}"))?.agent;
        self.request(&serde_json::json!({"req": "TAgentLogin", "ThisDN": extension, "AgentID": agent}))?;
        self.request(&serde_json::json!({"req": "TAgentSetReady", "ThisDN": extension}))
    }

    /// One HTTP/1.1 exchange with the operator's token.
    pub fn http(&self, to: SocketAddr, method: &str, path: &str, body: &str) -> Result<Answer> {
        let token = self.demo.tokens.get("operator").context("no operator's token")?;
        self.http_with(to, method, path, &format!("Authorization: Bearer {token}\r\n"), body)
    }

    /// One HTTP/1.1 exchange with these headers, each ended by CR LF.
    pub fn http_with(&self, to: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\n{headers}Connection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        // A refusal may arrive before everything is sent, and the connection may be closed after it.
        let sent = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        if bytes.is_empty() {
            sent?;
            read?;
        }
        read_answer(&String::from_utf8_lossy(&bytes))
    }

    /// Waits until no call, media dialog, session, queue request or call thread is left.
    pub fn is_at_rest(&self) -> Result<()> {
        for (role, name) in [
            ("sip-cluster", "sipcluster_calls"),
            ("media", "media_legs"),
            ("ors", "orsnode_strategies"),
            ("rq", "rq_requests_open"),
            ("call-state", "callthread_call_threads"),
        ] {
            self.metric_becomes(role, name, 0.0, SETTLE_LIMIT)?;
        }
        Ok(())
    }

    /// Resident memory of the process, in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}

fn read_answer(text: &str) -> Result<Answer> {
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no HTTP answer")?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok(Answer { status, body: if chunked { joined(body) } else { body.to_owned() } })
}

/// The concatenated chunks of a body.
fn joined(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let Ok(length) = usize::from_str_radix(length.trim(), 16) else { break };
        let Some(chunk) = after.get(..length).filter(|chunk| !chunk.is_empty()) else { break };
        body.push_str(chunk);
        rest = after.get(length + 2..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_and_in_chunks() {
        let whole = read_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!((whole.status, whole.body.as_str()), (200, "hi"));
        let chunks = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(read_answer(chunks).unwrap().body, "abc");
    }
}
