//! All sections of the settings: those of the process, and one for each role.

use std::time::Duration;

use super::stores::{self, StoresSettings};
use crate::address;
use crate::directory::Directory;
use crate::discovery::DiscoverySettings;
use crate::discovery::settings::SECTION as DISCOVERY;
use crate::edge;
use crate::settings::declare::SettingOwned;
use crate::settings::{Faults, Section, SettingValue, Values};
use crate::spec::{Replicas, RoleSpec};
use crate::trace::TraceSettings;

/// The section of the process itself.
pub const PROCESS: &str = "process";
/// The section of the trace memory.
pub const TRACE: &str = "trace";
/// The section of replica counts.
pub const REPLICAS: &str = "replicas";

/// More than a day is a mistake.
const DRAIN_DEADLINE_MAX: Duration = Duration::from_secs(24 * 3_600);

crate::settings! {
    /// Settings of the process.
    pub struct ProcessSettings {
        /// How long roles may take to finish their work after SIGTERM; then they are ended.
        drain_deadline: Duration = Duration::from_secs(30), |v| {
            if *v > DRAIN_DEADLINE_MAX { Err("it must be at most 24h".to_owned()) } else { Ok(()) }
        };
        /// How long `up --processes` waits before it restarts an ended process. The pause doubles while the process runs
        /// for less than a minute, up to 10 s (or this value, if it is longer).
        restart_after: Duration = Duration::from_millis(500), |v| {
            if *v > DRAIN_DEADLINE_MAX { Err("it must be at most 24h".to_owned()) } else { Ok(()) }
        };
        /// Whether this process asks auth for the keys that verify tokens and for what was revoked (`own-15`), in the place of reading `keys/public` of the data directory. Of that folder it needs `auth.json` alone then, and of `keys/services` the key of each role that it runs. A process that runs auth reads the files in any case.
        keys_from_auth: bool = false;
        /// Log level: error, warn, info, debug or trace, also per module as in info,voice=debug.
        log: String = "info".to_owned(), |v| crate::log::check(v);
    }
}

/// The sections of a binary with those roles.
pub fn all(table: &[&'static RoleSpec]) -> Vec<Section> {
    let process = Section {
        name: PROCESS.to_owned(),
        summary: "The process, whatever roles it runs.".to_owned(),
        settings: ProcessSettings::TABLE.iter().map(SettingOwned::from).collect(),
    };
    let trace = Section {
        name: TRACE.to_owned(),
        summary: "What each role remembers of the latest calls, so that one can be explained.".to_owned(),
        settings: TraceSettings::TABLE.iter().map(SettingOwned::from).collect(),
    };
    let replicas = Section {
        name: REPLICAS.to_owned(),
        summary: "How many replicas of each role the instance has; every process of it must be told the same."
            .to_owned(),
        settings: by_number(table).into_iter().map(replicas_of).collect(),
    };
    let stores = Section {
        name: stores::SECTION.to_owned(),
        summary: "Where the installation keeps what it knows; every process of it must be told the same.".to_owned(),
        settings: StoresSettings::TABLE.iter().map(SettingOwned::from).collect(),
    };
    let discovery = Section {
        name: DISCOVERY.to_owned(),
        summary: "From where the addresses of the replicas are known; every process of it must be told the same."
            .to_owned(),
        settings: DiscoverySettings::TABLE.iter().map(SettingOwned::from).collect(),
    };
    let of_role = |spec: &&'static RoleSpec| Section {
        name: spec.name.to_owned(),
        summary: format!("{}.", spec.summary.trim_end_matches('.')),
        settings: edge::settings(spec).into_iter().chain(spec.settings.iter().map(SettingOwned::from)).collect(),
    };
    [process, stores, discovery, trace, replicas].into_iter().chain(table.iter().map(of_role)).collect()
}

/// The directory for the replica counts of the settings.
pub fn directory(instance: u8, table: &[&'static RoleSpec], values: &Values) -> Result<Directory, Faults> {
    Ok(Directory::of_instance(instance, table, |role| replica_count(values, role)))
}

/// How many replicas the role has.
pub fn replica_count(values: &Values, role: &str) -> u8 {
    // The value was checked when the settings were loaded.
    values.get(REPLICAS, &key(role)).and_then(|value| u8::read(value).ok()).unwrap_or(1)
}

/// The settings that give every role of which there may be several this number of replicas, as `--set` takes them.
pub fn replica_settings(table: &[&'static RoleSpec], replicas: u8) -> Vec<String> {
    let several = by_number(table).into_iter().filter(|spec| spec.replicas == Replicas::Several);
    several.map(|spec| format!("{REPLICAS}.{}={replicas}", key(spec.name))).collect()
}

/// The roles in the order of their addresses. Roles that only have a reserved address are not there: a setting without an effect
/// would promise them.
fn by_number(table: &[&'static RoleSpec]) -> Vec<&'static RoleSpec> {
    let mut specs = table.to_vec();
    specs.sort_by_key(|spec| spec.number);
    specs
}

fn replicas_of(spec: &RoleSpec) -> SettingOwned {
    let role = spec.name;
    let check: fn(&toml::Value) -> Result<(), String> = match spec.replicas {
        Replicas::One => check_one,
        Replicas::Single | Replicas::Several => check_count,
    };
    let at_most = if spec.replicas == Replicas::One { ": at most 1" } else { "" };
    let doc = format!("Replicas of {role}{at_most}.");
    SettingOwned { key: key(role), doc, kind: u8::KIND, default: "1".to_owned(), check, beside: None, secret: false }
}

fn check_count(value: &toml::Value) -> Result<(), String> {
    let count = u8::read(value)?;
    if count > address::REPLICAS_MAX { Err(format!("at most {}", address::REPLICAS_MAX)) } else { Ok(()) }
}

fn check_one(value: &toml::Value) -> Result<(), String> {
    match u8::read(value)? {
        0 | 1 => Ok(()),
        _ => Err("at most 1: there is one for all, and the other roles connect to the first alone".to_owned()),
    }
}

fn key(role: &str) -> String {
    role.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_that_there_are_have_a_number_of_replicas() {
        static RQ: RoleSpec = RoleSpec::bare("rq", 10);
        static DIALPLAN: RoleSpec = RoleSpec::bare("dialplan", 5);
        let sections = all(&[&RQ, &DIALPLAN]);
        let replicas = sections.iter().find(|section| section.name == REPLICAS).unwrap();
        let keys: Vec<&str> = replicas.settings.iter().map(|setting| setting.key.as_str()).collect();
        assert_eq!(keys, ["dialplan", "rq"]);
        assert!(address::RESERVED.iter().all(|(role, _)| !keys.contains(&key(role).as_str())));
    }

    #[test]
    fn a_role_of_which_there_is_one_gets_no_second_replica() {
        static TENANT: RoleSpec = RoleSpec { replicas: Replicas::One, ..RoleSpec::bare("tenant", 16) };
        static RQ: RoleSpec = RoleSpec::bare("rq", 10);
        let (one, any) = (replicas_of(&TENANT), replicas_of(&RQ));
        let count = toml::Value::Integer;
        assert!((one.check)(&count(1)).is_ok() && (any.check)(&count(2)).is_ok());
        let why = (one.check)(&count(2)).unwrap_err();
        assert!(why.contains("connect to the first alone"), "{why}");
        assert!((any.check)(&count(255)).is_err() && (one.check)(&toml::Value::from("many")).is_err());
    }
}
