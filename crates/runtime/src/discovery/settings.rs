//! Settings of discovery.

use std::path::PathBuf;

use crate::settings::Secret;

/// The section of discovery.
pub const SECTION: &str = "discovery";
/// Longest prefix: the name of a service is a label of DNS, of 63 letters, and the longest role has 18.
const PREFIX_MAX: usize = 32;
/// Longest name of a datacenter.
const DATACENTER_MAX: usize = 64;

/// Where the addresses of replicas come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryWay {
    /// From the settings.
    Static,
    /// From Consul.
    Consul,
}

impl DiscoveryWay {
    /// The word in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Consul => "consul",
        }
    }
}

crate::settings! {
    /// Settings of discovery.
    pub struct DiscoverySettings {
        /// From where a process learns the addresses of the other roles: `static` (they follow from the instance and `replicas`) or
        /// `consul` (each replica registers in Consul and follows there which of them are there).
        source: String = DiscoveryWay::Static.as_str().to_owned(), |v| way_of(v).map(drop);
        /// The HTTP API of a Consul agent, as `http://127.0.0.1:8500` or `https://consul.example:8501`: best of one, not of several behind
        /// one address.
        consul_url: String = "http://127.0.0.1:8500".to_owned(), |v| check_url(v);
        /// The token of Consul's access control. Empty: none.
        consul_token: Option<Secret> = None;
        /// A file with that token in the place of `consul_token`. It is read for each request, so that it may change.
        consul_token_file: Option<PathBuf> = None => |s| {
            if s.consul_token_file.is_some() && s.consul_token.is_some() {
                return Err("discovery.consul_token is set too: give one of them".to_owned());
            }
            Ok(())
        };
        /// The datacenter whose replicas are looked for. Empty: that of the agent, where each replica registers in any case.
        consul_datacenter: String = String::new(), |v| check_name(v, DATACENTER_MAX);
        /// What the name of every service begins with, before the role, as in `trunkline-gws-workspace`. Instances that share one Consul
        /// need different numbers or different prefixes.
        consul_prefix: String = "trunkline-".to_owned(), |v| check_prefix(v);
        /// File of certificates (PEM) that verify the agent's certificate, instead of those of this machine.
        consul_authorities: Option<PathBuf> = None;
    }
}

impl DiscoverySettings {
    /// Where the addresses come from.
    pub fn way(&self) -> DiscoveryWay {
        // Checked when the settings were loaded.
        way_of(&self.source).unwrap_or(DiscoveryWay::Static)
    }
}

fn way_of(text: &str) -> Result<DiscoveryWay, String> {
    let known = [DiscoveryWay::Static, DiscoveryWay::Consul].into_iter().find(|way| way.as_str() == text);
    known.ok_or_else(|| format!("{text:?} is neither \"static\" nor \"consul\""))
}

fn check_url(url: &str) -> Result<(), String> {
    const WANTED: &str = "it must be http://HOST:PORT or https://HOST:PORT, as http://127.0.0.1:8500";
    let uri: http::Uri = url.parse().map_err(|_| WANTED.to_owned())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match (uri.scheme_str(), uri.host(), uri.port_u16(), path) {
        (Some("http" | "https"), Some(_), Some(_), "/") if !has_user => Ok(()),
        _ => Err(WANTED.to_owned()),
    }
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = prefix.bytes().next().is_none_or(|first| first != b'-');
    if prefix.len() <= PREFIX_MAX && prefix.bytes().all(is_label) && begins {
        return Ok(());
    }
    Err(format!("it must be at most {PREFIX_MAX} of a-z, 0-9 and -, and not begin with -"))
}

fn check_name(name: &str, longest: usize) -> Result<(), String> {
    let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.len() <= longest && name.bytes().all(is_in_name) {
        return Ok(());
    }
    Err(format!("it must be at most {longest} of a-z, A-Z, 0-9, - and _"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::declare::SettingOwned;
    use crate::settings::{Faults, Section, Sources, Values, load};

    fn read(set: &[&str]) -> Result<Values, Faults> {
        let settings = DiscoverySettings::TABLE.iter().map(SettingOwned::from).collect();
        let sections = [Section { name: SECTION.to_owned(), summary: String::new(), settings }];
        let flags = set.iter().map(|set| format!("{SECTION}.{set}")).collect();
        load(&sections, &Sources { flags, ..Sources::default() })
    }

    #[test]
    fn the_addresses_follow_from_the_settings_unless_another_source_is_named() {
        let way = |set: &[&str]| read(set).unwrap().read::<DiscoverySettings>(SECTION).unwrap().way();
        assert_eq!(way(&[]), DiscoveryWay::Static);
        assert_eq!(way(&["source=consul"]), DiscoveryWay::Consul);
    }

    #[test]
    fn what_names_no_agent_or_no_service_is_refused() {
        for right in ["consul_url=https://consul.example:8501", "consul_prefix=", "consul_datacenter=dc-1"] {
            assert!(read(&[right]).is_ok(), "{right}");
        }
        for wrong in [
            "source=etcd",
            "consul_url=127.0.0.1:8500",
            "consul_url=http://consul",
            "consul_url=http://127.0.0.1:8500/v1",
            "consul_url=http://ann:secret@127.0.0.1:8500",
            "consul_prefix=Trunk_line",
            "consul_prefix=-x",
            "consul_datacenter=a/b",
        ] {
            let said = read(&[wrong]).unwrap_err().to_string();
            let key = wrong.split_once('=').map_or(wrong, |(key, _)| key);
            assert!(said.contains(&format!("{SECTION}.{key}")) && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_token_comes_from_one_place_and_is_never_shown() {
        let said = read(&["consul_token=hush", "consul_token_file=/x"]).unwrap_err().to_string();
        assert!(said.contains("discovery.consul_token_file") && !said.contains("hush"), "{said}");
        let settings: DiscoverySettings = read(&["consul_token=hush"]).unwrap().read(SECTION).unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
