//! A location that is known from configuration, as a document (PIDF-LO: RFC 4119, 5491; civic addresses: RFC 5139).

use std::fmt::{self, Write as _};

use bytes::Bytes;

/// An element of a civic address, in the order of the schema (RFC 5139 §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CivicElement {
    /// The country by its two letters (ISO 3166-1).
    Country,
    /// The national subdivision: state, region, province.
    A1,
    /// The city or town.
    A3,
    /// The road or street.
    Rd,
    /// The house number.
    Hno,
    /// The floor.
    Flr,
    /// The name of who lives or works there.
    Nam,
    /// The postal code.
    Pc,
    /// The room.
    Room,
}

impl CivicElement {
    /// Its name in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::A1 => "A1",
            Self::A3 => "A3",
            Self::Rd => "RD",
            Self::Hno => "HNO",
            Self::Flr => "FLR",
            Self::Nam => "NAM",
            Self::Pc => "PC",
            Self::Room => "ROOM",
        }
    }
}

/// A point on the Earth in WGS 84, in degrees as they were written down.
#[derive(Clone, PartialEq, Eq)]
pub struct GeoPoint {
    /// North of the equator.
    pub latitude: String,
    /// East of Greenwich.
    pub longitude: String,
}

/// A place by its address, by a point, or by both.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KnownLocation {
    /// The address, in any order.
    pub civic: Vec<(CivicElement, String)>,
    /// The point.
    pub point: Option<GeoPoint>,
}

impl fmt::Debug for KnownLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownLocation(..)")
    }
}

/// Whose location it is.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who calls, as a URI.
    pub entity: &'a str,
    /// The phone, as a URI that is always the same for it.
    pub device: &'a str,
    /// The present time (RFC 3339).
    pub at: &'a str,
}

/// Namespaces by their prefixes.
const NAMESPACES: [(&str, &str); 6] = [
    ("xmlns", "urn:ietf:params:xml:ns:pidf"),
    ("xmlns:dm", "urn:ietf:params:xml:ns:pidf:data-model"),
    ("xmlns:gp", "urn:ietf:params:xml:ns:pidf:geopriv10"),
    ("xmlns:gbp", "urn:ietf:params:xml:ns:pidf:geopriv10:basicPolicy"),
    ("xmlns:cl", "urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr"),
    ("xmlns:gml", "http://www.opengis.net/gml"),
];

impl KnownLocation {
    /// Whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        self.civic.is_empty() && self.point.is_none()
    }

    /// The document. The carrier may give it to whoever takes the call (`retransmission-allowed`), since that is what it is for.
    ///
    /// An address and a point are two descriptions of one place, each in an element of its own (RFC 5491 §3.2, rules 2 and 4). That of the
    /// device counts first (rule 8): it is the address, with floor and room. Where all that is known beside a point is which floor or room,
    /// both make up one description, the coarse part first (rule 7).
    pub fn document(&self, of: &Subject<'_>) -> Bytes {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence");
        for (prefix, namespace) in NAMESPACES {
            // Writing to a String cannot fail, here and below.
            let _ = write!(xml, " {prefix}=\"{namespace}\"");
        }
        let _ = write!(xml, " entity=\"{}\">", escaped(of.entity));
        let (device, at) = (escaped(of.device), escaped(of.at));
        let is_apart = self.has_address();
        if is_apart && self.point.is_some() {
            xml.push_str("<tuple id=\"point\"><status>");
            write_geopriv(&mut xml, |xml| self.write_point(xml));
            let _ = write!(xml, "</status><timestamp>{at}</timestamp></tuple>");
        }
        xml.push_str("<dm:device id=\"caller\">");
        write_geopriv(&mut xml, |xml| {
            if !is_apart {
                self.write_point(xml);
            }
            self.write_address(xml);
        });
        let _ = write!(xml, "<dm:deviceID>{device}</dm:deviceID><dm:timestamp>{at}</dm:timestamp>");
        xml.push_str("</dm:device></presence>\n");
        xml.into()
    }

    /// Whether its address says by itself where it is.
    fn has_address(&self) -> bool {
        use CivicElement::{A1, A3, Country, Pc, Rd};
        self.civic.iter().any(|(element, _)| matches!(element, Country | A1 | A3 | Rd | Pc))
    }

    fn write_point(&self, xml: &mut String) {
        let Some(GeoPoint { latitude, longitude }) = &self.point else { return };
        let at = format!("{} {}", escaped(latitude), escaped(longitude));
        let _ = write!(xml, "<gml:Point srsName=\"urn:ogc:def:crs:EPSG::4326\"><gml:pos>{at}</gml:pos></gml:Point>");
    }

    fn write_address(&self, xml: &mut String) {
        if self.civic.is_empty() {
            return;
        }
        let mut civic: Vec<&(CivicElement, String)> = self.civic.iter().collect();
        civic.sort_by_key(|(element, _)| *element);
        civic.dedup_by_key(|(element, _)| *element);
        xml.push_str("<cl:civicAddress>");
        for (element, text) in civic {
            let name = element.as_str();
            let _ = write!(xml, "<cl:{name}>{}</cl:{name}>", escaped(text));
        }
        xml.push_str("</cl:civicAddress>");
    }
}

/// A description of a place, with what may be done with it.
fn write_geopriv(xml: &mut String, write_place: impl FnOnce(&mut String)) {
    xml.push_str("<gp:geopriv><gp:location-info>");
    write_place(xml);
    xml.push_str("</gp:location-info><gp:usage-rules>");
    xml.push_str("<gbp:retransmission-allowed>true</gbp:retransmission-allowed></gp:usage-rules>");
    xml.push_str("<gp:method>Manual</gp:method></gp:geopriv>");
}

/// Text as it stands in an element or in an attribute. Characters that no XML document may have (XML 1.0 §2.2) are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => {}
        }
    }
    out
}
