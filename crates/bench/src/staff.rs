//! Agents at work: their phones are played by SIPp, all at one address, and they are logged in and ready.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use testkit::sipp::Running;
use testkit::{Endpoint, Installation, Sipp};

const FIRST_AGENT: u32 = 7101;
/// Number of agents.
pub const AGENTS: u32 = 20;
const SOON: Duration = Duration::from_secs(15);

/// The agents; they stop when dropped.
pub struct Staff {
    _phones: Running,
    /// A destination for audio that is not played.
    pub nobody: Endpoint,
}

impl Staff {
    /// Registers the agents' phones and logs the agents in.
    pub fn begin(site: &Installation, folder: &Path) -> Result<Self> {
        let agents: Vec<String> = (FIRST_AGENT..FIRST_AGENT + AGENTS).map(|n| n.to_string()).collect();
        register(site, &agents, folder)?;
        let nobody = Endpoint::listen(site.peer_address(2).into())?;
        let phones = testkit::agents::sipp_phone(site, 2, "agent.xml", &nobody, &["-d", "200", "-m", "1000000"])?;
        for agent in &agents {
            site.log_in(agent)?;
        }
        Ok(Self { _phones: phones, nobody })
    }
}

/// Registers every agent's phone at one address.
fn register(site: &Installation, agents: &[String], folder: &Path) -> Result<()> {
    let users: String = agents
        .iter()
        .filter_map(|agent| site.demo.people.iter().find(|p| p.extension == *agent))
        .map(|p| format!("{0};[authentication username={0} password={1}]\n", p.extension, p.password))
        .collect();
    let file = folder.join("agents.csv");
    fs::write(&file, format!("SEQUENTIAL\n{users}"))?;
    let scenario = crate::files().join("register.xml").display().to_string();
    Sipp::new(&scenario, site.peer_address(2), &site.sip())
        .with(&["-inf", &file.display().to_string()])
        .calls(AGENTS, 20, AGENTS)
        .run(SOON)?
        .expect_success()
}
