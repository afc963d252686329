//! The installation that desktops of this load need, and no more of it: on Redis and PostgreSQL, two replicas of gws-workspace and one
//! gws-voice in processes of their own.
//!
//! sip-cluster and agent-state log agents in, and sip-cluster needs a proxy for that. No phone and no carrier is there.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use identity::password;
use testkit::Servers;

use crate::process::{Cpu, Process};
use crate::site::{Roles, Site, tenant_head};

/// The measured roles, as `trunkline specs` names them.
pub const WORKSPACE: &str = "gws-workspace";
/// The second of them.
pub const VOICE: &str = "gws-voice";
/// The third.
pub const PROXY: &str = "gws-proxy";
/// The fourth: it passes the tenant's events on.
pub const TENANT_ROLE: &str = "tenant";
/// Replicas of gws-workspace.
pub const REPLICAS: u8 = 2;

/// The client by which people sign in, and its secret.
pub const CLIENT: [(&str, &str); 2] = [("client_id", "bench"), ("client_secret", "wide-white-saucer")];
/// The password of all people.
pub const PASSWORD: &str = "tall-green-kettle";

/// Roles that share a process, in the order in which the processes start. Of those that are measured, each has one of its own.
const GROUPS: [&[&str]; 6] = [
    &[TENANT_ROLE],
    &["config", "sip-proxy", "sip-cluster", "frontend", "agent-state"],
    &["auth", "gws-configuration", "gws-setting", "gws-statistics"],
    &[VOICE],
    &[PROXY],
    &[WORKSPACE],
];
const STORES: &[&str] = &["--set", "stores.mode=real"];
const PORT: u16 = 8080;
const SALT: [u8; password::SALT_BYTES] = [7; password::SALT_BYTES];

/// The running installation; its roles end before its servers.
pub struct DesktopSite {
    roles: Vec<(&'static str, Roles)>,
    /// Its addresses.
    pub site: Site,
    _servers: Servers,
}

impl DesktopSite {
    /// Starts it with a tenant of so many people, and waits until each role is ready.
    pub fn start(instance: u8, folder: &Path, people: u32) -> Result<Self> {
        let servers = Servers::start(instance)?;
        let site = Site::empty(instance, folder, STORES);
        let file = folder.join("tenant.yaml");
        fs::write(&file, tenant(people)?)?;
        site.import(&file)?;
        let mut started = Self { roles: Vec::new(), site, _servers: servers };
        for group in GROUPS {
            let replicas = if group == [WORKSPACE] { REPLICAS } else { 1 };
            for replica in 1..=replicas {
                started.start_group(group, replica)?;
            }
        }
        Ok(started)
    }

    fn start_group(&mut self, group: &[&'static str], replica: u8) -> Result<()> {
        let count = format!("replicas.gws_workspace={REPLICAS}");
        // Nothing behind the proxy takes calls, and without this it would not say that it is ready.
        let route = format!("sip-proxy.static_route={}:5060", self.site.peer(2));
        let mut roles = self.site.run_replicas(group, replica, &[&count, &route])?;
        for role in group {
            self.site.wait_replica_ready(role, replica, &mut roles)?;
        }
        let name = *group.first().context("a process without roles")?;
        self.roles.push((name, roles));
        Ok(())
    }

    /// Where people get their tokens.
    pub fn auth(&self) -> Result<SocketAddr> {
        self.site.role("auth", PORT)
    }

    /// Where desktops ask.
    pub fn web(&self) -> Result<SocketAddr> {
        self.site.role(PROXY, PORT)
    }

    fn processes(&self, role: &str) -> impl Iterator<Item = &Process> {
        self.roles.iter().filter(move |(name, _)| *name == role).map(|(_, roles)| &roles.process)
    }

    /// CPU of all replicas of a measured role so far.
    pub fn cpu(&self, role: &str) -> Result<Cpu> {
        self.processes(role).map(Process::cpu).sum()
    }

    /// Memory in use (`VmRSS`) of all replicas of a measured role, in bytes.
    pub fn resident(&self, role: &str) -> u64 {
        self.processes(role).map(Process::resident).sum()
    }

    /// Open sockets of all replicas of a measured role.
    pub fn sockets(&self, role: &str) -> usize {
        self.processes(role).map(Process::sockets).sum()
    }

    /// Fails if a role has ended.
    pub fn expect_running(&mut self) -> Result<()> {
        self.roles.iter_mut().try_for_each(|(_, roles)| roles.process.expect_running())
    }
}

/// The number of a person's phone.
pub fn dn(person: u32) -> String {
    format!("{}", 40_000 + person)
}

/// The agent that a person is.
pub fn agent(person: u32) -> String {
    format!("{person:05}")
}

/// A person's user name.
pub fn user(person: u32) -> String {
    format!("agent{person:05}")
}

/// People who are agents, a phone for each, and the client by which they sign in. All have one hash of one password: the import makes none.
fn tenant(people: u32) -> Result<String> {
    let hash = password::hash(PASSWORD, SALT)?;
    let mut text = format!("{}wrap_up_s: 1\nphones:\n", tenant_head());
    for person in 0..people {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  - {{number: \"{}\", password: \"{PASSWORD}\"}}", dn(person));
    }
    text.push_str("people:\n");
    for person in 0..people {
        let (user, agent) = (user(person), agent(person));
        let _ = writeln!(
            text,
            "  - {{user: {user}, first_name: Pat, last_name: Bench, password: \"{hash}\", agent: {{id: \"{agent}\"}}}}"
        );
    }
    let [(_, id), (_, secret)] = CLIENT;
    let _ = writeln!(
        text,
        "clients:\n  - id: {id}\n    name: Benchmark\n    secret: \"{secret}\"\n    grants: [password]\n    \
         scopes: [agents:control, calls:control, calls:read, workspace:use]"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_has_a_phone_and_nobody_a_password_in_clear() {
        let text = tenant(3).unwrap();
        assert_eq!(text.matches("number: \"4000").count(), 3);
        assert_eq!(text.matches("password: \"$argon2id$").count(), 3, "{text}");
        assert!(text.contains("{user: agent00002, ") && text.contains("agent: {id: \"00002\"}"), "{text}");
    }
}
