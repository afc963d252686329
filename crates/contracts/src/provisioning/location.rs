//! Where phones are, for emergency calls: an address, a point, or both.

use std::fmt;

use serde::{Deserialize, Serialize};

const COUNTRY: &str = "it is a country by its two letters (ISO 3166-1), as \"DE\"";
const LATITUDE: &str = "it is a number of degrees from -90 to 90, as \"52.520008\"";
const LONGITUDE: &str = "it is a number of degrees from -180 to 180, as \"13.404954\"";
const NO_LATITUDE: &str = "a point needs `latitude` beside `longitude`";
const NO_LONGITUDE: &str = "a point needs `longitude` beside `latitude`";
const NOTHING: &str =
    "nobody finds it: it needs `country`, `street`, and `city` or `postal_code`; or `latitude` and `longitude`";

/// A place: the address in the elements of RFC 5139, the point in WGS 84. It is personal data, and not in any `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// The country by its two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// State, region, province (A1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// City or town (A3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Street (RD).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// House number (HNO).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub house_number: Option<String>,
    /// Floor (FLR).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Room (ROOM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Postal code (PC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Who lives or works there (NAM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Degrees north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<String>,
    /// Degrees east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<String>,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(..)")
    }
}

impl Location {
    /// The point, if it has a good one.
    pub fn point(&self) -> Option<(&str, &str)> {
        let latitude = self.latitude.as_deref().filter(|degrees| is_degrees(degrees, 90))?;
        let longitude = self.longitude.as_deref().filter(|degrees| is_degrees(degrees, 180))?;
        Some((latitude, longitude))
    }

    /// The key that is wrong, empty for the whole, and the rule that it breaks.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if self.country.as_deref().is_some_and(|country| !is_country(country)) {
            return Some(("country", COUNTRY));
        }
        match (self.latitude.as_deref(), self.longitude.as_deref()) {
            (Some(degrees), _) if !is_degrees(degrees, 90) => Some(("latitude", LATITUDE)),
            (_, Some(degrees)) if !is_degrees(degrees, 180) => Some(("longitude", LONGITUDE)),
            (None, Some(_)) => Some(("latitude", NO_LATITUDE)),
            (Some(_), None) => Some(("longitude", NO_LONGITUDE)),
            (Some(_), Some(_)) => None,
            _ if !self.has_address() => Some(("", NOTHING)),
            _ => None,
        }
    }
}

impl Location {
    /// Whether its address can be found by somebody who knows nothing else of it.
    fn has_address(&self) -> bool {
        self.country.is_some() && self.street.is_some() && (self.city.is_some() || self.postal_code.is_some())
    }
}

/// Whether it is a decimal number of degrees, of at most `most` in either direction, with at most ten digits behind the point.
fn is_degrees(text: &str, most: u32) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_beyond = |whole: u32| whole > most || (whole == most && fraction.bytes().any(|digit| digit != b'0'));
    is_number(whole, 3) && is_number(fraction, 10) && whole.parse().is_ok_and(|whole| !is_beyond(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: Option<&str>, longitude: Option<&str>) -> Location {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Location { latitude: text(latitude), longitude: text(longitude), ..Location::default() }
    }

    #[test]
    fn degrees_are_decimal_and_on_the_earth() {
        for good in ["0", "-0.5", "52.520008", "90", "-90.000", "7.0000000001"] {
            assert_eq!(at(Some(good), Some("180")).fault(), None, "{good}");
        }
        for bad in ["", "90.1", "-91", "1e1", "+5", "5.", ".5", "5,2", " 5", "1.00000000001", "0090", "nan"] {
            assert_eq!(at(Some(bad), Some("0")).fault(), Some(("latitude", LATITUDE)), "{bad}");
            assert_eq!(at(Some(bad), Some("0")).point(), None);
        }
        assert_eq!(at(Some("0"), Some("180.1")).fault(), Some(("longitude", LONGITUDE)));
    }

    #[test]
    fn half_a_point_no_country_and_nothing_at_all_are_faults() {
        assert_eq!(at(Some("1"), None).fault(), Some(("longitude", NO_LONGITUDE)));
        assert_eq!(at(None, Some("1")).fault(), Some(("latitude", NO_LATITUDE)));
        assert_eq!(at(None, None).fault(), Some(("", NOTHING)));
        for country in ["de", "DEU", "Germany"] {
            let location = Location { country: Some(country.to_owned()), ..Location::default() };
            assert_eq!(location.fault(), Some(("country", COUNTRY)), "{country}");
        }
        let text = |text: &str| Some(text.to_owned());
        let room = Location { room: text("4.12"), country: text("DE"), city: text("Berlin"), ..Location::default() };
        assert_eq!(room.fault(), Some(("", NOTHING)), "no street");
        let found = Location { street: text("Example Street"), ..room };
        assert_eq!((found.fault(), format!("{found:?}").as_str()), (None, "Location(..)"));
    }
}
