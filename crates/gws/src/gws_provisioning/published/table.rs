//! Tables of people as the published API takes and gives them (CSV, RFC 4180). The names of columns are the published ones, or those of the
//! tenant's own tables.

use serde_json::Value;

/// The most faults of a table that are kept.
const FAULTS_MAX: usize = 20;
/// The longest of them, in characters.
const FAULT_MAX: usize = 200;
/// What a spreadsheet takes for a formula at the begin of a cell.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// Published columns, and those of the tenant's own tables.
const COLUMNS: [(&str, &str); 12] = [
    ("userName", "user_name"),
    ("firstName", "first_name"),
    ("lastName", "last_name"),
    ("emailAddress", "email"),
    ("employeeID", "agent_id"),
    ("loginCode", "login_code"),
    ("externalID", "external_id"),
    ("placeNames", "place"),
    ("wrapUpTime", "wrap_up_s"),
    ("changePasswordOnNextLogin", "change_password"),
    ("skills", "skills"),
    ("password", "password"),
];

/// How many lines a table has behind its head.
pub(in crate::gws_provisioning) fn lines(table: &str) -> u32 {
    let lines = table.lines().filter(|line| !line.trim().is_empty()).count();
    u32::try_from(lines.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// The table with the columns that tenant knows.
pub(in crate::gws_provisioning) fn with_own_columns(table: &str) -> String {
    let table = table.strip_prefix('\u{feff}').unwrap_or(table);
    let (head, rest) = table.split_once('\n').unwrap_or((table, ""));
    let by = if head.contains(';') { ";" } else { "," };
    let own = |name: &str| {
        let name = name.trim().trim_matches('"');
        COLUMNS.iter().find(|(published, _)| *published == name).map_or(name, |(_, own)| *own).to_owned()
    };
    let head: Vec<String> = head.trim_end().split(by).map(own).collect();
    format!("{}\n{rest}", head.join(by))
}

/// What is wrong with a table, a line each; where there is more than is kept, the last line says how much.
pub(in crate::gws_provisioning) fn faults(taken: &Value) -> Vec<String> {
    let fault = |fault: &Value| {
        let (line, column) = (fault["line"].as_u64().unwrap_or_default(), fault["column"].as_str().unwrap_or_default());
        let at = if column.is_empty() { format!("line {line}") } else { format!("line {line}, column {column}") };
        let words = format!("{at}: {}", fault["rule"].as_str().unwrap_or_default());
        words.chars().take(FAULT_MAX).collect::<String>()
    };
    let all = taken["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut faults: Vec<String> = all.iter().take(FAULTS_MAX).map(fault).collect();
    let unsaid = u64::try_from(all.len().saturating_sub(FAULTS_MAX)).unwrap_or(u64::MAX);
    let more = unsaid.saturating_add(taken["moreFaults"].as_u64().unwrap_or_default());
    if more > 0 {
        faults.push(format!("{more} more faults are not listed"));
    }
    faults
}

/// A table of people, as they are shown, with these columns.
pub(in crate::gws_provisioning) fn written(people: &[Value], fields: &[String]) -> String {
    let mut table = line(fields.iter().cloned());
    for person in people {
        table.push_str(&line(fields.iter().map(|field| cell(&person[field.as_str()]))));
    }
    table
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(element).collect::<Vec<_>>().join("|"),
        Value::Object(_) => element(value),
        other => other.to_string(),
    }
}

/// An element of a list: a skill with its level, or a name.
fn element(value: &Value) -> String {
    match (value.get("name").and_then(Value::as_str), value.get("level"), value.as_str()) {
        (Some(skill), Some(level), _) => format!("{skill}={level}"),
        (_, _, Some(text)) => text.to_owned(),
        _ => value.to_string(),
    }
}

/// A cell as it stands in the table. Before what a spreadsheet would take for a formula stands an apostrophe, as imports know.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(FORMULA) { "'" } else { "" };
    match cell.contains(['"', ',', '\n', '\r', ';']) {
        true => format!("\"{guard}{}\"", cell.replace('"', "\"\"")),
        false => format!("{guard}{cell}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn published_columns_become_those_of_the_tenant_and_others_stay() {
        let table = "\u{feff}userName,\"firstName\",lastName,employeeID,privileges\r\nann,Ann,Adams,1001,agent\r\n";
        let own = with_own_columns(table);
        assert_eq!(own.lines().next(), Some("user_name,first_name,last_name,agent_id,privileges"));
        assert_eq!((own.lines().nth(1), lines(table)), (Some("ann,Ann,Adams,1001,agent"), 1));
        assert_eq!(with_own_columns("user_name;skills\nann;French=4"), "user_name;skills\nann;French=4");
    }

    #[test]
    fn a_table_is_written_so_that_a_spreadsheet_computes_nothing() {
        let person = json!({
            "userName": "ann", "lastName": "O\"Neil, A", "firstName": "=1+1", "skills": [{"name": "French", "level": 4}],
            "agentGroups": ["Berlin", "Night"], "enabled": true,
        });
        let fields =
            ["userName", "firstName", "lastName", "skills", "agentGroups", "enabled", "none"].map(str::to_owned);
        let table = written(&[person], &fields);
        assert_eq!(table.lines().nth(1), Some("ann,'=1+1,\"O\"\"Neil, A\",French=4,Berlin|Night,true,"));
    }

    #[test]
    fn faults_are_bounded() {
        let fault = json!({"line": 3, "column": "", "rule": "x".repeat(1_000)});
        let told = faults(&json!({"faults": vec![fault.clone(); 100], "moreFaults": 7}));
        assert_eq!((told.len(), told[0].chars().count()), (FAULTS_MAX + 1, FAULT_MAX));
        assert_eq!(told[FAULTS_MAX], "87 more faults are not listed");
        assert_eq!(faults(&json!({"faults": vec![fault; FAULTS_MAX], "moreFaults": 0})).len(), FAULTS_MAX);
        assert!(faults(&json!({"faults": [], "moreFaults": 0})).is_empty());
    }
}
