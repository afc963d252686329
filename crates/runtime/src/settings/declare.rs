//! The declaration of settings: one macro gives the struct, its defaults, its manual and its checks.

use super::{Faults, Values};

/// One setting, as data.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Key within its section.
    pub key: &'static str,
    /// Manual entry.
    pub doc: &'static [&'static str],
    /// The kind of value, for error messages.
    pub kind: &'static str,
    /// The default, as TOML.
    pub default: fn() -> String,
    /// Checks a value; the error is the reason.
    pub check: fn(&toml::Value) -> Result<(), String>,
    /// Checks the value against others of its section.
    pub beside: Option<CrossCheck>,
    /// Whether its value must never be printed.
    pub secret: bool,
}

/// Checks a value against the others of its section, whose name is given.
pub type CrossCheck = fn(&Values, &str) -> Result<(), String>;

/// A section: the settings of a role or of the process.
#[derive(Clone, Debug)]
pub struct Section {
    /// Name in the file, as `sip-proxy`.
    pub name: String,
    /// Summary for the manual.
    pub summary: String,
    /// Its settings.
    pub settings: Vec<SettingOwned>,
}

/// A setting whose key may be made at start (edge listeners).
#[derive(Clone, Debug)]
pub struct SettingOwned {
    /// Key within its section.
    pub key: String,
    /// Manual entry.
    pub doc: String,
    /// The kind of value.
    pub kind: &'static str,
    /// The default, as TOML.
    pub default: String,
    /// Checks a value; the error is the reason.
    pub check: fn(&toml::Value) -> Result<(), String>,
    /// Checks the value against others of its section.
    pub beside: Option<CrossCheck>,
    /// Whether its value must never be printed.
    pub secret: bool,
}

impl From<&Setting> for SettingOwned {
    fn from(setting: &Setting) -> Self {
        let doc: Vec<&str> = setting.doc.iter().map(|line| line.trim()).collect();
        Self {
            key: setting.key.to_owned(),
            doc: doc.join(" "),
            kind: setting.kind,
            default: (setting.default)(),
            check: setting.check,
            beside: setting.beside,
            secret: setting.secret,
        }
    }
}

/// A struct of settings; made by [`crate::settings!`].
pub trait SectionSettings: Sized {
    /// Its settings, as data.
    const TABLE: &'static [Setting];

    /// Reads its values of that section; unset ones have their default.
    fn read(values: &Values, section: &str) -> Result<Self, Faults>;
}

/// Declares the settings of a role: a struct whose fields carry doc, type, default and optionally a check.
///
/// ```ignore
/// runtime::settings! {
///     /// Settings of dialplan.
///     pub struct Settings {
///         /// How long an answer may be used again.
///         cache_time: Duration = Duration::from_secs(5), |v| at_most(v, Duration::from_secs(60));
///         /// Maximum number of cached answers.
///         cache_max: usize = 10_000;
///     }
/// }
/// ```
///
/// Gives `Settings::TABLE` for the [`crate::RoleSpec`], `Default`, and reading by [`crate::RoleContext::settings`]. The
/// check is `fn(&Type) -> Result<(), String>`; its text follows the key in the report. A value that depends on others
/// of the section is checked after `=>` by `fn(&Settings) -> Result<(), String>`, whose text names the other key.
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $ty:ty = $default:expr $(, $check:expr)? $(=> $beside:expr)? ; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( $(#[doc = $doc])+ pub $field: $ty, )*
        }

        impl $name {
            /// The settings, as data.
            pub const TABLE: &'static [$crate::settings::Setting] =
                <Self as $crate::settings::SectionSettings>::TABLE;
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::settings::SectionSettings for $name {
            const TABLE: &'static [$crate::settings::Setting] = &[ $(
                $crate::settings::Setting {
                    key: stringify!($field),
                    doc: &[$($doc),+],
                    kind: <$ty as $crate::settings::SettingValue>::KIND,
                    default: || {
                        let default: $ty = $default;
                        $crate::settings::SettingValue::show(&default)
                    },
                    check: |value| {
                        let value = <$ty as $crate::settings::SettingValue>::read(value)?;
                        $(
                            let check: fn(&$ty) -> ::std::result::Result<(), ::std::string::String> = $check;
                            check(&value)?;
                        )?
                        let _ = &value;
                        Ok(())
                    },
                    beside: {
                        #[allow(unused_mut, unused_assignments, reason = "for those that have none")]
                        let mut beside: ::std::option::Option<$crate::settings::declare::CrossCheck> = ::std::option::Option::None;
                        $(
                            beside = ::std::option::Option::Some(|values, section| {
                                let read = <$name as $crate::settings::SectionSettings>::read(values, section);
                                let check: fn(&$name) -> ::std::result::Result<(), ::std::string::String> = $beside;
                                check(&read.map_err(|faults| faults.to_string())?)
                            });
                        )?
                        beside
                    },
                    secret: <$ty as $crate::settings::SettingValue>::SECRET,
                },
            )* ];

            fn read(
                values: &$crate::settings::Values,
                section: &str,
            ) -> ::std::result::Result<Self, $crate::settings::Faults> {
                let mut faults = ::std::vec::Vec::new();
                let mut read = <Self as ::std::default::Default>::default();
                $(
                    if let Some(value) = values.get(section, stringify!($field)) {
                        match <$ty as $crate::settings::SettingValue>::read(value) {
                            Ok(value) => read.$field = value,
                            Err(reason) => faults.push($crate::settings::Fault {
                                key: format!("{section}.{}", stringify!($field)),
                                reason,
                            }),
                        }
                    }
                )*
                if faults.is_empty() { Ok(read) } else { Err($crate::settings::Faults(faults)) }
            }
        }
    };
}

/// A check: the value is at least `low` and at most `high`.
pub fn within<T: PartialOrd + super::SettingValue>(value: &T, low: &T, high: &T) -> Result<(), String> {
    if value < low || value > high {
        return Err(format!("it must be between {} and {}", low.show(), high.show()));
    }
    Ok(())
}
