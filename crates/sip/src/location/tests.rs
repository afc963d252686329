use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;

fn office() -> KnownLocation {
    let civic = [
        (CivicElement::Room, "4.12"),
        (CivicElement::Country, "DE"),
        (CivicElement::A1, "Berlin"),
        (CivicElement::A3, "Berlin"),
        (CivicElement::Rd, "Straße \"Am <Ufer> & Steg\""),
        (CivicElement::Hno, "7a"),
        (CivicElement::Flr, "4"),
        (CivicElement::Pc, "10115"),
        (CivicElement::Nam, "Acme's"),
    ];
    KnownLocation {
        civic: civic.map(|(element, text)| (element, text.to_owned())).to_vec(),
        point: Some(GeoPoint { latitude: "52.520008".to_owned(), longitude: "-13.404954".to_owned() }),
    }
}

const OF: Subject<'_> =
    Subject { entity: "sip:+4930123450@acme.example", device: "urn:uuid:0", at: "2026-11-28T02:00:00Z" };

/// The texts of a document's elements, if it is well formed.
fn texts(document: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(document).map_err(|error| error.to_string())?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut open, mut texts, mut text) = (0_i32, Vec::new(), String::new());
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                open += 1;
                for attribute in start.attributes() {
                    attribute.map_err(|error| error.to_string())?;
                }
                text.clear();
            }
            Event::End(_) => {
                open -= 1;
                if !text.is_empty() {
                    texts.push(std::mem::take(&mut text));
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => text.push_str(match &*name {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                other => return Err(format!("an unknown reference {other:?}")),
            }),
            Event::Eof if open == 0 => return Ok(texts),
            Event::Eof => return Err(format!("{open} elements are open")),
            _ => {}
        }
    }
}

