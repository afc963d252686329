//! Business attributes with their values: their declaration, reading and writing.

use contracts::provisioning::{AttributeValue, BusinessAttribute};

use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, flag, list, text};

/// The most business attributes of a tenant.
const ATTRIBUTES_MAX: usize = 500;
/// The most values of one.
const ATTRIBUTE_VALUES_MAX: usize = 1_000;

// === declaration ===

static VALUES: Shape = Shape::List {
    of: &Shape::Record(&[
        field("value", Required, &NAME, "What user data have, as \"de\"."),
        field("display_name", Optional, &NAME, "What people read; without it the value."),
    ]),
    max: ATTRIBUTE_VALUES_MAX,
};

static ATTRIBUTE_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name, as Language: a key of user data."),
        field("values", Required, &VALUES, "Its values, in the order in which people choose among them."),
        field("default", Optional, &NAME, "The value where nobody has said another one."),
        field(
            "enforced",
            Optional,
            &Shape::Flag,
            "Whether requests that attach another value to a call are refused; it needs values.",
        ),
        field(
            "attach_default",
            Optional,
            &Shape::Flag,
            "Whether calls from outside begin with the default; 32 attributes of a tenant at most.",
        ),
    ]),
    max: ATTRIBUTES_MAX,
};

pub(super) const BUSINESS_ATTRIBUTES: Field = field(
    "business_attributes",
    Optional,
    &ATTRIBUTE_LIST,
    "What calls and customers are told apart by, as a language or a segment, with the values that there are.",
);

// === reading ===

pub(super) fn business_attribute(item: &Node) -> Option<BusinessAttribute> {
    let value =
        |item: &Node| Some(AttributeValue { value: text(item, "value")?, display_name: text(item, "display_name") });
    let values = list(item, "values").iter().filter_map(value).collect();
    Some(BusinessAttribute {
        name: text(item, "name")?,
        values,
        default: text(item, "default"),
        enforced: flag(item, "enforced").unwrap_or_default(),
        attach_default: flag(item, "attach_default").unwrap_or_default(),
    })
}

// === writing ===

pub(super) fn business_attribute_line(attribute: &BusinessAttribute) -> String {
    let BusinessAttribute { name, values, default, enforced, attach_default } = attribute;
    let value = |AttributeValue { value, display_name }: &AttributeValue| {
        format!("{{value: {}{}}}", scalar(value), optional("display_name", display_name.as_deref()))
    };
    let values: Vec<_> = values.iter().map(value).collect();
    let default = optional("default", default.as_deref());
    let enforced = if *enforced { ", enforced: true" } else { "" };
    let attached = if *attach_default { ", attach_default: true" } else { "" };
    format!("- {{name: {}, values: [{}]{default}{enforced}{attached}}}", scalar(name), values.join(", "))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n";

    #[test]
    fn business_attributes_come_back_from_an_export() {
        let text = "business_attributes:\n  - {name: Language, values: [{value: en}, {value: \"no\", display_name: Norwegian}], default: en, enforced: true, attach_default: true}\n  - {name: Segment, values: [], enforced: false}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let language = &objects.business_attributes[0];
        let values: Vec<_> = language.values.iter().map(|one| (&*one.value, one.display_name.as_deref())).collect();
        assert_eq!(values, [("en", None), ("no", Some("Norwegian"))]);
        assert_eq!((language.default.as_deref(), objects.business_attributes.len()), (Some("en"), 2));
        assert!(language.enforced && language.attach_default && language.allows("no") && !language.allows("No"));
        let segment = &objects.business_attributes[1];
        assert!(!segment.enforced && !segment.attach_default);
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.business_attributes, objects.business_attributes);
    }

    #[test]
    fn a_value_stands_there_once_and_the_default_is_one() {
        let text = "business_attributes:\n  - {name: a, values: [{value: x}, {value: y}, {value: x}]}\n  - {name: b, values: [{value: x}], default: z}\n  - {name: c}\n  - {name: d, values: [{value: x}], attach_default: true}\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
        assert_eq!(
            told,
            [
                ("business_attributes.a.values", "x stands there twice"),
                ("business_attributes.b.default", "z is none of its values"),
                ("business_attributes[2].values", "it is needed"),
                ("business_attributes.d.default", "without it there is nothing to attach"),
            ]
        );
        let values: Vec<String> = (0..1_000).map(|number| format!("{{value: v{number}}}")).collect();
        let text = format!("business_attributes: [{{name: a, values: [{}], default: z}}]\n", values.join(", "));
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("a fault");
        let (name, values) = &faults[0].rule.values[0];
        assert_eq!((*name, values.split(", ").count()), ("names", 20), "those that fit on a page");
    }

    #[test]
    fn what_is_enforced_allows_something_and_calls_begin_with_a_bounded_number_of_defaults() {
        let text = "business_attributes:\n  - {name: a, values: [], enforced: true}\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("a fault");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(told, [("business_attributes.a.values", FaultCode::NeededWith)]);
        let attached = |number: usize| {
            format!("  - {{name: a{number}, values: [{{value: x}}], default: x, attach_default: true}}\n")
        };
        let text =
            |count: usize| format!("business_attributes:\n{}", (0..count).map(attached).collect::<Vec<_>>().concat());
        assert!(read(&format!("{HEAD}{}", text(32)), |_| Ok(String::new())).is_ok());
        let Faults(faults) = read(&format!("{HEAD}{}", text(33)), |_| Ok(String::new())).expect_err("one too many");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(told, [("business_attributes.a32.attach_default", FaultCode::TooMany)]);
    }
}
