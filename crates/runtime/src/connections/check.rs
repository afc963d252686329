//! Compares the roles' declarations with the table of connections.

use super::{Connection, find, stands_for};
use crate::address;
use crate::spec::{Listen, Place, RoleSpec};

/// All differences, as text.
pub fn check(table: &[&'static RoleSpec]) -> Vec<String> {
    let mut faults = Vec::new();
    for (i, spec) in table.iter().enumerate() {
        if table[..i].iter().any(|other| other.name == spec.name) {
            faults.push(format!("{} stands twice in the table", spec.name));
        }
        faults.extend(numbered(&table[..i], spec));
        for id in spec.opens {
            faults.extend(opened(table, spec, id));
        }
        for listen in spec.listens {
            for id in listen.accepts {
                faults.extend(accepted(spec, listen, id));
            }
        }
    }
    faults
}

/// Why the role cannot have its number: another role, a reserved name, the edge or the infrastructure has it.
fn numbered(before: &[&'static RoleSpec], spec: &RoleSpec) -> Option<String> {
    let (name, number) = (spec.name, spec.number);
    if address::RESERVED.iter().any(|(reserved, _)| *reserved == name) {
        return Some(format!("{name} is a role now: it need not stand in address::RESERVED"));
    }
    let of_others = before.iter().map(|other| (other.name, other.number)).chain(address::RESERVED.iter().copied());
    let of_none = [("the edge", address::EDGE), ("the infrastructure", address::INFRASTRUCTURE)];
    let taken = of_others.chain(of_none).find(|(_, other)| *other == number);
    taken.map(|(other, _)| format!("{name} has the number {number} of {other}"))
}

fn opened(table: &[&'static RoleSpec], spec: &RoleSpec, id: &str) -> Option<String> {
    let Some(row) = find(id) else { return Some(format!("{} opens {id}, which is not in the table", spec.name)) };
    if !stands_for(row.from, spec.name) && !dialled_backwards(row, spec.name) {
        return Some(format!("{} opens {id}, but the table says that {} does", spec.name, row.from));
    }
    let target = table.iter().find(|other| other.name == row.to)?;
    let accepts = target.listens.iter().any(|listen| listen.accepts.contains(&id));
    (!accepts && row.to != spec.name).then(|| format!("{} opens {id}, but {} does not accept it", spec.name, row.to))
}

/// A listener may accept connections of a role that does not open them yet: that is no fault.
fn accepted(spec: &RoleSpec, listen: &Listen, id: &str) -> Option<String> {
    let Some(row) = find(id) else { return Some(format!("{} accepts {id}, which is not in the table", spec.name)) };
    if !stands_for(row.to, spec.name) {
        return Some(format!("{} accepts {id}, but the table says that it goes to {}", spec.name, row.to));
    }
    // The ports of the edge are set by the site.
    if listen.place == Place::Cluster && !port_fits(row, listen.port) {
        let (name, port) = (listen.name, listen.port);
        return Some(format!("{} accepts {id} on {name} {port}, but the table says port {}", spec.name, row.port));
    }
    None
}

/// In the drawing's arrows from infrastructure to a role, the role opens the connection: a consumer reads the stream.
fn dialled_backwards(row: &Connection, role: &str) -> bool {
    row.to == role && ["redis", "kafka"].contains(&row.from)
}

/// Whether this port is documented; 80 and 443 have moved, and rows without a number fit any port.
fn port_fits(row: &Connection, port: u16) -> bool {
    let documented: Vec<u16> = row.port.split(',').filter_map(|p| p.trim().parse().ok()).collect();
    let moved = match port {
        8080 => 80,
        8443 => 443,
        port => port,
    };
    documented.is_empty() || documented.contains(&port) || documented.contains(&moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Protocol;

    const fn http(port: u16, accepts: &'static [&'static str]) -> Listen {
        Listen { name: "http", protocol: Protocol::Http, port, place: Place::Cluster, accepts }
    }

    #[test]
    fn two_sides_that_agree_with_the_table_have_no_fault() {
        static CLUSTER: RoleSpec = RoleSpec { opens: &["voice-27"], ..RoleSpec::bare("sip-cluster", 2) };
        static DIALPLAN: RoleSpec = RoleSpec { listens: &[http(8800, &["voice-27"])], ..RoleSpec::bare("dialplan", 5) };
        static TENANT: RoleSpec = RoleSpec { opens: &["voice-14"], ..RoleSpec::bare("tenant", 16) };
        assert_eq!(check(&[&CLUSTER, &DIALPLAN, &TENANT]), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_mistake_is_named() {
        static CLUSTER: RoleSpec =
            RoleSpec { opens: &["voice-27", "voice-99", "voice-38"], ..RoleSpec::bare("sip-cluster", 2) };
        static DIALPLAN: RoleSpec =
            RoleSpec { listens: &[http(8801, &["voice-27", "voice-39"])], ..RoleSpec::bare("dialplan", 2) };
        let faults = check(&[&CLUSTER, &DIALPLAN]);
        assert_eq!(
            faults,
            [
                "sip-cluster opens voice-99, which is not in the table",
                "sip-cluster opens voice-38, but the table says that ors does",
                "dialplan has the number 2 of sip-cluster",
                "dialplan accepts voice-27 on http 8801, but the table says port 8800",
                "dialplan accepts voice-39, but the table says that it goes to sip-cluster",
            ]
        );
    }
}
