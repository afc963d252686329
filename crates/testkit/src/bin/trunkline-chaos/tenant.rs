//! The tenant under load: the example tenant plus a route point, an application, agents and numbers for each kind of call.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::outside;

/// The password of every phone added here.
pub const PASSWORD: &str = "in-the-storm";
/// The number dialled by urgent callers: the same queue as other waiting callers, with a higher priority.
pub const URGENT: &str = "+15559107000";
const URGENT_PRIORITY: u8 = 10;
/// Length of the announcement of a call in treatment, in seconds.
pub const TREATMENT_S: u64 = 15;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Through a queue to an agent; the caller hangs up. The only kind with audio.
    Talk,
    /// Through a queue to an agent; the agent hangs up.
    Leave,
    /// Through a queue to an agent; the agent puts the caller on hold.
    Hold,
    /// Through a queue to an agent; the phone rings for long, and the agent hangs up.
    Ring,
    /// Waits long in a queue for few agents.
    Wait,
    /// Hears an announcement of its application, which then ends the call.
    Treat,
    /// Dials a phone that rings for long: the caller's INVITE has no final answer.
    Early,
    /// Through a queue to an agent, who consults a colleague, or is called by one, and transfers the call to it; the caller hangs up.
    Consult,
    /// Through a queue to an agent, who brings three colleagues in; the call is cleared.
    Confer,
    /// Through a queue to an agent, to whom a supervisor listens; the caller hangs up.
    Monitor,
    /// Many INVITEs at the time of the kill.
    Burst,
    /// No call of its own: the phones that agents consult.
    Colleague,
    /// No call of its own: the phones that are brought in, and those of supervisors.
    Guest,
}

/// The kinds that are part of the constant load.
pub const KINDS: [Kind; 12] = [
    Kind::Talk,
    Kind::Leave,
    Kind::Hold,
    Kind::Ring,
    Kind::Wait,
    Kind::Treat,
    Kind::Early,
    Kind::Consult,
    Kind::Confer,
    Kind::Monitor,
    Kind::Colleague,
    Kind::Guest,
];

