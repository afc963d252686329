//! The settings of edge listeners: `<name>_listen` and `<name>_advertise` in the role's section.

use std::net::SocketAddr;

use crate::address;
use crate::listener::{Bound, HostPort};
use crate::settings::declare::SettingOwned;
use crate::settings::{Fault, Faults, SettingValue, Values};
use crate::spec::{Listen, Place, RoleSpec};

/// The settings that the edge listeners of a role add to its section.
pub fn settings(spec: &RoleSpec) -> Vec<SettingOwned> {
    let edge = spec.listens.iter().filter(|l| l.place == Place::Edge);
    edge.flat_map(|listen| {
        let default = SocketAddr::new(address::of_edge(0, 1), listen.port);
        [
            SettingOwned {
                key: key(listen, "listen"),
                doc: format!(
                    "Where the edge listener {} binds ({}). The default's address follows instance and replica.",
                    listen.name,
                    listen.protocol.as_str()
                ),
                kind: SocketAddr::KIND,
                default: default.show(),
                check: |value| {
                    let address = SocketAddr::read(value)?;
                    // Replies must leave from the address that peers know.
                    if address.ip().is_unspecified() { Err("a wildcard address cannot be used".into()) } else { Ok(()) }
                },
                beside: None,
                secret: false,
            },
            SettingOwned {
                key: key(listen, "advertise"),
                doc: format!(
                    "The host, with or without a port, that {} advertises to its peers; empty: as it binds.",
                    listen.name
                ),
                kind: "a host, or a host and a port",
                default: "\"\"".to_owned(),
                check: |value| {
                    let text = String::read(value)?;
                    if text.is_empty() { Ok(()) } else { HostPort::parse(&text, 0).map(drop) }
                },
                beside: None,
                secret: false,
            },
        ]
    })
    .collect()
}

/// The address that an edge listener binds, and the one that it advertises.
pub fn bound(spec: &RoleSpec, listen: &Listen, instance: u8, replica: u8, values: &Values) -> Result<Bound, Faults> {
    let read = |what: &str| values.get(spec.name, &key(listen, what));
    let fault =
        |what: &str, reason| Faults(vec![Fault { key: format!("{}.{}", spec.name, key(listen, what)), reason }]);
    let bind = match read("listen") {
        Some(value) => SocketAddr::read(value).map_err(|reason| fault("listen", reason))?,
        None => SocketAddr::new(address::of_edge(instance, replica), listen.port),
    };
    let advertise = match read("advertise").and_then(toml::Value::as_str) {
        Some(text) if !text.is_empty() => {
            HostPort::parse(text, bind.port()).map_err(|reason| fault("advertise", reason))?
        }
        _ => bind.into(),
    };
    Ok(Bound { listen: bind, advertise })
}

fn key(listen: &Listen, what: &str) -> String {
    format!("{}_{what}", listen.name.replace('-', "_"))
}
