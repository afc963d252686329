//! What is in the files: the columns of each table, and the rows of an object. There is no column for a secret.

use columnar::{TableCell, TableColumn};
use contracts::provisioning::{Dn, DnKind, Number, Object, ObjectKind, Person, Place};

/// A table; each is a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InventoryTable {
    People,
    Skills,
    PersonSkills,
    Places,
    Dns,
    Numbers,
    Queues,
}

/// The kinds of objects that have rows.
pub(super) const KINDS: [ObjectKind; 5] =
    [ObjectKind::Skill, ObjectKind::Dn, ObjectKind::Place, ObjectKind::Person, ObjectKind::Number];

impl InventoryTable {
    pub const ALL: [Self; 7] =
        [Self::People, Self::Skills, Self::PersonSkills, Self::Places, Self::Dns, Self::Numbers, Self::Queues];

    /// Its name, and that of its files without their ends.
    pub const fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Skills => "skills",
            Self::PersonSkills => "person_skills",
            Self::Places => "places",
            Self::Dns => "dns",
            Self::Numbers => "numbers",
            Self::Queues => "queues",
        }
    }

    pub const fn columns(self) -> &'static [TableColumn] {
        match self {
            Self::People => PEOPLE,
            Self::Skills => SKILLS,
            Self::PersonSkills => PERSON_SKILLS,
            Self::Places => PLACES,
            Self::Dns => DNS,
            Self::Numbers => NUMBERS,
            Self::Queues => QUEUES,
        }
    }
}

const PEOPLE: &[TableColumn] = &[
    TableColumn::text("user_name"),
    TableColumn::text("first_name"),
    TableColumn::text("last_name"),
    TableColumn::text("email").or_absent(),
    TableColumn::boolean("disabled"),
    TableColumn::text_list("privileges"),
    TableColumn::text("agent_id").or_absent(),
    TableColumn::text("default_place").or_absent(),
    TableColumn::integer("wrap_up_s").or_absent(),
];
const SKILLS: &[TableColumn] = &[TableColumn::text("name")];
const PERSON_SKILLS: &[TableColumn] = &[
    TableColumn::text("user_name"),
    TableColumn::text("agent_id"),
    TableColumn::text("skill"),
    TableColumn::integer("level"),
];
const PLACES: &[TableColumn] = &[TableColumn::text("name"), TableColumn::text_list("dns")];
const DNS: &[TableColumn] = &[TableColumn::text("number"), TableColumn::text("type")];
const NUMBERS: &[TableColumn] = &[
    TableColumn::text("number"),
    TableColumn::text("name"),
    TableColumn::text("dn"),
    TableColumn::text("schedule").or_absent(),
    TableColumn::text("closed_dn").or_absent(),
];
const QUEUES: &[TableColumn] = &[
    TableColumn::text("number"),
    TableColumn::text("type"),
    TableColumn::text("application").or_absent(),
    TableColumn::text("default_dn").or_absent(),
    TableColumn::integer("service_level_s").or_absent(),
    TableColumn::integer("short_abandon_s").or_absent(),
];

/// A row, with its table.
pub(super) type TableRow = (InventoryTable, Vec<TableCell>);

/// The rows of an object.
pub(super) fn rows(object: &Object) -> Vec<TableRow> {
    match object {
        Object::Skill(skill) => vec![(InventoryTable::Skills, vec![text(&skill.name)])],
        Object::Place(place) => vec![(InventoryTable::Places, of_place(place))],
        Object::Number(number) => vec![(InventoryTable::Numbers, of_number(number))],
        Object::Person(person) => of_person(person),
        Object::Dn(dn) => of_dn(dn),
        Object::Tenant(_)
        | Object::Prompt(_)
        | Object::Application(_)
        | Object::Switch(_)
        | Object::AgentLogin(_)
        | Object::Trunk(_)
        | Object::FeatureCode(_)
        | Object::Schedule(_)
        | Object::DialRule(_)
        | Object::Client(_)
        | Object::AgentGroup(_)
        | Object::ActionCode(_)
        | Object::List(_)
        | Object::BusinessAttribute(_)
        | Object::PlaceGroup(_)
        | Object::CapacityRule(_)
        | Object::DnGroup(_)
        | Object::TrunkGroup(_)
        | Object::CallingList(_)
        | Object::Campaign(_)
        | Object::CampaignGroup(_)
        | Object::IvrProfile(_)
        | Object::StatisticDefinition(_)
        | Object::Transaction(_)
        | Object::AccessGroup(_)
        | Object::Role(_)
        | Object::Folder(_) => Vec::new(),
    }
}

fn text(text: &str) -> TableCell {
    TableCell::Text(text.to_owned())
}

fn text_or_absent(value: Option<&str>) -> TableCell {
    value.map_or(TableCell::Absent, text)
}

fn of_place(place: &Place) -> Vec<TableCell> {
    vec![text(&place.name), TableCell::TextList(place.dns.clone())]
}

fn of_number(number: &Number) -> Vec<TableCell> {
    vec![
        text(&number.number),
        text(&number.name),
        text(&number.dn),
        text_or_absent(number.schedule.as_deref()),
        text_or_absent(number.closed_dn.as_deref()),
    ]
}

