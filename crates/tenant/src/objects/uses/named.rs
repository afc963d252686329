//! What the documents of applications name as it is written. No rule knows it, for an expression may make any name while it runs; but who
//! looks for uses of a prompt or a queue means these first.

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use routing::SkillExpression;

use super::ObjectUse;
use crate::objects::indexed::IndexedTenant;

/// The most attributes of an element that are looked at, as many as the interpreter takes.
const ATTRIBUTES_MAX: usize = 64;
/// The deepest element that is looked at, as deep as the interpreter takes.
const DEPTH_MAX: usize = 48;

/// The applications that name an object, at most so many, in the order of their names.
pub(super) fn in_applications(held: &IndexedTenant, key: &ObjectKey, most: usize) -> Vec<ObjectUse> {
    if !is_looked_for(key.kind) {
        return Vec::new();
    }
    let named = held.of_kind(ObjectKind::Application).flat_map(|(name, object)| {
        let places = if let Object::Application(application) = &**object {
            places(&application.document, key)
        } else {
            Vec::new()
        };
        let of = ObjectKey { kind: ObjectKind::Application, id: name.to_owned() };
        places.into_iter().map(move |field| ObjectUse { key: of.clone(), field, is_named: true })
    });
    named.take(most).collect()
}

/// Of other kinds no element and no function of an application takes a name.
const fn is_looked_for(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Prompt
            | ObjectKind::Dn
            | ObjectKind::Number
            | ObjectKind::List
            | ObjectKind::Schedule
            | ObjectKind::Skill
            | ObjectKind::AgentGroup
            | ObjectKind::BusinessAttribute
    )
}

/// Where a document names an object, each place once: an element with its attribute, as `dialog:play prompts`, or an element in whose text.
/// What cannot be read names nothing.
fn places(document: &str, key: &ObjectKey) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |place: String| {
        if !found.contains(&place) {
            found.push(place);
        }
    };
    let mut open: Vec<String> = Vec::new();
    let mut reader = Reader::from_str(document);
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    break;
                }
                naming_attributes(&start, key).into_iter().for_each(&mut note);
                open.push(start.name().into_inner().to_owned());
            }
            Event::Empty(start) => naming_attributes(&start, key).into_iter().for_each(&mut note),
            Event::End(_) => drop(open.pop()),
            Event::Text(text) if is_quoted_in(&text, &key.id) => note(open.last().cloned().unwrap_or_default()),
            Event::CData(text) if is_quoted_in(&text, &key.id) => note(open.last().cloned().unwrap_or_default()),
            // A document type could define entities that expand without end; the interpreter takes none.
            Event::Eof | Event::DocType(_) => break,
            _ => {}
        }
    }
    found
}

fn naming_attributes(start: &BytesStart<'_>, key: &ObjectKey) -> Vec<String> {
    let mut attributes = start.attributes();
    // Each would be compared with all before it.
    attributes.with_checks(false);
    let named = attributes.take(ATTRIBUTES_MAX).filter_map(|attribute| {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        let name: &str = attribute.key.as_ref();
        names(name, &value, key).then(|| format!("{} {name}", start.name().into_inner()))
    });
    named.collect()
}

/// Whether an attribute names an object.
fn names(attribute: &str, value: &str, key: &ObjectKey) -> bool {
    let id = key.id.as_str();
    // A number may stand for its digits.
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && value.trim() == id;
    if is_number || is_quoted_in(value, id) {
        return true;
    }
    // What stands in quotes is every second part.
    let mut texts = value.split(['\'', '"']).skip(1).step_by(2);
    match key.kind {
        ObjectKind::Skill if attribute == "skillexpr" => {
            texts.any(|text| SkillExpression::parse(text).is_ok_and(|expression| expression.skills().contains(&id)))
        }
        ObjectKind::Prompt => texts.map(without_language).any(|name| name == id || may_become(name, id)),
        _ => false,
    }
}

