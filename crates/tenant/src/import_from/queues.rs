//! The queues of Asterisk's `queues.conf` and their members.

use std::collections::BTreeMap;

use super::centre::{Centre, SourceAgent, SourceQueue};
use super::ini::{self, IniSection, IniSetting};
use super::remarks::Remarks;
use super::{SourceFault, SourceFile};

/// The longest wrap-up and the longest time of a service level, in seconds.
const WRAP_UP_MAX_S: u32 = 3_600;
const SERVICE_LEVEL_MAX_S: u32 = 86_400;
/// The longest time that a phone rings, in seconds.
const RING_MAX_S: u32 = 600;

const LEFT_OUT: &str = "left out: it has no counterpart";

/// Reads the file. Phones that its members name are there already if `pjsip.conf` has them.
pub(super) fn read(file: &SourceFile, centre: &mut Centre, remarks: &mut Remarks) -> Result<(), SourceFault> {
    let sections = ini::read(file)?;
    let mut members = BTreeMap::new();
    let mut timeouts = Vec::new();
    for section in &sections {
        if section.name == "general" {
            section.settings.iter().for_each(|one| remarks.add(&one.at, &one.key, &one.value, LEFT_OUT));
            continue;
        }
        if centre.queues.iter().any(|queue| queue.name.eq_ignore_ascii_case(&section.name)) {
            remarks.add(&section.at, "queue", &section.name, "left out: there is a queue of that name already");
            continue;
        }
        centre.queues.push(queue(section, remarks));
        timeouts.push(section.last("timeout"));
        for setting in section.every("member") {
            add_member(setting, &section.name, centre, &mut members, remarks);
        }
    }
    centre.no_answer_s = ring_time(&timeouts, remarks);
    centre.agents.extend(members.into_values());
    Ok(())
}

fn queue(section: &IniSection, remarks: &mut Remarks) -> SourceQueue {
    let mut queue = SourceQueue {
        name: section.name.clone(),
        most_wait_s: None,
        service_level_s: None,
        wrap_up_s: None,
        at: section.at.clone(),
    };
    let strategy = "the agent who has been ready longest takes a call; there is no other strategy";
    if section.last("strategy").is_none() {
        remarks.add(&section.at, "strategy", "ringall, the default", strategy);
    }
    let up_to = |value: &str, most: u32| value.parse::<u32>().ok().filter(|seconds| *seconds <= most);
    for setting in &section.settings {
        let (key, value) = (setting.key.as_str(), setting.value.as_str());
        let done = match (key, value) {
            ("member" | "timeout", _) | ("strategy", "leastrecent") | ("weight" | "maxlen", "0") => continue,
            ("autofill", value) if ini::is_on(value) => continue,
            ("ringinuse", value) if !ini::is_on(value) => continue,
            ("wrapuptime", _) => {
                queue.wrap_up_s = up_to(value, WRAP_UP_MAX_S);
                if queue.wrap_up_s.is_some() {
                    continue;
                }
                "left out: a wrap-up has at most 3600 seconds"
            }
            ("servicelevel", _) => {
                queue.service_level_s = up_to(value, SERVICE_LEVEL_MAX_S);
                if queue.service_level_s.is_some() {
                    continue;
                }
                "left out: a service level has at most 86400 seconds"
            }
            ("strategy", _) => strategy,
            ("musicclass" | "musiconhold", _) => {
                "callers hear the prompt music; add your own to `prompts` and to the queue's application"
            }
            ("weight", _) => "left out: give `priority` in the queue's application",
            ("autopause" | "autopausedelay" | "autopausebusy" | "autopauseunavail", _) => {
                "an agent who does not answer is made not ready (`no_answer_action`)"
            }
            ("retry", _) => "a call that was not answered waits on, and goes to the next agent at once",
            ("context", _) => "left out: let the queue's application collect digits (dialog:playandcollect)",
            (key, _) if key.contains("announce") || key.starts_with("queue-") => {
                "callers hear all-busy, which comes with the program, between music; change the queue's application"
            }
            (key, _) if key.starts_with("monitor-") => "left out: calls are recorded by request",
            _ => LEFT_OUT,
        };
        remarks.add(&setting.at, key, value, done);
    }
    queue
}

/// How long phones ring: what all queues say alike.
fn ring_time(timeouts: &[Option<&IniSetting>], remarks: &mut Remarks) -> Option<u32> {
    let mut said = timeouts.iter().map(|setting| setting.and_then(ring_seconds));
    let first = said.next().flatten();
    let agreed = first.filter(|_| said.all(|other| other == first));
    for setting in timeouts.iter().flatten().filter(|setting| agreed.is_none() || ring_seconds(setting) != agreed) {
        let done = "left out: the queues differ in it; phones ring as `no_answer_s` of the tenant says";
        remarks.add(&setting.at, &setting.key, &setting.value, done);
    }
    agreed
}

fn ring_seconds(setting: &IniSetting) -> Option<u32> {
    setting.value.parse::<u32>().ok().filter(|seconds| (1..=RING_MAX_S).contains(seconds))
}

/// `member => PJSIP/101,penalty,name,state interface,...`
fn add_member(
    setting: &IniSetting,
    queue: &str,
    centre: &mut Centre,
    members: &mut BTreeMap<String, SourceAgent>,
    remarks: &mut Remarks,
) {
    let parts: Vec<&str> = setting.value.split(',').map(str::trim).collect();
    let part = |place: usize| parts.get(place).copied().filter(|part| !part.is_empty());
    let number = part(0).and_then(|interface| {
        let (technology, rest) = interface.split_once('/')?;
        let is_phone = ["pjsip", "sip"].contains(&technology.to_lowercase().as_str()) && !rest.contains(['/', '@']);
        is_phone.then_some(rest).filter(|number| !number.is_empty())
    });
    let Some(number) = number else {
        return remarks.add(&setting.at, "member", &setting.value, "left out: it is no phone (PJSIP/...)");
    };
    if centre.trunks.iter().any(|trunk| trunk.name == number) {
        return remarks.add(&setting.at, "member", &setting.value, "left out: it is a trunk, and agents have phones");
    }
    if !centre.phones.iter().any(|phone| phone.number == number) {
        let done = "pjsip.conf has no such endpoint: a phone is made, with a generated password";
        remarks.add(&setting.at, "member", &setting.value, done);
        centre.phone(number);
    }
    let agent = members.entry(number.to_lowercase()).or_insert_with(|| SourceAgent {
        id: number.to_owned(),
        caller: None,
        phone: Some(number.to_owned()),
        wrap_up_s: None,
        queues: BTreeMap::new(),
        at: setting.at.clone(),
    });
    if let Some(name) = part(2) {
        agent.caller.get_or_insert_with(|| name.trim_matches('"').to_owned());
    }
    let penalty = part(1).and_then(|penalty| penalty.parse::<u32>().ok()).unwrap_or_default();
    if penalty > 0 {
        let done =
            "all members are asked at once; the queue's skill has a level for it, for which an expression can ask";
        remarks.add(&setting.at, "penalty", &penalty.to_string(), done);
    }
    for (name, place) in [("state interface", 3), ("ringinuse", 4), ("wrapuptime", 5), ("paused", 6)] {
        if let Some(value) = part(place) {
            remarks.add(&setting.at, name, value, LEFT_OUT);
        }
    }
    agent.queues.insert(queue.to_owned(), penalty);
}
