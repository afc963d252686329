//! The topology as text: the existing connections, grouped by drawing, then the faults.

use runtime::topology::{Row, RowState, Topology};

use super::paint::{Paint, Tone};

/// Width of "from → to".
const ENDS_WIDTH: usize = 30;
const HEAD: &str = "  id            from → to                        port             state     open  requests        in       out  errors  last used\n";

/// The whole table.
pub fn table(topology: &Topology, paint: Paint) -> String {
    let mut text = String::new();
    let mut drawing = "";
    // Connections that no running role has are not shown here: `--coverage` lists them.
    for row in topology.connections.iter().filter(|row| row.state != RowState::Absent) {
        let of = row.id.split('-').next().unwrap_or_default();
        if of != drawing {
            drawing = of;
            text.push_str(&format!("{}\n{}", paint.paint(Tone::Title, title(of)), paint.paint(Tone::Quiet, HEAD)));
        }
        text.push_str(&line(row, topology.at, paint));
    }
    for fault in topology.faults() {
        text.push_str(&format!("{} {fault}\n", paint.paint(Tone::Bad, "!")));
    }
    text.push_str(&in_a_line(topology));
    text.push('\n');
    text
}

/// The number of roles and connections, in one line.
pub fn in_a_line(topology: &Topology) -> String {
    let ready = topology.roles.iter().filter(|role| role.ready).count();
    let in_state = |state: RowState| topology.connections.iter().filter(|row| row.state == state).count();
    let mut text = format!("{ready} of {} role replicas ready; connections:", topology.roles.len());
    let states =
        [RowState::Open, RowState::Embedded, RowState::Idle, RowState::Unused, RowState::Failing, RowState::Missing];
    let shown: Vec<String> = states
        .into_iter()
        .filter(|state| in_state(*state) > 0)
        .map(|state| format!(" {} {}", in_state(state), state.as_str()))
        .collect();
    text.push_str(&shown.join(","));
    text
}

fn title(drawing: &str) -> &str {
    match drawing {
        "voice" => "Voice",
        "tenant" => "Tenant",
        "pulse" => "Pulse",
        "telemetry" => "Telemetry",
        "gws" => "GWS",
        "own" => "Our own",
        other => other,
    }
}

fn line(row: &Row, now: u64, paint: Paint) -> String {
    let ends = format!("{} → {}", row.from, row.to);
    let port = format!("{} {}", row.protocol, row.port);
    let state = paint.paint(tone(row.state), &format!("{:<8}", row.state.as_str()));
    let head = format!("  {:<13} {ends:<ENDS_WIDTH$}   {port:<16} {state}", row.id);
    if !row.same_as.is_empty() {
        return format!("{head}  as {}\n", row.same_as.join(", "));
    }
    let sums = &row.sums;
    let counts = format!(
        "{:>6} {:>9} {:>9} {:>9} {:>7}  {}",
        sums.open,
        sums.requests,
        bytes(sums.bytes_in),
        bytes(sums.bytes_out),
        sums.errors,
        sums.last_use.map_or("never".to_owned(), |at| ago(now.saturating_sub(at))),
    );
    // No socket, so there is nothing to count.
    let counts = if row.state == RowState::Embedded { String::new() } else { counts };
    format!("{head}{counts}\n")
}

const fn tone(state: RowState) -> Tone {
    match state {
        RowState::Open | RowState::Embedded => Tone::Good,
        RowState::Idle | RowState::Unused | RowState::Absent => Tone::Quiet,
        RowState::Failing => Tone::Odd,
        RowState::Missing => Tone::Bad,
    }
}

/// A number of bytes in at most eight characters.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let (mut value, mut unit) = (count as f64 / 1_000.0, 0);
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// How long ago, as text; `ms` is the age.
pub(in crate::command) fn ago(ms: u64) -> String {
    match ms / 1_000 {
        0 => "now".to_owned(),
        s @ 1..=119 => format!("{s} s ago"),
        s @ 120..=7_199 => format!("{} min ago", s / 60),
        s @ 7_200..=172_799 => format!("{} h ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_are_short() {
        let shown: Vec<String> = [0, 999, 1_000, 999_949, 1_000_000, 2_500_000_000].into_iter().map(bytes).collect();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "2.5 GB"]);
        let times: Vec<String> = [999, 1_000, 119_999, 120_000, 7_200_000, 172_800_000].into_iter().map(ago).collect();
        assert_eq!(times, ["now", "1 s ago", "119 s ago", "2 min ago", "2 h ago", "2 days ago"]);
    }

    #[test]
    fn only_coloured_text_has_escapes() {
        assert_eq!(Paint::Plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(Paint::Colours.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}
