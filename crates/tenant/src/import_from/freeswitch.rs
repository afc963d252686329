//! The configuration of FreeSWITCH's `mod_callcenter`: queues, agents, and the tiers that give agents to queues.

use std::collections::{BTreeMap, HashSet};

use contracts::provisioning::folded_name;

use super::centre::{Centre, SourceAgent, SourceQueue};
use super::directory;
use super::remarks::{Remarks, Spot};
use super::xml::{self, Tag};
use super::{SourceFault, SourceFile};

/// The longest wrap-up of an agent, in seconds.
const WRAP_UP_MAX_S: u32 = 3_600;
/// The longest time that a phone rings, in seconds.
const RING_MAX_S: u32 = 600;

const LEFT_OUT: &str = "left out: it has no counterpart";

/// Reads the configuration, and users of it and of the directory.
pub(super) fn centre(
    callcenter: &SourceFile,
    directory: &[SourceFile],
    remarks: &mut Remarks,
) -> Result<Centre, SourceFault> {
    let root = xml::read(callcenter)?;
    let all = root.all();
    let is_meant = |tag: &&&Tag| tag.name == "configuration" && tag.attribute("name") == Some("callcenter.conf");
    let found = all.iter().find(is_meant).copied();
    let configuration = found.ok_or_else(|| SourceFault {
        file: callcenter.name.clone(),
        line: 1,
        reason: "there is no <configuration name=\"callcenter.conf\"> in it".to_owned(),
    })?;
    if let Some(include) = configuration.all().into_iter().find(|tag| tag.name == "X-PRE-PROCESS") {
        let what = include.attribute("cmd").unwrap_or_default();
        return Err(SourceFault {
            file: callcenter.name.clone(),
            line: include.at.line,
            reason: format!(
                "X-PRE-PROCESS {what} is not followed: give freeswitch.xml.fsxml of FreeSWITCH's log folder"
            ),
        });
    }
    let mut centre = Centre::default();
    directory::read(&root, &mut centre, remarks);
    for file in directory {
        directory::read(&xml::read(file)?, &mut centre, remarks);
    }
    for (param, key, value) in configuration.named("settings").flat_map(|settings| settings.pairs("param")) {
        let value = if key.contains("dsn") { "(a secret)" } else { value };
        remarks.add(&param.at, key, value, LEFT_OUT);
    }
    let queues = names(listed(configuration, "queues", "queue"), "queue", remarks);
    for (name, tag) in &queues {
        centre.queues.push(queue(name.clone(), tag, remarks));
    }
    let agents = names(listed(configuration, "agents", "agent"), "agent", remarks);
    let mut own: BTreeMap<&str, SourceAgent> = BTreeMap::new();
    for (name, tag) in &agents {
        own.insert(tag.attribute("name").unwrap_or_default(), agent(name.clone(), tag, &mut centre, remarks));
    }
    let ours: BTreeMap<&str, &String> =
        queues.iter().filter_map(|(name, tag)| Some((tag.attribute("name")?, name))).collect();
    for tier in listed(configuration, "tiers", "tier") {
        add_tier(tier, &mut own, &ours, remarks);
    }
    centre.agents.extend(own.into_values());
    Ok(centre)
}

fn listed<'a>(root: &'a Tag, list: &'static str, one: &'static str) -> impl Iterator<Item = &'a Tag> {
    root.named(list).flat_map(move |list| list.named(one))
}

/// The elements with names of ours: without the domain where that leaves them different.
fn names<'a>(tags: impl Iterator<Item = &'a Tag>, key: &str, remarks: &mut Remarks) -> Vec<(String, &'a Tag)> {
    let (mut named, mut taken) = (Vec::new(), HashSet::new());
    for tag in tags {
        let Some(name) = tag.attribute("name").filter(|name| !name.is_empty()) else {
            remarks.add(&tag.at, key, "", "left out: it has no name");
            continue;
        };
        let short = name.split('@').next().filter(|short| !short.is_empty()).unwrap_or(name);
        match [short, name].into_iter().find(|name| taken.insert(folded_name(name))) {
            Some(free) => named.push((free.to_owned(), tag)),
            None => remarks.add(&tag.at, key, name, "left out: there is one of that name already"),
        }
    }
    named
}

// === queues ===