fn invite(headers: &str, body: &str) -> Message {
    let text = format!(
        "INVITE sip:112@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:7101@a>;tag=a\r\nTo: <sip:112@b>\r\n\
         Call-ID: a\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into()).expect("a message")
}

/// A document that says where somebody is.
const WHERE: &str = "<presence><location-info><civicAddress><A3>Berlin</A3></civicAddress></location-info></presence>";

const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

/// A body with a session and a document with these headers.
fn with_document(headers: &str, document: &str) -> String {
    format!("--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n{headers}\r\n{document}\r\n--b--\r\n")
}

#[test]
fn the_document_is_what_the_standards_say() {
    let document = office().document(&OF);
    let golden = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
        xmlns:gp=\"urn:ietf:params:xml:ns:pidf:geopriv10\" xmlns:gbp=\"urn:ietf:params:xml:ns:pidf:geopriv10:basicPolicy\" \
        xmlns:cl=\"urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr\" xmlns:gml=\"http://www.opengis.net/gml\" \
        entity=\"sip:+4930123450@acme.example\"><tuple id=\"point\"><status><gp:geopriv><gp:location-info>\
        <gml:Point srsName=\"urn:ogc:def:crs:EPSG::4326\"><gml:pos>52.520008 -13.404954</gml:pos></gml:Point>\
        </gp:location-info><gp:usage-rules><gbp:retransmission-allowed>true</gbp:retransmission-allowed></gp:usage-rules>\
        <gp:method>Manual</gp:method></gp:geopriv></status><timestamp>2026-11-28T02:00:00Z</timestamp></tuple>\
        <dm:device id=\"caller\"><gp:geopriv><gp:location-info><cl:civicAddress><cl:country>DE</cl:country><cl:A1>Berlin</cl:A1><cl:A3>Berlin</cl:A3>\
        <cl:RD>Straße &quot;Am &lt;Ufer&gt; &amp; Steg&quot;</cl:RD><cl:HNO>7a</cl:HNO><cl:FLR>4</cl:FLR>\
        <cl:NAM>Acme&apos;s</cl:NAM><cl:PC>10115</cl:PC><cl:ROOM>4.12</cl:ROOM></cl:civicAddress></gp:location-info>\
        <gp:usage-rules><gbp:retransmission-allowed>true</gbp:retransmission-allowed></gp:usage-rules>\
        <gp:method>Manual</gp:method></gp:geopriv><dm:deviceID>urn:uuid:0</dm:deviceID>\
        <dm:timestamp>2026-11-28T02:00:00Z</dm:timestamp></dm:device></presence>\n";
    assert_eq!(document, golden);
    assert!(texts(&document).expect("well formed").contains(&"Straße \"Am <Ufer> & Steg\"".to_owned()));
}

#[test]
fn what_is_known_beside_a_point_alone_makes_it_finer() {
    let floor = vec![(CivicElement::Flr, "4".to_owned()), (CivicElement::Nam, "Acme".to_owned())];
    let document = KnownLocation { civic: floor, ..office() }.document(&OF);
    let text = String::from_utf8_lossy(&document);
    let place = "<dm:device id=\"caller\"><gp:geopriv><gp:location-info><gml:Point srsName=\"urn:ogc:def:crs:EPSG::4326\">\
        <gml:pos>52.520008 -13.404954</gml:pos></gml:Point><cl:civicAddress><cl:FLR>4</cl:FLR><cl:NAM>Acme</cl:NAM>";
    assert!(text.contains(place) && !text.contains("<tuple"), "{text}");
    for alone in [KnownLocation { point: None, ..office() }, KnownLocation { civic: Vec::new(), ..office() }] {
        let document = alone.document(&OF);
        let text = String::from_utf8_lossy(&document);
        assert_eq!(text.matches("<gp:location-info>").count(), 1, "{text}");
    }
}

#[test]
fn a_location_that_a_phone_gives_is_read_and_goes_on_as_it_came() {
    let headers = "Content-Type: application/pidf+xml\r\nContent-ID: <target 1@phone.example>\r\n";
    let body = with_document(headers, WHERE);
    let refers = "Geolocation: <https://elsewhere.example/1>, <CID:target%201@phone.example>;inserted-by=\"x\"\r\n";
    let given = Geolocation::read(&invite(&format!("{refers}Geolocation-Routing: No\r\n{MIXED}"), &body));
    let given = given.expect("a location");
    assert_eq!((&*given.document, given.may_route), (WHERE.as_bytes(), Some(false)));
    assert_eq!(format!("{given:?}"), format!("Geolocation({} bytes)", WHERE.len()), "nothing of it is in a log");
    let (headers, part) = given.attach("1@node".to_owned());
    assert_eq!(headers[0], (GEOLOCATION, "<cid:1@node>".to_owned()));
    assert_eq!(headers[1], (GEOLOCATION_ROUTING, "no".to_owned()));
    assert_eq!((part.content_id.as_deref(), &*part.content), (Some("1@node"), WHERE.as_bytes()));
}

#[test]
fn what_is_no_location_by_value_is_none() {
    let pidf = |id: &str| format!("Content-Type: application/pidf+xml\r\nContent-ID: <{id}>\r\n");
    let refers = "Geolocation: <cid:1@p>\r\n";
    let read = |headers: &str, body: &str| Geolocation::read(&invite(headers, body));
    assert!(read(&format!("{refers}{MIXED}"), &with_document(&pidf("1@p"), WHERE)).is_some());
    for (headers, body) in [
        (MIXED.to_owned(), with_document(&pidf("1@p"), WHERE)),
        (format!("Geolocation: <https://a/1>\r\n{MIXED}"), with_document(&pidf("1@p"), WHERE)),
        (format!("{refers}{MIXED}"), with_document(&pidf("2@p"), WHERE)),
        (format!("{refers}{MIXED}"), with_document(&pidf("1@p"), "")),
        (format!("{refers}{MIXED}"), with_document(&pidf("1@p"), "<presence><location-info/></presence>")),
        (format!("{refers}{MIXED}"), with_document(&pidf("1@p"), &format!("<!DOCTYPE presence>{WHERE}"))),
        (
            format!("{refers}{MIXED}"),
            with_document(&pidf("1@p"), &format!("{WHERE}{}", " ".repeat(LOCATION_BYTES_MAX))),
        ),
        (format!("{refers}{MIXED}"), with_document(&(pidf("1@p") + "Content-Transfer-Encoding: base64\r\n"), WHERE)),
        (format!("{refers}{MIXED}"), with_document("Content-Type: text/plain\r\nContent-ID: <1@p>\r\n", WHERE)),
        (format!("{refers}Content-Type: application/pidf+xml\r\n"), WHERE.to_owned()),
        (format!("{refers}Content-Type: multipart/mixed\r\n"), with_document(&pidf("1@p"), WHERE)),
        (refers.to_owned(), String::new()),
    ] {
        assert_eq!(read(&headers, &body), None, "{headers}{body}");
    }
}

#[test]
fn a_message_shows_no_location_in_a_log() {
    let headers = "Content-Type: application/pidf+xml\r\nContent-ID: <1@p>\r\n";
    let told =
        invite(&format!("Geolocation: <https://where.example/berlin-1>\r\n{MIXED}"), &with_document(headers, WHERE));
    let alone = invite("Content-Type: application/PIDF+xml\r\n", WHERE);
    for message in [told, alone] {
        let shown = format!("{message:?}");
        assert!(shown.contains("INVITE sip:112@b") && !shown.to_ascii_lowercase().contains("berlin"), "{shown}");
    }
    assert!(format!("{:?}", invite("Content-Type: application/sdp\r\n", "v=0")).contains("v=0"));
}

#[test]
fn a_location_is_left_out_of_an_invite() {
    let headers = "Content-Type: application/pidf+xml\r\nContent-ID: <1@p>\r\n";
    let all = format!("Geolocation: <cid:1@p>\r\nGeolocation-Routing: yes\r\n{MIXED}");
    let mut told = invite(&all, &with_document(headers, "<presence/>"));
    assert!(leave_out(&mut told));
    let told = Message::parse(told.to_bytes()).expect("a message");
    assert_eq!((told.body(), told.header(&GEOLOCATION), told.header(&GEOLOCATION_ROUTING)), (&b"v=0"[..], None, None));
    assert!(!leave_out(&mut told.clone()), "it has none any more");
}

proptest! {
    /// Whatever stands in the tenant's file, the document is well formed and says just that.
    #[test]
    fn any_text_is_in_a_well_formed_document(street in any::<String>(), entity in any::<String>()) {
        let civic = vec![(CivicElement::Rd, format!("x{street}x"))];
        let location = KnownLocation { civic, point: None };
        let document = location.document(&Subject { entity: &entity, ..OF });
        let texts = texts(&document).map_err(TestCaseError::fail)?;
        let is_xml = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        let expected: String = format!("x{street}x").chars().filter(is_xml).collect();
        prop_assert!(texts.contains(&expected), "{:?} is not in {:?}", expected, texts);
    }

    #[test]
    fn any_invite_is_read(geolocation in "[<>a-z:@,;%\"0-9 ]{0,40}", head in "[A-Za-z:/+<>@\r\n -]{0,60}", document in any::<String>()) {
        let body = with_document(&head, &document);
        if let Some(location) = Geolocation::read(&invite(&format!("Geolocation: {geolocation}\r\n{MIXED}"), &body)) {
            prop_assert!(location.document.len() <= LOCATION_BYTES_MAX);
        }
    }
}
