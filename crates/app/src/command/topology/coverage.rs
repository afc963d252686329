//! `trunkline topology --coverage`: how far each published connection is implemented.

use runtime::connections::coverage::{self, Coverage, Totals};
use runtime::connections::{self, Connection};
use runtime::exit::Exit;
use serde_json::{Value, json};

use super::paint::{Paint, Tone};
use crate::roles;

/// Prints every published connection with its coverage, then the totals.
pub fn run(as_json: bool) -> anyhow::Result<Exit> {
    let published = || connections::all().iter().filter(|row| !row.is_own());
    let totals = coverage::totals(roles::TABLE);
    if as_json {
        let rows: Vec<Value> = published().map(row_as_json).collect();
        say_line!("{}", serde_json::to_string_pretty(&json!({ "coverage": totals, "connections": rows }))?);
        return Ok(Exit::Done);
    }
    let paint = Paint::of_stdout();
    published().for_each(|row| say!("{}", line(row, paint)));
    say_line!("{}", in_a_line(totals));
    Ok(Exit::Done)
}

/// The totals, worded as in docs/topology.md.
fn in_a_line(totals: Totals) -> String {
    let Totals { proven, declared, not_yet, total } = totals;
    format!(
        "{} of {total} published connections: {proven} proven, {declared} declared; {not_yet} not yet",
        proven + declared
    )
}

fn line(row: &Connection, paint: Paint) -> String {
    let how_far = coverage::of(roles::TABLE, row);
    let tone = match how_far {
        Coverage::Proven => Tone::Good,
        Coverage::Declared => Tone::Odd,
        Coverage::NotYet => Tone::Quiet,
    };
    let ends = format!("{} → {}", row.from, row.to);
    let state = paint.paint(tone, &format!("{:<8}", how_far.as_str()));
    let mut text = format!("{:<13} {ends:<42} {state}", row.id);
    let again = coverage::drawn_again_as(row.id);
    if !again.is_empty() {
        text.push_str(&format!("  as {}", again.join(", ")));
    } else if let (Coverage::Proven, Some(test)) = (how_far, coverage::proof(row.id)) {
        text.push_str(&format!("  by {test}"));
    }
    text.push('\n');
    text
}

fn row_as_json(row: &Connection) -> Value {
    let how_far = coverage::of(roles::TABLE, row);
    json!({
        "id": row.id, "from": row.from, "to": row.to, "protocol": row.protocol, "port": row.port,
        "coverage": how_far, "proof": (how_far == Coverage::Proven).then(|| coverage::proof(row.id)).flatten(),
        "sameAs": coverage::drawn_again_as(row.id),
    })
}