fn queue(name: String, tag: &Tag, remarks: &mut Remarks) -> SourceQueue {
    let mut queue = SourceQueue { name, most_wait_s: None, service_level_s: None, wrap_up_s: None, at: tag.at.clone() };
    let is_on = |key: &str| tag.pairs("param").any(|(_, own, value)| own == key && value == "true");
    let (has_tiers, resumes) = (is_on("tier-rules-apply"), is_on("abandoned-resume-allowed"));
    for (param, key, value) in tag.pairs("param") {
        let done = match (key, value) {
            ("strategy", "longest-idle-agent") | ("time-base-score", "queue") => continue,
            ("tier-rules-apply" | "abandoned-resume-allowed" | "skip-agents-with-external-calls", "false") => continue,
            ("max-wait-time" | "max-wait-time-with-no-agent" | "announce-frequency", "0") => continue,
            // Rules that nobody applies.
            (rule, _) if rule.starts_with("tier-rule-") && !has_tiers => continue,
            ("discard-abandoned-after", _) if !resumes => continue,
            ("max-wait-time-with-no-agent-time-reached", _) => continue,
            ("max-wait-time", seconds) => match seconds.parse::<u32>() {
                Ok(most) => {
                    queue.most_wait_s = Some(most);
                    continue;
                }
                Err(_) => "left out: it is not a number of seconds",
            },
            ("strategy", _) => "the agent who has been ready longest takes a call; there is no other strategy",
            ("moh-sound", _) => {
                "callers hear the prompt music; add your own to `prompts` and to the queue's application"
            }
            ("tier-rules-apply", _) => {
                "all tiers are asked at once; the queue's skill has a level for each, for which an expression can ask"
            }
            ("max-wait-time-with-no-agent", _) => {
                "left out: the application hears of `agents` = 0 by queue.submit.accepted and may act on it"
            }
            ("announce-sound" | "announce-frequency", _) => {
                "callers hear all-busy, which comes with the program, between music; change the queue's application"
            }
            ("record-template", _) => "left out: calls are recorded by request",
            _ => LEFT_OUT,
        };
        remarks.add(&param.at, key, value, done);
    }
    queue
}

// === agents ===

fn agent(id: String, tag: &Tag, centre: &mut Centre, remarks: &mut Remarks) -> SourceAgent {
    let mut agent =
        SourceAgent { id, caller: None, phone: None, wrap_up_s: None, queues: BTreeMap::new(), at: tag.at.clone() };
    for (key, value) in &tag.attributes {
        let done = match (key.as_str(), value.as_str()) {
            ("name", _) | ("type", "callback") | ("status", "Logged Out") | ("max-no-answer", "1") => continue,
            ("reject-delay-time" | "busy-delay-time" | "no-answer-delay-time", "0") => continue,
            ("contact", contact) => {
                agent.phone = phone(contact, &tag.at, centre, remarks);
                continue;
            }
            ("wrap-up-time", seconds) => {
                match seconds.parse::<u32>().ok().filter(|seconds| *seconds <= WRAP_UP_MAX_S) {
                    Some(seconds) => {
                        agent.wrap_up_s = Some(seconds);
                        continue;
                    }
                    None => "left out: a wrap-up has at most 3600 seconds",
                }
            }
            ("type", _) => "the agent's phone is called for each call",
            ("status", _) => "agents log in themselves: by *50 at the phone, or by request",
            ("max-no-answer", _) => {
                "an agent who does not answer is made not ready at the first time (`no_answer_action`)"
            }
            ("reject-delay-time" | "busy-delay-time" | "no-answer-delay-time", _) => {
                "an agent who has not taken a call does not get that call again"
            }
            _ => LEFT_OUT,
        };
        remarks.add(&tag.at, key, value, done);
    }
    agent
}

/// The phone of a dial string as `[leg_timeout=10]user/1000@default`.
fn phone(contact: &str, at: &Spot, centre: &mut Centre, remarks: &mut Remarks) -> Option<String> {
    let number = contact
        .split_once("user/")
        .map(|(_, rest)| rest.split(['@', ',', '|', '&', ' ', ']', '}']).next().unwrap_or_default());
    let Some(number) = number.filter(|number| !number.is_empty()) else {
        remarks.add(at, "contact", contact, "the agent has no place: it is no phone of the directory (user/...)");
        return None;
    };
    if contact.matches("user/").count() > 1 || contact.contains("sofia/") {
        remarks.add(at, "contact", contact, format!("the agent's phone is {number} alone"));
    }
    let phone = centre.phone(number);
    if let Some((_, rest)) = contact.split_once("leg_timeout=") {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        match digits.parse::<u32>().ok().filter(|seconds| (1..=RING_MAX_S).contains(seconds)) {
            Some(seconds) => phone.no_answer_s = Some(seconds),
            None => remarks.add(at, "leg_timeout", digits, "left out: a phone rings for 1 to 600 seconds"),
        }
    }
    Some(number.to_owned())
}

// === tiers ===

fn add_tier(
    tier: &Tag,
    agents: &mut BTreeMap<&str, SourceAgent>,
    queues: &BTreeMap<&str, &String>,
    remarks: &mut Remarks,
) {
    let [agent, queue, level, position] = ["agent", "queue", "level", "position"].map(|key| tier.attribute(key));
    let (agent, queue) = (agent.unwrap_or_default(), queue.unwrap_or_default());
    let Some(found) = agents.get_mut(agent) else {
        return remarks.add(&tier.at, "agent", agent, "the tier is left out: there is no such agent in this file");
    };
    let Some(name) = queues.get(queue) else {
        return remarks.add(&tier.at, "queue", queue, "the tier is left out: there is no such queue in this file");
    };
    let steps = level.and_then(|level| level.parse::<u32>().ok()).unwrap_or(1).saturating_sub(1);
    if found.queues.insert((*name).clone(), steps).is_some() {
        remarks.add(&tier.at, "agent", agent, format!("the agent is in {queue} twice: this tier counts"));
    }
    if let Some(position) = position.filter(|position| *position != "1") {
        remarks.add(
            &tier.at,
            "position",
            position,
            "left out: among agents of one level, who has been ready longest is first",
        );
    }
}
