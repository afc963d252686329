//! A line of the table of people and the edit that it asks for.

use contracts::provisioning::{Agent, FaultCode, ObjectKey, ObjectKind, Person};
use contracts::spreadsheet;
use infra::Revision;
use serde_json::{Map, Value as Json, json};

use crate::broken_rule::BrokenRule;
use crate::objects::{EditAction, ObjectEdit};

/// What stands in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CellKind {
    Text,
    /// As text; without it the present one is kept.
    Secret,
    Flag,
    Number,
    /// Names with `|` between them.
    Names,
    /// Skills with their levels, as `Sales=5|English=3`.
    Levels,
}

/// A column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    /// Its field of a person's document.
    field: &'static str,
    kind: CellKind,
}

impl Column {
    /// The text of a cell. A secret is never exported, so that an apostrophe in front is its own.
    fn text(self, cell: &str) -> &str {
        let cell = cell.trim();
        if self.kind == CellKind::Secret { cell } else { spreadsheet::text(cell) }
    }
}

const fn column(name: &'static str, field: &'static str, kind: CellKind) -> Column {
    Column { name, field, kind }
}

static COLUMNS: [Column; 15] = [
    column("user_name", "user_name", CellKind::Text),
    column("first_name", "first_name", CellKind::Text),
    column("last_name", "last_name", CellKind::Text),
    column("email", "email", CellKind::Text),
    column("password", "password", CellKind::Secret),
    column("privileges", "privileges", CellKind::Names),
    column("disabled", "disabled", CellKind::Flag),
    column("agent_id", "agent.id", CellKind::Text),
    column("login_code", "agent.login_code", CellKind::Text),
    column("pin", "agent.pin", CellKind::Secret),
    column("place", "agent.default_place", CellKind::Text),
    column("wrap_up_s", "agent.wrap_up_s", CellKind::Number),
    column("skills", "agent.skills", CellKind::Levels),
    column("external_id", "external_id", CellKind::Text),
    column("change_password", "change_password", CellKind::Flag),
];

/// Those that every person has.
const NEEDED: [&str; 3] = ["user_name", "first_name", "last_name"];

/// A column and the rule that it, or its cell, breaks.
type CellFault = (String, BrokenRule);

