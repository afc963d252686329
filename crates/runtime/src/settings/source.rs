//! Sources of values: file, environment, flags; later ones win. The faults of all are reported at once.

use std::path::PathBuf;

use super::near_miss::nearest;
use super::{Fault, Faults, Section, Values};

/// Prefix of environment variables that carry settings: `TRUNKLINE_<SECTION>__<KEY>`.
pub const ENVIRONMENT_PREFIX: &str = "TRUNKLINE_";
/// Separates section and key in an environment variable.
const SEPARATOR: &str = "__";

/// Variables by which the published service is configured: name, section and key.
const PUBLISHED_VARIABLES: [(&str, &str, &str); 3] = [
    ("TELEMETRY_CONFIG_CONTRACTS", "telemetry", "contracts"),
    ("TELEMETRY_CONFIG_CORS", "telemetry", "cors"),
    ("TELEMETRY_CONFIG_TENANTS", "telemetry", "tenants"),
];

/// The variable by which the published service is told where these are, and the one place that is known here: variables.
const PUBLISHED_PLACE: (&str, &str) = ("TELEMETRY_CONFIG_SERVICE", "env");

/// The sources of settings, weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// TOML files: name for the report, and text.
    pub files: Vec<(PathBuf, String)>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// `section.key=value` of `--set`.
    pub flags: Vec<String>,
}

/// Reads and checks all sources against the declared `sections`.
///
/// # Errors
/// All faults of all sources.
pub fn load(sections: &[Section], sources: &Sources) -> Result<Values, Faults> {
    let (values, faults) = load_sound(sections, sources);
    if faults.is_empty() { Ok(values) } else { Err(Faults(faults)) }
}

/// The values without faults, and the faults of the others: for diagnosis.
pub fn load_sound(sections: &[Section], sources: &Sources) -> (Values, Vec<Fault>) {
    let mut reader = Reader { sections, values: Values::default(), faults: Vec::new() };
    for (name, text) in &sources.files {
        reader.file(&name.display().to_string(), text);
    }
    for (name, value) in &sources.environment {
        reader.variable(name, value);
    }
    for flag in &sources.flags {
        reader.flag(flag);
    }
    reader.together();
    (reader.values, reader.faults)
}

