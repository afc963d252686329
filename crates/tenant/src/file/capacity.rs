//! Capacity rules, and who has one: their declaration, reading and writing.

use contracts::provisioning::{CapacityMedia, CapacityRule, Object};

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, number, text};

/// The most capacity rules of a tenant.
const CAPACITY_RULES_MAX: usize = 1_000;

// === declaration ===

static INTERACTIONS: Shape = Shape::Number { min: 0, max: 1_000 };

static MEDIA: Shape = Shape::Record(&[
    field("voice", Optional, &INTERACTIONS, "Calls. Routing gives 64 at most."),
    field("chat", Optional, &INTERACTIONS, "Chats."),
    field("email", Optional, &INTERACTIONS, "Messages by e-mail."),
    field("sms", Optional, &INTERACTIONS, "Short messages."),
    field("video", Optional, &INTERACTIONS, "Calls with pictures."),
    field("work_item", Optional, &INTERACTIONS, "Work without a customer at the other end."),
]);

static CAPACITY_RULE_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field(
            "media",
            Required,
            &MEDIA,
            "The most interactions of each medium at a time; of a medium that is left out there are none. Routing keeps to that of calls, programs to the others.",
        ),
    ]),
    max: CAPACITY_RULES_MAX,
};

pub(super) const CAPACITY_RULES: Field = field(
    "capacity_rules",
    Optional,
    &CAPACITY_RULE_LIST,
    "How many interactions of each medium an agent is to have at a time: routing gives that many calls, and one at a time to agents without a rule. People and places name one.",
);

/// That of an agent.
pub(super) const AGENTS_RULE: Field =
    field("capacity_rule", Optional, &NAME, "The capacity rule of the agent; without it that of the place counts.");
/// That of a place.
pub(super) const PLACES_RULE: Field =
    field("capacity_rule", Optional, &NAME, "The capacity rule of agents whose default place it is and who have none.");

// === reading ===

pub(super) fn capacity_rule(item: &Node) -> Option<Object> {
    let media = |media: &Node| CapacityMedia {
        voice: number(media, "voice"),
        chat: number(media, "chat"),
        email: number(media, "email"),
        sms: number(media, "sms"),
        video: number(media, "video"),
        work_item: number(media, "work_item"),
    };
    let media = item.get("media").map(media).unwrap_or_default();
    Some(Object::CapacityRule(CapacityRule { name: text(item, "name")?, media }))
}

// === writing ===

pub(super) fn capacity_rule_line(rule: &CapacityRule) -> String {
    let CapacityRule { name, media } = rule;
    let media = media.named().into_iter().filter_map(|(medium, most)| Some(format!("{medium}: {}", most?)));
    format!("- {{name: {}, media: {{{}}}}}", scalar(name), media.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n";

    #[test]
    fn capacity_rules_and_who_has_one_come_back_from_an_export() {
        let text = "capacity_rules:\n  - {name: Blended, media: {voice: 1, chat: 3, work_item: 0}}\n\
                    places: [{name: P, dns: [], capacity_rule: Blended}]\n\
                    people: [{user: a, first_name: A, last_name: A, agent: {id: a, capacity_rule: Blended}}]\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let media = objects.capacity_rules[0].media;
        assert_eq!((media.voice, media.chat, media.work_item, media.email), (Some(1), Some(3), Some(0), None));
        assert_eq!(objects.places[0].capacity_rule.as_deref(), Some("Blended"));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again, objects);
    }

    #[test]
    fn a_rule_has_a_medium_and_who_names_one_names_one_that_is_there() {
        let text = "capacity_rules:\n  - {name: a, media: {}}\n  - {name: b, media: {fax: 1}}\n  - {name: c, media: {voice: 1001}}\n\
                    places: [{name: P, dns: [], capacity_rule: d}]\n\
                    people: [{user: u, first_name: A, last_name: A, agent: {id: a, capacity_rule: A}}]\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
        assert_eq!(
            told,
            [
                ("capacity_rules.a.media", "it names no medium"),
                ("capacity_rules.b.media", "it names no medium"),
                (
                    "capacity_rules[1].media.fax",
                    "there is no such key; the keys here are voice, chat, email, sms, video, work_item"
                ),
                ("capacity_rules[2].media.voice", "1001 is not from 0 to 1000"),
                ("places.P.capacity_rule", "there is no capacity_rule d"),
                ("people.u.agent.capacity_rule", "there is no capacity_rule A"),
            ]
        );
    }
}
