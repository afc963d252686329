//! The types of settings: how each is read and shown.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

/// A type of settings.
pub trait SettingValue: Sized {
    /// Its name in error messages, as in "expected a duration".
    const KIND: &'static str;
    /// Whether its value must never be printed.
    const SECRET: bool = false;

    /// Reads it; the error is the reason.
    fn read(value: &Value) -> Result<Self, String>;

    /// Shows it as TOML.
    fn show(&self) -> String;
}

/// Error message for a value of the wrong type.
fn expected<T: SettingValue>(value: &Value) -> String {
    format!("expected {}, found {}", T::KIND, value.type_str())
}

/// A number of bytes: `10MB`, `64KiB`, or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret in clear; call it only where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The URL of a server; a password in it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The URL with its password; call it only where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before `://`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str("***") };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, after) = rest.split_at(end);
        // The query string may contain a password too.
        let path = after.split_once('?').map_or_else(|| after.to_owned(), |(path, _)| format!("{path}?***"));
        match authority.rsplit_once('@') {
            Some((who, host)) => {
                let user = who.split_once(':').map_or(who.to_owned(), |(user, _)| format!("{user}:***"));
                write!(f, "{scheme}://{user}@{host}{path}")
            }
            None => write!(f, "{scheme}://{authority}{path}"),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

// === impl SettingValue ===

impl SettingValue for bool {
    const KIND: &'static str = "true or false";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected::<Self>(value))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_numbers {
    ($($ty:ident)+) => {$(
        impl SettingValue for $ty {
            const KIND: &'static str = "a whole number";
            fn read(value: &Value) -> Result<Self, String> {
                let number = value.as_integer().ok_or_else(|| expected::<Self>(value))?;
                Self::try_from(number).map_err(|_| {
                    format!("{number} is not between {} and {}", Self::MIN, Self::MAX)
                })
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
whole_numbers!(u8 u16 u32 u64 usize i32 i64);

impl SettingValue for f64 {
    const KIND: &'static str = "a number";
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Float(number) => Ok(*number),
            // Settings are small numbers, far below 2^53.
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(number) => Ok(*number as Self),
            _ => Err(expected::<Self>(value)),
        }
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl SettingValue for String {
    const KIND: &'static str = "a text";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| expected::<Self>(value))
    }
    fn show(&self) -> String {
        Value::String(self.clone()).to_string()
    }
}

impl SettingValue for Secret {
    const KIND: &'static str = "a text that is never printed";
    const SECRET: bool = true;
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(Self::new).ok_or_else(|| expected::<Self>(value))
    }
    fn show(&self) -> String {
        if self.0.is_empty() { "\"\"".to_owned() } else { "\"***\"".to_owned() }
    }
}

impl SettingValue for ServerUrl {
    const KIND: &'static str = "the URL of a server";
    // The printed form hides the password; the configured value does not.
    const SECRET: bool = true;
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected::<Self>(value))?;
        let url = Self(text.to_owned());
        if url.scheme().is_empty() || text.chars().any(char::is_whitespace) {
            // Not shown: it may contain a password.
            return Err(format!("it is not {}", Self::KIND));
        }
        Ok(url)
    }
    fn show(&self) -> String {
        self.to_string().show()
    }
}

/// Types that are written as text and parsed by `FromStr`.
macro_rules! texts {
    ($($ty:ty: $kind:literal),+ $(,)?) => {$(
        impl SettingValue for $ty {
            const KIND: &'static str = $kind;
            fn read(value: &Value) -> Result<Self, String> {
                let text = value.as_str().ok_or_else(|| expected::<Self>(value))?;
                text.parse().map_err(|_| format!("{text:?} is not {}", Self::KIND))
            }
            fn show(&self) -> String {
                format!("\"{self}\"")
            }
        }
    )+};
}
texts!(IpAddr: "an IP address", SocketAddr: "an address and a port, as 192.0.2.1:5060");

impl SettingValue for PathBuf {
    const KIND: &'static str = "a path";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(Self::from).ok_or_else(|| expected::<Self>(value))
    }
    fn show(&self) -> String {
        self.display().to_string().show()
    }
}

impl SettingValue for Duration {
    const KIND: &'static str = "a duration with its unit, as 250ms, 15s, 5m, 1h";
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected::<Self>(value))?;
        let wrong = || format!("{text:?} is not {}", Self::KIND);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis_per_unit = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(millis_per_unit).map(Self::from_millis).ok_or_else(wrong)
    }
    fn show(&self) -> String {
        let millis = self.as_millis();
        let (number, unit) = match millis {
            m if m > 0 && m.is_multiple_of(3_600_000) => (m / 3_600_000, "h"),
            m if m > 0 && m.is_multiple_of(60_000) => (m / 60_000, "m"),
            m if m.is_multiple_of(1_000) => (m / 1_000, "s"),
            m => (m, "ms"),
        };
        format!("\"{number}{unit}\"")
    }
}