impl Kind {
    /// Its name, also the name of its queue and skill.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Talk => "talk",
            Self::Leave => "leave",
            Self::Hold => "hold",
            Self::Ring => "ring",
            Self::Wait => "wait",
            Self::Treat => "treat",
            Self::Early => "early",
            Self::Consult => "consult",
            Self::Confer => "confer",
            Self::Monitor => "monitor",
            Self::Burst => "burst",
            Self::Colleague => "colleague",
            Self::Guest => "guest",
        }
    }

    /// Its share of the new calls.
    pub const fn share(self) -> f64 {
        match self {
            Self::Talk => 0.12,
            Self::Hold => 0.11,
            Self::Wait | Self::Ring => 0.13,
            Self::Leave => 0.04,
            Self::Treat | Self::Early => 0.10,
            Self::Consult => 0.16,
            Self::Confer => 0.05,
            Self::Monitor => 0.06,
            Self::Burst | Self::Colleague | Self::Guest => 0.0,
        }
    }

    /// Whether it goes through a queue to an agent.
    pub const fn is_queued(self) -> bool {
        matches!(self, Self::Talk | Self::Leave | Self::Hold | Self::Ring | Self::Wait) || self.is_handled()
    }

    /// Whether requests handle it further once an agent has it.
    pub const fn is_handled(self) -> bool {
        matches!(self, Self::Consult | Self::Confer | Self::Monitor)
    }

    /// Whether the other side ends the call.
    pub const fn is_ended_by_far_side(self) -> bool {
        matches!(self, Self::Leave | Self::Ring | Self::Wait | Self::Treat | Self::Confer)
    }

    /// Number of phones that it needs at a total call rate: those busy at once, plus some.
    pub fn phones(self, rate: f64) -> u16 {
        let seconds = match self {
            Self::Talk | Self::Leave | Self::Hold | Self::Monitor => 22.0,
            Self::Ring | Self::Early => 24.0,
            Self::Consult => 40.0,
            Self::Confer => 32.0,
            // Each call takes an agent for about a second and a half: slightly too few agents, so that calls wait.
            Self::Wait => return (rate * self.share() * 1.2).floor().max(1.0) as u16,
            Self::Colleague => return enough(rate * Self::Consult.share() * 45.0),
            // Three for each conference, one for each monitored call.
            Self::Guest => return enough(rate * (3.0 * Self::Confer.share() * 24.0 + Self::Monitor.share() * 22.0)),
            Self::Treat | Self::Burst => return 0,
        };
        enough(rate * self.share() * seconds)
    }

    const fn first_phone(self) -> u16 {
        match self {
            Self::Talk => 5_000,
            Self::Leave => 5_200,
            Self::Hold => 5_400,
            Self::Ring => 5_600,
            Self::Wait => 5_800,
            Self::Early => 6_000,
            Self::Consult => 6_500,
            Self::Confer => 6_700,
            Self::Monitor => 6_900,
            Self::Colleague => 8_000,
            Self::Guest => 8_200,
            Self::Treat | Self::Burst => 6_400,
        }
    }

    /// The numbers of its phones.
    pub fn phone_numbers(self, rate: f64) -> Vec<String> {
        let first = self.first_phone();
        (first..first + self.phones(rate)).map(|number| number.to_string()).collect()
    }

    fn route_point(self) -> Option<&'static str> {
        Some(match self {
            Self::Talk => "9101",
            Self::Leave => "9102",
            Self::Hold => "9103",
            Self::Ring => "9104",
            Self::Wait => "9105",
            Self::Treat => "9106",
            Self::Consult => "9111",
            Self::Confer => "9112",
            Self::Monitor => "9113",
            Self::Early | Self::Burst | Self::Colleague | Self::Guest => return None,
        })
    }

    /// The numbers dialled by its callers, in turn.
    pub fn dialled(self, rate: f64) -> Vec<String> {
        match self {
            // The example's echo service.
            Self::Burst => vec!["+15550103".to_owned()],
            // One call in four is urgent.
            Self::Wait => [["+15559105000"; 3].as_slice(), &[URGENT]].concat().into_iter().map(str::to_owned).collect(),
            Self::Early => self.phone_numbers(rate).iter().map(|number| format!("+1555{number}000")).collect(),
            _ => self.route_point().map(|point| format!("+1555{point}000")).into_iter().collect(),
        }
    }
}

/// As many phones as are busy on average, plus some.
fn enough(busy: f64) -> u16 {
    busy.ceil() as u16 + 2
}

/// The priority of a waiting call, by the dialled number.
pub fn priority_of(dialled: &str) -> u8 {
    if dialled == URGENT { URGENT_PRIORITY } else { 0 }
}