fn of_person(person: &Person) -> Vec<TableRow> {
    let agent = person.agent.as_ref();
    let privileges = person.privileges.iter().map(|privilege| privilege.as_str().to_owned());
    let wrap_up = agent.and_then(|agent| agent.wrap_up_s);
    let row = vec![
        text(&person.user_name),
        text(&person.first_name),
        text(&person.last_name),
        text_or_absent(person.email.as_deref()),
        TableCell::Boolean(person.disabled),
        TableCell::TextList(privileges.collect()),
        text_or_absent(agent.map(|agent| agent.id.as_str())),
        text_or_absent(agent.and_then(|agent| agent.default_place.as_deref())),
        wrap_up.map_or(TableCell::Absent, |seconds| TableCell::Integer(seconds.into())),
    ];
    let mut rows = vec![(InventoryTable::People, row)];
    if let Some(agent) = agent {
        rows.extend(agent.skills.iter().map(|has| {
            let level = TableCell::Integer(has.level.into());
            (InventoryTable::PersonSkills, vec![text(&person.user_name), text(&agent.id), text(&has.skill), level])
        }));
    }
    rows
}

fn of_dn(dn: &Dn) -> Vec<TableRow> {
    let kind = match dn.kind {
        DnKind::Extension { .. } => "extension",
        DnKind::RoutePoint { .. } => "route_point",
        DnKind::VirtualQueue => "virtual_queue",
        DnKind::Echo => "echo",
        DnKind::Announcement { .. } => "announcement",
    };
    let mut rows = vec![(InventoryTable::Dns, vec![text(&dn.number), text(kind)])];
    let of_queue = match &dn.kind {
        DnKind::RoutePoint { application, default_dn, service_level_s, short_abandon_s, .. } => [
            text(application),
            text_or_absent(default_dn.as_deref()),
            TableCell::Integer((*service_level_s).into()),
            TableCell::Integer((*short_abandon_s).into()),
        ],
        DnKind::VirtualQueue => [const { TableCell::Absent }; 4],
        DnKind::Extension { .. } | DnKind::Echo | DnKind::Announcement { .. } => return rows,
    };
    let row = [text(&dn.number), text(kind)].into_iter().chain(of_queue).collect();
    rows.push((InventoryTable::Queues, row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ObjectKind, json: &serde_json::Value) -> Vec<TableRow> {
        let rows = rows(&Object::from_json(kind, json.to_string().as_bytes()).unwrap());
        for (table, row) in &rows {
            assert_eq!(row.len(), table.columns().len(), "{table:?}");
            for (column, cell) in table.columns().iter().zip(row) {
                assert!(column.takes(cell), "{table:?}: {column:?}, {cell:?}");
            }
        }
        rows
    }

    fn texts(row: &TableRow) -> Vec<String> {
        row.1.iter().map(|cell| cell.text().into_owned()).collect()
    }

    #[test]
    fn a_person_has_a_row_and_one_for_each_skill_and_shows_no_secret() {
        let person = serde_json::json!({
            "user_name": "ada", "first_name": "Ada", "last_name": "L", "password": "$argon2id$hidden", "privileges": ["agent"],
            "agent": { "id": "1001", "login_code": "77", "pin": "4711", "default_place": "seat-1", "wrap_up_s": 5,
                "skills": [{ "skill": "sales", "level": 7 }, { "skill": "english", "level": 2 }] },
        });
        let rows = read(ObjectKind::Person, &person);
        assert_eq!(texts(&rows[0]), ["ada", "Ada", "L", "", "false", "agent", "1001", "seat-1", "5"]);
        assert_eq!(
            (rows[1].0, texts(&rows[1]).join(" ")),
            (InventoryTable::PersonSkills, "ada 1001 sales 7".to_owned())
        );
        assert_eq!(rows.len(), 3);
        let shown = format!("{rows:?}");
        assert!(!shown.contains("hidden") && !shown.contains("4711"), "{shown}");
    }

    #[test]
    fn a_route_point_is_a_dn_and_a_queue_and_a_phone_is_a_dn_alone() {
        let point =
            serde_json::json!({ "number": "9000", "type": "route_point", "application": "sales", "default_dn": null });
        let rows = read(ObjectKind::Dn, &point);
        assert_eq!(texts(&rows[0]), ["9000", "route_point"]);
        assert_eq!(texts(&rows[1]), ["9000", "route_point", "sales", "", "20", "5"]);
        let phone =
            serde_json::json!({ "number": "7101", "type": "extension", "password": "hidden", "no_answer_s": null });
        let rows = read(ObjectKind::Dn, &phone);
        assert_eq!((rows.len(), texts(&rows[0]).join(" ")), (1, "7101 extension".to_owned()));
    }

    #[test]
    fn each_row_has_the_columns_of_its_table_and_nothing_where_nothing_is_set() {
        let queue = serde_json::json!({ "number": "sales", "type": "virtual_queue" });
        let number = serde_json::json!({ "number": "+15550100", "name": "sales", "dn": "9000" });
        let place = serde_json::json!({ "name": "seat-1", "dns": ["7101", "7102"] });
        let person = serde_json::json!({ "user_name": "eve", "first_name": "Eve", "last_name": "K", "agent": null });
        let queue = read(ObjectKind::Dn, &queue);
        assert_eq!(queue[1].1[2..], [const { TableCell::Absent }; 4]);
        assert_eq!(read(ObjectKind::Number, &number)[0].1[3..], [const { TableCell::Absent }; 2]);
        let dns = TableCell::TextList(["7101", "7102"].map(str::to_owned).to_vec());
        assert_eq!(read(ObjectKind::Place, &place)[0].1[1], dns);
        assert_eq!(read(ObjectKind::Person, &person)[0].1[6..], [const { TableCell::Absent }; 3]);
    }
}