struct Reader<'a> {
    sections: &'a [Section],
    values: Values,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn file(&mut self, name: &str, text: &str) {
        let tree: toml::Table = match text.parse() {
            Ok(tree) => tree,
            Err(error) => return self.fault(name, format!("not TOML: {}", error.to_string().trim())),
        };
        for (section, content) in tree {
            let Some(keys) = content.as_table() else {
                self.fault(&section, format!("expected a section, as [{section}] (in {name})"));
                continue;
            };
            for (key, value) in keys {
                self.set(&section, key, value.clone(), name);
            }
        }
    }

    fn variable(&mut self, name: &str, text: &str) {
        if let Some((_, section, key)) = PUBLISHED_VARIABLES.iter().find(|(published, ..)| *published == name) {
            return self.set_text(section, key, text, name);
        }
        let (place, known) = PUBLISHED_PLACE;
        if name == place && text != known {
            return self.fault(
                name,
                format!("it must be {known:?}: what telemetry is told comes from variables and settings"),
            );
        }
        let Some((section, key)) = name.strip_prefix(ENVIRONMENT_PREFIX).and_then(|n| n.split_once(SEPARATOR)) else {
            return;
        };
        let section = section.to_ascii_lowercase().replace('_', "-");
        self.set_text(&section, &key.to_ascii_lowercase(), text, name);
    }

    fn flag(&mut self, flag: &str) {
        let parts = flag.split_once('=').and_then(|(path, text)| Some((path.rsplit_once('.')?, text)));
        let Some(((section, key), text)) = parts else {
            return self.fault("--set", format!("{flag:?} is not SECTION.KEY=VALUE"));
        };
        self.set_text(section, key, text, "--set");
    }

    /// Sets a value that came as text: taken literally if the setting accepts text, else parsed as TOML.
    fn set_text(&mut self, section: &str, key: &str, text: &str, from: &str) {
        let plain = toml::Value::String(text.to_owned());
        let takes_text = self.declared(section, key).is_some_and(|setting| (setting.check)(&plain).is_ok());
        let as_toml = || format!("v = {text}").parse::<toml::Table>().ok()?.remove("v");
        let value = if takes_text { plain } else { as_toml().unwrap_or(plain) };
        self.set(section, key, value, from);
    }

    fn set(&mut self, section: &str, key: &str, value: toml::Value, from: &str) {
        let Some(setting) = self.declared(section, key) else { return self.unknown(section, key, from) };
        if let Err(reason) = (setting.check)(&value) {
            // The reason could quote the secret.
            let reason = if setting.secret { format!("not {}", setting.kind) } else { reason };
            return self.fault(&format!("{section}.{key}"), format!("{reason} (in {from})"));
        }
        self.values.0.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
    }

    /// Checks values against each other, only in sections without faults: a default in place of a faulty value would
    /// cause a second fault.
    fn together(&mut self) {
        for section in self.sections {
            let faulty = |f: &Fault| f.key.strip_prefix(&section.name).is_some_and(|rest| rest.starts_with('.'));
            if self.faults.iter().any(faulty) {
                continue;
            }
            for setting in &section.settings {
                if let Some(Err(reason)) = setting.beside.map(|beside| beside(&self.values, &section.name)) {
                    self.fault(&format!("{}.{}", section.name, setting.key), reason);
                }
            }
        }
    }

    fn declared(&self, section: &str, key: &str) -> Option<&super::declare::SettingOwned> {
        self.sections.iter().find(|s| s.name == section)?.settings.iter().find(|s| s.key == key)
    }

    fn unknown(&mut self, section: &str, key: &str, from: &str) {
        let (known, what, near) = match self.sections.iter().find(|s| s.name == section) {
            Some(s) => (true, "key", nearest(key, s.settings.iter().map(|s| s.key.as_str()))),
            None => (false, "section", nearest(section, self.sections.iter().map(|s| s.name.as_str()))),
        };
        let hint = match near {
            Some(near) if known => format!("; did you mean {section}.{near}?"),
            Some(near) => format!("; did you mean [{near}]?"),
            None => String::new(),
        };
        self.fault(&format!("{section}.{key}"), format!("unknown {what}{hint} (in {from})"));
    }

    fn fault(&mut self, key: &str, reason: String) {
        self.faults.push(Fault { key: key.to_owned(), reason });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::Secret;
    use crate::settings::declare::within;

    crate::settings! {
        /// For the tests.
        struct Ring {
            /// How long a phone rings.
            ring_timeout: Duration = Duration::from_secs(15), |v| within(v, &Duration::from_secs(1), &Duration::from_secs(60));
            /// How many at once.
            ring_max: u16 = 8;
            /// A password.
            password: Secret = Secret::new("");
            /// A name.
            label: String = "x".to_owned();
            /// How many at least.
            ring_min: u16 = 2 => |ring| {
                if ring.ring_min <= ring.ring_max { Ok(()) } else { Err(format!("more than ring_max ({})", ring.ring_max)) }
            };
        }
    }

    fn sections() -> Vec<Section> {
        let settings = Ring::TABLE.iter().map(Into::into).collect();
        vec![Section { name: "sip-proxy".to_owned(), summary: String::new(), settings }]
    }

    fn from_file(text: &str) -> Result<Values, Faults> {
        load(&sections(), &Sources { files: vec![("t.toml".into(), text.to_owned())], ..Sources::default() })
    }

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let sources = Sources {
            files: vec![("t.toml".into(), "[sip-proxy]\nring_max = 1\nlabel = \"file\"\nring_timeout = \"2s\"".into())],
            environment: vec![
                ("TRUNKLINE_SIP_PROXY__RING_MAX".into(), "2".into()),
                ("TRUNKLINE_SIP_PROXY__LABEL".into(), "1234".into()),
                ("TRUNKLINE_CACHE".into(), "not a setting".into()),
            ],
            flags: vec!["sip-proxy.ring_max=3".into()],
        };
        let ring: Ring = load(&sections(), &sources).unwrap().read("sip-proxy").unwrap();
        assert_eq!((ring.ring_max, ring.label.as_str(), ring.ring_timeout), (3, "1234", Duration::from_secs(2)));
        assert_eq!(ring.password, Secret::new(""));
    }

    crate::settings! {
        /// As telemetry has them.
        struct Published {
            /// A JSON list.
            contracts: String = String::new();
        }
    }

    #[test]
    fn variables_of_the_published_telemetry_are_settings_and_no_other_place_is_silently_ignored() {
        let settings = Published::TABLE.iter().map(Into::into).collect();
        let sections = [Section { name: "telemetry".to_owned(), summary: String::new(), settings }];
        let from = |place: &str| {
            let contracts = ("TELEMETRY_CONFIG_CONTRACTS".to_owned(), "[]".to_owned());
            let environment = vec![("TELEMETRY_CONFIG_SERVICE".to_owned(), place.to_owned()), contracts];
            load(&sections, &Sources { environment, ..Sources::default() })
        };
        let published: Published = from("env").unwrap().read("telemetry").unwrap();
        assert_eq!(published.contracts, "[]");
        let faults = from("s3").unwrap_err().to_string();
        assert!(faults.contains("TELEMETRY_CONFIG_SERVICE: it must be \"env\""), "{faults}");
    }

    #[test]
    fn what_has_no_fault_is_read_beside_what_has() {
        let text = "[sip-proxy]\nring_max = 3\nring_timeout = \"2h\"\n".to_owned();
        let sources = Sources { files: vec![("t.toml".into(), text)], ..Sources::default() };
        let (values, faults) = load_sound(&sections(), &sources);
        let ring: Ring = values.read("sip-proxy").unwrap();
        assert_eq!((ring.ring_max, ring.ring_timeout), (3, Duration::from_secs(15)));
        assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["sip-proxy.ring_timeout"]);
    }

    #[test]
    fn every_fault_is_reported_at_once_with_key_and_reason() {
        let text = "[sip-proxy]\nring_timout = \"2s\"\nring_timeout = \"2h\"\nring_max = \"x\"\n[sip-proxi]\na = 1\n";
        let faults = from_file(text).unwrap_err().to_string();
        for expected in [
            "4 faults",
            "sip-proxy.ring_timout: unknown key; did you mean sip-proxy.ring_timeout? (in t.toml)",
            "sip-proxy.ring_timeout: it must be between \"1s\" and \"1m\" (in t.toml)",
            "sip-proxy.ring_max: expected a whole number, found string",
            "sip-proxi.a: unknown section; did you mean [sip-proxy]?",
        ] {
            assert!(faults.contains(expected), "{expected} is not in\n{faults}");
        }
    }

    #[test]
    fn values_that_do_not_go_together_are_a_fault_unless_one_has_a_fault_already() {
        assert!(from_file("[sip-proxy]\nring_min = 8").is_ok());
        let faults = from_file("[sip-proxy]\nring_min = 9").unwrap_err();
        assert_eq!(faults.to_string(), "1 fault in the settings:\n  sip-proxy.ring_min: more than ring_max (8)");
        assert_eq!(from_file("[sip-proxy]\nring_max = 1").unwrap_err().0.len(), 1, "the other one was set");
        let faults = from_file("[sip-proxy]\nring_min = 9\nring_max = \"x\"").unwrap_err();
        assert_eq!(faults.0.iter().map(|f| &*f.key).collect::<Vec<_>>(), ["sip-proxy.ring_max"]);
    }

    #[test]
    fn text_that_is_not_toml_says_where() {
        let faults = from_file("[sip-proxy\nring_max = 1").unwrap_err().to_string();
        assert!(faults.contains("t.toml: not TOML") && faults.contains("line 1"), "{faults}");
    }

    #[test]
    fn a_fault_in_a_secret_does_not_quote_it() {
        let sources = Sources { flags: vec!["sip-proxy.password=[\"hunter2\"".into()], ..Sources::default() };
        assert!(load(&sections(), &sources).is_ok());
        let faults = from_file("[sip-proxy]\npassword = 12345").unwrap_err().to_string();
        assert!(!faults.contains("12345"), "{faults}");
    }
}