/// A prompt's name without the language that may follow it, as in `menu@de`.
fn without_language(text: &str) -> &str {
    text.split_once('@').map_or(text, |(name, _)| name)
}

fn is_quoted_in(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let (before, behind) = (text.get(..at), text.get(at + id.len()..));
        let (before, behind) = (before.unwrap_or_default(), behind.unwrap_or_default());
        ['\'', '"', '`'].into_iter().any(|quote| before.ends_with(quote) && behind.starts_with(quote))
    })
}

/// Whether data of the call may make `welcome-de` of `welcome-{Language|en}`. A name of data alone may become any: that says nothing.
fn may_become(text: &str, prompt: &str) -> bool {
    let Some((begin, rest)) = text.split_once('{') else { return false };
    let Some((_, end)) = rest.rsplit_once('}') else { return false };
    let is_long = prompt.len() > begin.len() + end.len();
    is_long && !(begin.is_empty() && end.is_empty()) && prompt.starts_with(begin) && prompt.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(document: &str, kind: ObjectKind, id: &str) -> Vec<String> {
        places(document, &ObjectKey { kind, id: id.to_owned() })
    }

    #[test]
    fn a_prompt_is_found_whatever_language_of_it_is_asked_for() {
        let document = "<scxml><dialog:play prompts=\"['menu@de', 'hello@{Language|en}', 'x-{Level}@de']\"/></scxml>";
        for id in ["menu", "hello", "x-3"] {
            assert_eq!(told(document, ObjectKind::Prompt, id), ["dialog:play prompts"], "{id}");
        }
        for none in ["de", "en", "hello@en"] {
            assert_eq!(told(document, ObjectKind::Prompt, none), Vec::<String>::new(), "{none}");
        }
    }

    #[test]
    fn prompts_queues_and_skills_of_the_example_are_found_where_they_stand() {
        let sales = include_str!("../../../../../data/applications/sales.scxml");
        assert_eq!(told(sales, ObjectKind::Prompt, "sales-welcome"), ["dialog:play prompts"]);
        assert_eq!(told(sales, ObjectKind::Prompt, "music"), ["dialog:playsound type", "dialog:playsound resource"]);
        assert_eq!(told(sales, ObjectKind::Dn, "sales"), ["queue:submit queue"]);
        assert_eq!(told(sales, ObjectKind::Skill, "Sales"), ["queue:target skillexpr"]);
        for (kind, id) in [(ObjectKind::Prompt, "sales"), (ObjectKind::Skill, "Sale"), (ObjectKind::Prompt, "welcome")]
        {
            let found = told(sales, kind, id);
            assert!(found.iter().all(|place| place == "queue:submit queue"), "{id}: {found:?}");
        }
    }

    #[test]
    fn scripts_numbers_and_names_with_data_of_the_call_are_found() {
        let document = "<scxml><script>// don't\nvar open = _genesys.list(\"Hours\", 'x')</script>\
                        <script><![CDATA[if (a < b) play('late')]]></script>\
                        <dialog:play prompts=\"['welcome-{Language|en}', '{Any}']\"/><ixn:redirect to=\"7101\"/></scxml>";
        assert_eq!(told(document, ObjectKind::List, "Hours"), ["script"]);
        assert_eq!(told(document, ObjectKind::Prompt, "late"), ["script"]);
        assert_eq!(told(document, ObjectKind::Prompt, "welcome-de"), ["dialog:play prompts"]);
        assert_eq!(told(document, ObjectKind::Dn, "7101"), ["ixn:redirect to"]);
        for none in ["goodbye", "welcome-", "Hour"] {
            assert_eq!(told(document, ObjectKind::Prompt, none), Vec::<String>::new());
        }
        assert_eq!(told("<scxml><a b='\"x\"'", ObjectKind::Prompt, "x"), Vec::<String>::new(), "it cannot be read");
    }
}