/// The columns of a head.
pub(super) fn columns(head: &[String]) -> Result<Vec<Column>, Vec<CellFault>> {
    let (mut columns, mut faults): (Vec<Column>, Vec<CellFault>) = (Vec::new(), Vec::new());
    for name in head.iter().map(|name| name.trim()) {
        let Some(column) = COLUMNS.iter().find(|column| column.name == name) else {
            let known = COLUMNS.map(|column| column.name).join(", ");
            let words = format!("there is no such column; there are {known}");
            faults.push((name.to_owned(), BrokenRule::new(FaultCode::UnknownColumn, words).naming("names", known)));
            continue;
        };
        if columns.iter().any(|known| known.name == name) {
            let rule = BrokenRule::new(FaultCode::Twice, "it stands there twice").naming("name", "");
            faults.push((name.to_owned(), rule));
        }
        columns.push(*column);
    }
    if faults.is_empty() && !columns.iter().any(|column| column.name == "user_name") {
        faults.push(("user_name".to_owned(), BrokenRule::needed()));
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

/// The column of a field, as `skills` of `agent.skills.Sales`; the field itself if there is none.
pub(super) fn column_of(field: &str) -> String {
    let is_in = |column: &&Column| {
        field.strip_prefix(column.field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    COLUMNS.iter().find(is_in).map_or_else(|| field.to_owned(), |column| column.name.to_owned())
}

/// The edit of a line; `present` finds a person who is there already.
pub(super) fn edit<'a>(
    columns: &[Column],
    cells: &[String],
    present: impl FnOnce(&str) -> Option<&'a Person>,
) -> Result<ObjectEdit, Vec<CellFault>> {
    if cells.len() != columns.len() {
        let words = format!("it has {} cells, the head has {}", cells.len(), columns.len());
        let rule = BrokenRule::new(FaultCode::Cells, words).naming("cells", cells.len().to_string());
        return Err(vec![(String::new(), rule.naming("head", columns.len().to_string()))]);
    }
    let cells: Vec<&str> = columns.iter().zip(cells).map(|(column, cell)| column.text(cell)).collect();
    let cell = |name: &str| {
        let of = columns.iter().zip(&cells).find(|(column, _)| column.name == name);
        of.map(|(_, cell)| *cell).filter(|cell| !cell.is_empty())
    };
    let present = cell("user_name").and_then(present);
    let held = present.and_then(|person| person.agent.as_ref());
    let names_agents = columns.iter().any(|column| column.name == "agent_id");
    let is_agent = if names_agents { cell("agent_id").is_some() } else { held.is_some() };
    let mut row = RowDocument { document: Map::new(), fields: Vec::new(), faults: Vec::new() };
    for (column, cell) in columns.iter().zip(cells.iter().copied()) {
        row.take(column, cell, is_agent);
    }
    if names_agents && !is_agent {
        row.fields.push("agent".to_owned());
    }
    if is_agent {
        row.complete_agent(cell("agent_id"), held);
    }
    let user_name = cell("user_name").unwrap_or_default();
    if !row.faults.is_empty() || user_name.is_empty() {
        // Nobody looks at the person as a whole, who would find this, too.
        let is_lacking = |name: &&str| columns.iter().any(|column| column.name == *name) && cell(name).is_none();
        let lacking = NEEDED.into_iter().filter(is_lacking);
        row.faults.extend(lacking.map(|name| (name.to_owned(), BrokenRule::needed())));
        return Err(row.faults);
    }
    let document = Json::Object(row.document).to_string();
    let (action, expected) = match present {
        Some(_) => (EditAction::Merge { document, fields: row.fields }, None),
        None => (EditAction::Put(document), Some(Revision(0))),
    };
    let key = ObjectKey { kind: ObjectKind::Person, id: user_name.to_owned() };
    Ok(ObjectEdit { key, expected, action })
}

/// What a line says of a person.
struct RowDocument {
    document: Map<String, Json>,
    fields: Vec<String>,
    faults: Vec<CellFault>,
}

impl RowDocument {
    fn take(&mut self, column: &Column, cell: &str, is_agent: bool) {
        if column.kind == CellKind::Secret && cell.is_empty() {
            return;
        }
        if column.field.starts_with("agent.") && !is_agent {
            if !cell.is_empty() {
                let rule = BrokenRule::new(FaultCode::NeedsAgentId, "it needs an agent_id");
                self.faults.push((column.name.to_owned(), rule));
            }
            return;
        }
        match value(column.kind, cell) {
            Ok(value) => self.set(column.field, value),
            Err(rule) => self.faults.push((column.name.to_owned(), rule)),
        }
    }

    /// Sets a field; null says that it is removed.
    fn set(&mut self, field: &str, value: Json) {
        self.fields.push(field.to_owned());
        let (map, last) = match field.split_once('.') {
            Some((outer, last)) => {
                let inner = self.document.entry(outer).or_insert_with(|| Json::Object(Map::new()));
                (inner.as_object_mut(), last)
            }
            None => (Some(&mut self.document), field),
        };
        if let Some(map) = map.filter(|_| !value.is_null()) {
            map.insert(last.to_owned(), value);
        }
    }

    /// What an agent needs and the line may leave out: the login code is the id, and there are no skills.
    fn complete_agent(&mut self, id: Option<&str>, held: Option<&Agent>) {
        let given = |document: &Map<String, Json>, key: &str| {
            document.get("agent").and_then(|agent| agent.get(key)).is_some_and(|value| !value.is_null())
        };
        let names_code = self.fields.iter().any(|field| field == "agent.login_code");
        if !given(&self.document, "login_code") && (names_code || held.is_none()) {
            let id = id.or_else(|| held.map(|agent| agent.id.as_str())).unwrap_or_default();
            self.set("agent.login_code", Json::from(id));
        }
        if !given(&self.document, "skills") && held.is_none() {
            self.set("agent.skills", json!([]));
        }
    }
}

/// The value of a cell; null for an empty one.
fn value(kind: CellKind, cell: &str) -> Result<Json, BrokenRule> {
    let parts = || cell.split('|').map(str::trim).filter(|part| !part.is_empty());
    Ok(match kind {
        CellKind::Names => parts().map(Json::from).collect::<Vec<_>>().into(),
        CellKind::Levels => parts().map(level).collect::<Result<Vec<_>, _>>()?.into(),
        _ if cell.is_empty() => Json::Null,
        CellKind::Text | CellKind::Secret => Json::from(cell),
        CellKind::Flag => match cell.to_lowercase().as_str() {
            "true" | "yes" | "1" => Json::from(true),
            "false" | "no" | "0" => Json::from(false),
            _ => return Err(BrokenRule::wrong_type("flag", "it is true or false")),
        },
        CellKind::Number => {
            let number = cell.parse::<u32>().map(Json::from);
            number.map_err(|_| BrokenRule::wrong_type("number", "it is a whole number"))?
        }
    })
}

fn level(part: &str) -> Result<Json, BrokenRule> {
    let read = part.rsplit_once('=').and_then(|(skill, level)| Some((skill.trim(), level.trim().parse::<u16>().ok()?)));
    let (skill, level) = read.ok_or_else(|| {
        let words = format!("{part} is not as Sales=5, with | between several");
        BrokenRule::new(FaultCode::Levels, words).naming("part", part)
    })?;
    Ok(json!({ "skill": skill, "level": level }))
}

// === export ===

/// Those without secrets.
fn shown() -> impl Iterator<Item = Column> {
    COLUMNS.into_iter().filter(|column| column.kind != CellKind::Secret)
}

/// The head of an export.
pub(super) fn exported_columns() -> Vec<String> {
    shown().map(|column| column.name.to_owned()).collect()
}

/// A person's line.
pub(super) fn exported(person: &Person) -> Vec<String> {
    let agent = person.agent.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let cell = |column: Column| match column.name {
        "user_name" => person.user_name.clone(),
        "first_name" => person.first_name.clone(),
        "last_name" => person.last_name.clone(),
        "email" => text(person.email.as_ref()),
        "privileges" => person.privileges.iter().map(|one| one.as_str()).collect::<Vec<_>>().join("|"),
        "disabled" => person.disabled.to_string(),
        "external_id" => text(person.external_id.as_ref()),
        "change_password" => person.change_password.to_string(),
        "agent_id" => text(agent.map(|agent| &agent.id)),
        "login_code" => text(agent.map(|agent| &agent.login_code)),
        "place" => text(agent.and_then(|agent| agent.default_place.as_ref())),
        "wrap_up_s" => agent.and_then(|agent| agent.wrap_up_s).map(|s| s.to_string()).unwrap_or_default(),
        "skills" => {
            let levels = agent.into_iter().flat_map(|agent| &agent.skills);
            levels.map(|level| format!("{}={}", level.skill, level.level)).collect::<Vec<_>>().join("|")
        }
        _ => String::new(),
    };
    shown().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &str, line: &str, present: Option<&Person>) -> ObjectEdit {
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        edit(&columns(&cells(head)).unwrap(), &cells(line), |_| present).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn ann(agent: Option<Agent>) -> Person {
        Person { user_name: "ann".to_owned(), agent, ..Person::default() }
    }

    fn agent() -> Agent {
        Agent {
            id: "1".to_owned(),
            login_code: "77".to_owned(),
            pin: None,
            default_place: None,
            wrap_up_s: None,
            legal_guard_s: None,
            no_answer_action: None,
            skills: Vec::new(),
            capacity_rule: None,
        }
    }

    #[test]
    fn a_new_agent_gets_what_the_line_leaves_out() {
        let made = of("user_name,first_name,last_name,agent_id", "eve,Eve,Evans,9", None);
        let EditAction::Put(document) = made.action else { panic!("she is new") };
        let expected = r#"{"user_name":"eve","first_name":"Eve","last_name":"Evans","agent":{"id":"9","login_code":"9","skills":[]}}"#;
        assert_eq!((document.as_str(), made.expected), (expected, Some(Revision(0))));
    }

    #[test]
    fn columns_that_are_not_there_change_nothing() {
        let person = ann(Some(agent()));
        let merged = of("user_name,skills,pin", "ann,Sales=5|English=3,", Some(&person));
        let EditAction::Merge { document, fields } = merged.action else { panic!("she is there") };
        assert_eq!(fields, ["user_name", "agent.skills"]);
        assert!(
            document.ends_with(r#""skills":[{"skill":"Sales","level":5},{"skill":"English","level":3}]}}"#),
            "{document}"
        );
    }

    #[test]
    fn what_an_export_has_made_a_text_is_what_it_was_and_a_secret_stays() {
        let made = of("user_name,first_name,last_name,password", "ann,'=A,''=B,'=C", None);
        let EditAction::Put(document) = made.action else { panic!("she is new") };
        let expected = r#"{"user_name":"ann","first_name":"=A","last_name":"'=B","password":"'=C"}"#;
        assert_eq!(document, expected);
    }

    #[test]
    fn an_empty_agent_id_makes_no_agent_and_an_empty_cell_removes() {
        let person = ann(Some(agent()));
        let merged = of("user_name,email,agent_id", "ann,,", Some(&person));
        let EditAction::Merge { document, fields } = merged.action else { panic!("she is there") };
        assert_eq!(fields, ["user_name", "email", "agent"]);
        assert_eq!(document, r#"{"user_name":"ann"}"#);
    }

    #[test]
    fn what_another_directory_calls_a_person_and_that_the_password_is_changed_go_in_and_out() {
        let made = of("user_name,external_id,change_password", "ann,00u1,yes", None);
        let EditAction::Put(document) = made.action else { panic!("she is new") };
        assert_eq!(document, r#"{"user_name":"ann","external_id":"00u1","change_password":true}"#);
        let person = Person { external_id: Some("00u1".to_owned()), change_password: true, ..ann(None) };
        let (head, line) = (exported_columns(), exported(&person));
        let cell =
            |name: &str| head.iter().zip(&line).find(|(column, _)| *column == name).map(|(_, cell)| cell.as_str());
        assert_eq!((cell("external_id"), cell("change_password")), (Some("00u1"), Some("true")));
    }

    #[test]
    fn a_field_leads_to_its_column() {
        for (field, column) in [
            ("agent.skills.Sales", "skills"),
            ("agent.skills[0].level", "skills"),
            ("agent.id", "agent_id"),
            ("agent.default_place", "place"),
            ("email", "email"),
            ("agent", "agent"),
        ] {
            assert_eq!(column_of(field), column);
        }
    }
}
