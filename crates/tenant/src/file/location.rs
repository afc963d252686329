//! Where phones are: `location` of the tenant, of a place and of a phone.

use contracts::provisioning::Location;

use super::scalar::text as scalar;
use super::shape::Need::Optional;
use super::shape::{Shape, field};
use super::tree::{Node, text};

/// All together stay within a document of 8 KiB, however they are escaped.
const ELEMENT: Shape = Shape::Text { max: 100 };
const DEGREES: Shape = Shape::Text { max: 16 };

/// A place by its address, by a point, or by both.
pub(super) static LOCATION: Shape = Shape::Record(&[
    field("country", Optional, &ELEMENT, "The country by its two letters (ISO 3166-1), as \"DE\"."),
    field("region", Optional, &ELEMENT, "The state, region or province (A1 of RFC 5139)."),
    field("city", Optional, &ELEMENT, "The city or town (A3)."),
    field("street", Optional, &ELEMENT, "The street (RD)."),
    field("house_number", Optional, &ELEMENT, "The house number (HNO)."),
    field("floor", Optional, &ELEMENT, "The floor (FLR)."),
    field("room", Optional, &ELEMENT, "The room (ROOM)."),
    field("postal_code", Optional, &ELEMENT, "The postal code (PC)."),
    field("name", Optional, &ELEMENT, "Who lives or works there (NAM)."),
    field("latitude", Optional, &DEGREES, "Degrees north in WGS 84, in quotes, as \"52.520008\"; with `longitude`."),
    field("longitude", Optional, &DEGREES, "Degrees east in WGS 84, in quotes, as \"13.404954\"; with `latitude`."),
]);

/// What is set for the tenant, a place or a phone.
pub(super) fn read(of: &Node) -> Option<Location> {
    let item = of.get("location")?;
    Some(Location {
        country: text(item, "country"),
        region: text(item, "region"),
        city: text(item, "city"),
        street: text(item, "street"),
        house_number: text(item, "house_number"),
        floor: text(item, "floor"),
        room: text(item, "room"),
        postal_code: text(item, "postal_code"),
        name: text(item, "name"),
        latitude: text(item, "latitude"),
        longitude: text(item, "longitude"),
    })
}

/// The record on one line.
pub(super) fn record(location: &Location) -> String {
    let keys = [
        ("country", &location.country),
        ("region", &location.region),
        ("city", &location.city),
        ("street", &location.street),
        ("house_number", &location.house_number),
        ("floor", &location.floor),
        ("room", &location.room),
        ("postal_code", &location.postal_code),
        ("name", &location.name),
        ("latitude", &location.latitude),
        ("longitude", &location.longitude),
    ];
    let set = keys.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", scalar(value.as_deref()?))));
    format!("{{{}}}", set.collect::<Vec<_>>().join(", "))
}

/// The key of a line; nothing if nothing is set.
pub(super) fn line(location: Option<&Location>) -> String {
    location.map(|location| format!(", location: {}", record(location))).unwrap_or_default()
}