/// Adds all this to a copy of the example tenant's files.
pub fn extend(folder: &Path, rate: f64, edge: &str) -> Result<()> {
    let file = folder.join("example-tenant.yaml");
    let mut text = std::fs::read_to_string(&file).context("the example tenant")?;
    let (mut phones, mut places, mut people) = (String::new(), String::new(), String::new());
    let (mut points, mut applications, mut numbers) = (String::new(), String::new(), String::new());
    for kind in KINDS {
        let name = kind.name();
        for number in kind.phone_numbers(rate) {
            writeln!(phones, "  - {{number: \"{number}\", password: {PASSWORD}}}")?;
            writeln!(places, "  - {{name: \"P{number}\", dns: [\"{number}\"]}}")?;
            if kind.is_queued() {
                writeln!(people, "  - user: {name}.{number}\n    first_name: {name}\n    last_name: N{number}")?;
                writeln!(
                    people,
                    "    agent: {{id: \"{number}\", login_code: \"{number}\", place: \"P{number}\", \
                     wrap_up_s: 0, skills: {{chaos_{name}: 5}}}}"
                )?;
            }
            if kind == Kind::Early {
                writeln!(numbers, "  - {{number: \"+1555{number}000\", name: early-{number}, dn: \"{number}\"}}")?;
            }
        }
        if let Some(point) = kind.route_point() {
            writeln!(points, "  - {{number: \"{point}\", application: chaos_{name}}}")?;
            writeln!(applications, "  chaos_{name}: applications/chaos-{name}.scxml")?;
            for number in kind.dialled(rate).iter().collect::<BTreeSet<_>>() {
                writeln!(numbers, "  - {{number: \"{number}\", name: chaos-{name}{number}, dn: \"{point}\"}}")?;
            }
            std::fs::write(folder.join(format!("applications/chaos-{name}.scxml")), application(kind))?;
        }
    }
    for (section, lines) in [
        ("\nphones:\n", phones + &outside::phones()),
        ("\ntrunks:\n", outside::trunk(edge)?),
        ("\nplaces:\n", places),
        ("\npeople:\n", people),
        ("\nroute_points:\n", points),
        ("\napplications:\n", applications),
        ("\nnumbers:\n", numbers),
    ] {
        text = text.replacen(section, &format!("{section}{lines}"), 1);
    }
    let names: Vec<String> = KINDS.iter().filter(|k| k.is_queued()).map(|k| format!("chaos_{}", k.name())).collect();
    text = text.replacen("\nskills: [", &format!("\nskills: [{}, ", names.join(", ")), 1);
    text = text.replacen("\nqueues: [", &format!("\nqueues: [{}, ", names.join(", ")), 1);
    std::fs::write(&file, text)?;
    Ok(())
}

fn application(kind: Kind) -> String {
    let name = kind.name();
    let head = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<scxml version="1.0" name="chaos_{name}" initial="begin" datamodel="ecmascript" xmlns="http://www.w3.org/2005/07/scxml"
       xmlns:dialog="urn:trunkline:dialog" xmlns:queue="urn:trunkline:queue" xmlns:ixn="urn:trunkline:interaction">
  <datamodel><data id="request"/></datamodel>
"#
    );
    let body = if kind == Kind::Treat {
        format!(
            r#"  <state id="begin"><transition event="interaction.present" target="plays"/></state>
  <state id="plays">
    <onentry><dialog:playsound type="'music'" resource="'music'" duration="{TREATMENT_S}"/></onentry>
    <transition event="dialog.playsound.done" target="goodbye"/>
  </state>
  <state id="goodbye">
    <onentry><ixn:terminate/></onentry>
    <transition event="interaction.terminate.done error.interaction.terminate" target="done"/>
  </state>
"#
        )
    } else {
        format!(
            r#"  <state id="begin"><transition event="interaction.present" target="waiting"/></state>
  <state id="waiting">
    <onentry>
      <queue:submit requestid="request" queue="'chaos_{name}'" priority="_data.dnis == '{URGENT}' ? {URGENT_PRIORITY} : 0">
        <queue:targets><queue:target type="'agentgroup'" skillexpr="'chaos_{name} &gt;= 1'"/></queue:targets>
        <dialog:runtreatments><dialog:playsound type="'music'" resource="'music'" duration="20"/></dialog:runtreatments>
      </queue:submit>
    </onentry>
    <transition event="queue.submit.done" cond="_event.data.requestid == request" target="done"/>
    <transition event="error.queue.submit" target="again"/>
    <transition event="error.queue"/>
    <transition event="error.dialog"/>
  </state>
  <state id="again">
    <onentry>
      <dialog:playsound type="'music'" resource="'music'" duration="1"/>
      <send event="retry" delay="1s"/>
    </onentry>
    <transition event="retry" target="waiting"/>
    <transition event="dialog error.dialog"/>
  </state>
"#
        )
    };
    format!("{head}{body}  <final id=\"done\"/>\n</scxml>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole_and_no_two_kinds_have_a_phone_in_common() {
        let whole: f64 = KINDS.iter().map(|kind| kind.share()).sum();
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");
        let all: Vec<String> = KINDS.iter().flat_map(|kind| kind.phone_numbers(20.0)).collect();
        let mut once = all.clone();
        once.sort();
        once.dedup();
        assert_eq!(all.len(), once.len());
        assert!(all.len() > 200);
    }
}
