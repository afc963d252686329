//! Lists in which programs look values up: their declaration, reading and writing.

use std::collections::BTreeMap;

use contracts::provisioning::LookupList;

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Entry, Node, text};

/// The most lists of a tenant.
const LISTS_MAX: usize = 200;
/// The most sections of a list.
const SECTIONS_MAX: usize = 500;
/// The most keys of a section.
const KEYS_MAX: usize = 1_000;

// === declaration ===

static VALUE: Shape = Shape::Text { max: 1_024 };
static VALUES: Shape = Shape::Named { of: &VALUE, max: KEYS_MAX };
/// Values by section and key.
pub(super) static SECTIONS: Shape = Shape::Named { of: &VALUES, max: SECTIONS_MAX };

static LIST_OF_LISTS: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("sections", Optional, &SECTIONS, "Its sections by name: in each, values by their keys."),
    ]),
    max: LISTS_MAX,
};

pub(super) const LISTS: Field =
    field("lists", Optional, &LIST_OF_LISTS, "Lists in which programs look values up, by section and key.");

/// Those of an application.
pub(super) const OPTIONS: Field = field(
    "options",
    Optional,
    &SECTIONS,
    "What its document looks up by _genesys.option while it runs: values by section and key.",
);

// === reading ===

pub(super) fn lookup_list(item: &Node) -> Option<LookupList> {
    Some(LookupList { name: text(item, "name")?, sections: sections(item) })
}

/// The values by section and key of an item.
pub(super) fn sections(item: &Node) -> BTreeMap<String, BTreeMap<String, String>> {
    sections_at(item, "sections")
}

/// The values by section and key that stand under a key.
pub(super) fn sections_at(item: &Node, key: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let sections = item.get(key).map(Node::entries).unwrap_or_default();
    let sections = sections.iter().map(|section| {
        let values = section.node.entries().iter();
        let value = |entry: &Entry| Some((entry.key.clone(), entry.node.text()?.to_owned()));
        (section.key.clone(), values.filter_map(value).collect::<BTreeMap<_, _>>())
    });
    sections.collect()
}

// === writing ===

pub(super) fn lookup_list_line(list: &LookupList) -> String {
    let LookupList { name, sections } = list;
    format!("- {{name: {}, sections: {{{}}}}}", scalar(name), sections_record(sections))
}

/// The inside of the record of sections.
pub(super) fn sections_record(sections: &BTreeMap<String, BTreeMap<String, String>>) -> String {
    let section = |(name, values): (&String, &BTreeMap<String, String>)| {
        let values: Vec<_> = values.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
        format!("{}: {{{}}}", scalar(name), values.join(", "))
    };
    sections.iter().map(section).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n";

    #[test]
    fn lists_come_back_from_an_export() {
        let text = "lists:\n  - name: Branches\n    sections:\n      berlin: {greeting: \"Guten Tag: hier\", \"0\": \"true\"}\n      \"off\": {}\n  - {name: Empty}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let list = &objects.lists[0];
        assert_eq!(
            (&*list.sections["berlin"]["greeting"], &*list.sections["berlin"]["0"]),
            ("Guten Tag: hier", "true")
        );
        assert!(list.sections["off"].is_empty());
        assert_eq!((objects.lists[1].bytes(), objects.lists.len()), (0, 2));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.lists, objects.lists);
    }

    #[test]
    fn a_key_that_yaml_would_change_has_to_stand_in_quotes() {
        let plain = "+4930: v, 0049: v, 0x1F: v, True: v, 1.5: v, 2.5: v, ~: v, 7: v";
        let quoted = "\"+4930\": v, '0049': v, \"0x1F\": v, \"True\": v, \"1.5\": v, \"2.5\": v, \"~\": v, \"7\": v";
        let list = |keys: &str| {
            read(&format!("{HEAD}lists: [{{name: a, sections: {{s: {{{keys}}}}}}}]\n"), |_| Ok(String::new()))
        };
        let Faults(faults) = list(plain).expect_err("faults");
        let told: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
        for (key, noun) in [
            ("4930", "a number"),
            ("49", "a number"),
            ("31", "a number"),
            ("true", "true or false"),
            ("?", "a number with a fraction"),
            ("?", "nothing"),
            ("7", "a number"),
        ] {
            let expected =
                (format!("lists[0].sections.s.{key}"), format!("a key here is text, this is {noun}: put it in quotes"));
            assert!(told.contains(&(&*expected.0, &*expected.1)), "{expected:?} is not in {told:?}");
        }
        let section = list(quoted).expect("a tenant").lists.remove(0).sections.remove("s").unwrap_or_default();
        let keys: Vec<&str> = section.keys().map(String::as_str).collect();
        assert_eq!(keys, ["+4930", "0049", "0x1F", "1.5", "2.5", "7", "True", "~"]);
        let levels =
            "skills: [\"5\"]\npeople: [{user: a, first_name: A, last_name: A, agent: {id: a, skills: {5: 3}}}]\n";
        let Faults(faults) = read(&format!("{HEAD}{levels}"), |_| Ok(String::new())).expect_err("a fault");
        assert_eq!(faults[0].key, "people[0].agent.skills.5");
        assert!(read(&format!("{HEAD}{}", levels.replace("{5:", "{\"5\":")), |_| Ok(String::new())).is_ok());
    }

    #[test]
    fn a_list_is_bounded_and_each_fault_has_its_key() {
        let long = "v".repeat(1_025);
        let many: String = (0..260).map(|number| format!("k{number}: {}, ", "v".repeat(1_024))).collect();
        let (key, name) = ("n".repeat(256), "m".repeat(256));
        let text = format!(
            "lists:\n  - {{name: a, sections: {{s: {{k: {long}, n: 7}}}}}}\n  - {{name: b, sections: {{s: {{{many}}}}}}}\n  \
             - {{name: c, sections: {{s: {{{key}: v}}, {name}: {{}}}}}}\n  - {{name: A}}\n"
        );
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
        for expected in [
            ("lists[0].sections.s.k", "it has more than 1024 bytes"),
            ("lists[0].sections.s.n", "text is needed, this is a number: put it in quotes"),
            ("lists.b.sections", "all its names, keys and values have more than 262144 bytes"),
            ("lists[3]", "the name stands on line 7 already"),
        ] {
            assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
        }
        let of_names = told.iter().filter(|(key, _)| *key == "lists.c.sections").count();
        assert_eq!((of_names, told.len()), (2, 6), "{told:?}");
    }
}
