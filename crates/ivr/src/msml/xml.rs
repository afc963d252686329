//! A bounded tree of an MSML body: elements with attributes, children and text.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{BODY_BYTES_MAX, Refusal, code};

/// Deepest nesting that is parsed; MSML needs 5.
const DEPTH_MAX: usize = 12;
/// Most elements of a body.
const ELEMENTS_MAX: usize = 512;

/// Most attributes of an element; MSML needs 4. Each is compared with the others.
const ATTRIBUTES_MAX: usize = 16;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Refuses attributes that are not in `known`; namespace declarations are allowed.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let foreign = |name: &str| !known.contains(&name) && name != "xmlns" && !name.starts_with("xmlns:");
        match self.attributes.iter().find(|(name, _)| foreign(name)) {
            Some((name, _)) => Err(Refusal::new(
                code::UNSUPPORTED_ATTRIBUTE,
                format_args!("attribute {name} of <{}> is not supported", self.name),
            )),
            None => Ok(()),
        }
    }

    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.attribute(name).filter(|v| !v.is_empty()).ok_or_else(|| {
            Refusal::new(code::MISSING_ATTRIBUTE, format_args!("<{}> needs the attribute {name}", self.name))
        })
    }
}

/// Parses a body whose root is `<msml>`.
pub(super) fn parse(body: &[u8]) -> Result<Element, Refusal> {
    let bad = |what: &str| Refusal::new(code::BAD_REQUEST, what);
    if body.len() > BODY_BYTES_MAX {
        return Err(bad("the body is too long"));
    }
    let text = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0;
    loop {
        let event = reader.read_event().map_err(|_| bad("the body is not well-formed"))?;
        if matches!(event, Event::Start(_) | Event::Empty(_)) {
            count += 1;
            if count > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                return Err(bad("the body has too many elements"));
            }
        }
        let closed = match event {
            Event::Start(start) => {
                open.push(element(&start)?);
                None
            }
            Event::Empty(start) => Some(element(&start)?),
            Event::End(_) => Some(open.pop().ok_or_else(|| bad("the body is not well-formed"))?),
            Event::Text(text) => {
                append(&mut open, &text.xml10_content());
                None
            }
            Event::GeneralRef(reference) => {
                let name = reference.into_inner();
                let plain = quick_xml::escape::unescape(&format!("&{name};"))
                    .map_err(|_| bad("an entity is not defined"))?
                    .into_owned();
                append(&mut open, &plain);
                None
            }
            Event::CData(data) => {
                append(&mut open, &data.xml10_content());
                None
            }
            // A document type could define entities that expand without end.
            Event::DocType(_) => return Err(bad("a document type is not allowed")),
            Event::Eof => return Err(bad("the body is not well-formed")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => None,
        };
        let Some(mut done) = closed else { continue };
        done.text = done.text.trim().to_owned();
        match open.last_mut() {
            Some(parent) => parent.children.push(done),
            None if done.name == "msml" => return Ok(done),
            None => return Err(bad("the body is not <msml>")),
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, Refusal> {
    let bad = || Refusal::new(code::BAD_REQUEST, "an attribute cannot be read");
    let name = start.name().into_inner().to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        if attributes.len() >= ATTRIBUTES_MAX {
            return Err(Refusal::new(code::BAD_REQUEST, "an element has too many attributes"));
        }
        let attribute = attribute.map_err(|_| bad())?;
        let key = attribute.key.into_inner().to_owned();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| bad())?.into_owned();
        attributes.push((key, value));
    }
    Ok(Element { name, attributes, ..Element::default() })
}