impl SettingValue for ByteSize {
    const KIND: &'static str = "a size, as 512KiB, 10MB or a number of bytes";
    fn read(value: &Value) -> Result<Self, String> {
        if value.is_integer() {
            return u64::read(value).map(Self);
        }
        let text = value.as_str().ok_or_else(|| expected::<Self>(value))?;
        let wrong = || format!("{text:?} is not {}", Self::KIND);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let bytes_per_unit = match unit.trim() {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(bytes_per_unit).map(Self).ok_or_else(wrong)
    }
    fn show(&self) -> String {
        match self.0 {
            n if n > 0 && n.is_multiple_of(1 << 20) => format!("\"{}MiB\"", n >> 20),
            n if n > 0 && n.is_multiple_of(1 << 10) => format!("\"{}KiB\"", n >> 10),
            n => n.to_string(),
        }
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const SECRET: bool = T::SECRET;
    /// An empty text is "none".
    fn read(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("") { Ok(None) } else { T::read(value).map(Some) }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "\"\"".to_owned(), SettingValue::show)
    }
}

impl<T: SettingValue> SettingValue for Vec<T> {
    const KIND: &'static str = "a list";
    const SECRET: bool = T::SECRET;
    fn read(value: &Value) -> Result<Self, String> {
        let all = value.as_array().ok_or_else(|| expected::<Self>(value))?;
        let read = |(i, item)| T::read(item).map_err(|reason| format!("item {}: {reason}", i + 1));
        all.iter().enumerate().map(read).collect()
    }
    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(SettingValue::show).collect();
        format!("[{}]", items.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: SettingValue>(text: &str) -> Result<T, String> {
        T::read(&Value::String(text.to_owned()))
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for millis in [0, 1, 250, 15_000, 60_000, 90_000, 3_600_000] {
            let shown = Duration::from_millis(millis).show();
            assert_eq!(text::<Duration>(shown.trim_matches('"')), Ok(Duration::from_millis(millis)), "{shown}");
        }
        assert_eq!(text::<ByteSize>("64KiB"), Ok(ByteSize(65_536)));
        assert_eq!(ByteSize(65_536).show(), "\"64KiB\"");
    }

    #[test]
    fn the_password_in_a_url_is_not_printed() {
        let shown = |url: &str| text::<ServerUrl>(url).unwrap().to_string();
        assert_eq!(shown("redis://ann:se@cret@host:6379/3"), "redis://ann:***@host:6379/3");
        assert_eq!(shown("redis://:secret@host"), "redis://:***@host");
        assert_eq!(shown("postgres://ann@host/db?password=secret"), "postgres://ann@host/db?***");
        assert_eq!(shown("redis://host:6379"), "redis://host:6379");
        assert!(!text::<ServerUrl>("ann:secret").unwrap_err().contains("secret"));
    }

    #[test]
    fn a_wrong_value_says_what_was_expected() {
        assert_eq!(text::<u16>("x").unwrap_err(), "expected a whole number, found string");
        assert_eq!(u8::read(&Value::Integer(300)).unwrap_err(), "300 is not between 0 and 255");
        assert!(text::<Duration>("15").unwrap_err().contains("duration with its unit"));
        assert!(text::<Duration>("99999999999999999999h").is_err());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}{}", secret.show()).contains("hunter2"));
    }
}
