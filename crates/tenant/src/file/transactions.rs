//! Named properties that programs look up, by what they are: their declaration, reading and writing.

use contracts::provisioning::{Object, TransactionObject, TransactionType};

use super::lookup::{SECTIONS, sections, sections_record};
use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, text};

/// The most transactions of a tenant.
const TRANSACTIONS_MAX: usize = 1_000;

static TYPE: Shape = Shape::OneOf(TransactionType::NAMES);

static TRANSACTION_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name; no two have the same, of whatever type."),
        field("type", Required, &TYPE, "What it is. Lists are a section of their own."),
        field("alias", Optional, &NAME, "What programs call it; without it its name."),
        field("sections", Optional, &SECTIONS, "Its properties by section: in each, values by their keys."),
    ]),
    max: TRANSACTIONS_MAX,
};

pub(super) const TRANSACTIONS: Field = field(
    "transactions",
    Optional,
    &TRANSACTION_LIST,
    "Properties under a name that programs look up, by what they are: data of calls, business rules, time ranges and others.",
);

pub(super) fn transaction(item: &Node) -> Option<Object> {
    Some(Object::Transaction(Box::new(TransactionObject {
        name: text(item, "name")?,
        transaction_type: TransactionType::parse(&text(item, "type")?)?,
        alias: text(item, "alias"),
        sections: sections(item),
    })))
}

pub(super) fn transaction_line(transaction: &TransactionObject) -> String {
    let TransactionObject { name, transaction_type, alias, sections } = transaction;
    let (of, alias) = (transaction_type.as_str(), optional("alias", alias.as_deref()));
    format!("- {{name: {}, type: {of}{alias}, sections: {{{}}}}}", scalar(name), sections_record(sections))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n";

    #[test]
    fn transactions_come_back_from_an_export() {
        let text = "transactions:\n  - {name: Short, type: time_range, alias: Short calls, sections: {range: {from: \"0\", to: \"20\"}, \"no\": {}}}\n  \
                    - {name: VIP, type: business_rule}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let short = &objects.transactions[0];
        assert_eq!((&*short.sections["range"]["to"], short.sections.len(), short.bytes()), ("20", 2, 16));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.transactions, objects.transactions);
    }

    #[test]
    fn a_transaction_has_a_name_of_its_own_whatever_its_type_and_is_bounded() {
        let many: String = (0..70).map(|number| format!("k{number}: {}, ", "v".repeat(1_000))).collect();
        let key = "n".repeat(256);
        let text = format!(
            "transactions:\n  - {{name: a, type: macro}}\n  - {{name: A, type: call_data}}\n  - {{name: b, type: list}}\n  \
             - {{name: c, type: macro, sections: {{s: {{{many}}}}}}}\n  - {{name: d, type: macro, sections: {{s: {{{key}: v}}}}}}\n"
        );
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(
            told,
            [
                ("transactions[1]", FaultCode::Other),
                ("transactions[2].type", FaultCode::OneOf),
                ("transactions.c.sections", FaultCode::TooLarge),
                ("transactions.d.sections", FaultCode::ListKey),
            ]
        );
    }
}
