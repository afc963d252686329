//! A bounded tree of XML with line numbers.

use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::remarks::Spot;
use super::{SOURCE_BYTES_MAX, SourceFault, SourceFile};

/// Deepest nesting that is read; a whole configuration needs 10.
const DEPTH_MAX: usize = 24;
/// Most attributes of an element. Each is compared with the others.
const ATTRIBUTES_MAX: usize = 64;

/// An element with its attributes and children; its text is of no use here.
#[derive(Debug)]
pub(super) struct Tag {
    pub name: String,
    pub at: Spot,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Tag>,
}

impl Tag {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Children of that name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// This element and all below it, in the order of the file.
    pub fn all(&self) -> Vec<&Self> {
        let mut found = vec![self];
        self.children.iter().for_each(|child| found.extend(child.all()));
        found
    }

    /// Its `param` children, or those of another name, with a name and a value.
    pub fn pairs<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Self, &'a str, &'a str)> {
        self.named(name).filter_map(|child| Some((child, child.attribute("name")?, child.attribute("value")?)))
    }
}

/// Reads a file. Its elements are below a root of its own, since a part of a configuration may have several.
pub(super) fn read(file: &SourceFile) -> Result<Tag, SourceFault> {
    let name: Arc<str> = file.name.as_str().into();
    let fault = |line: usize, reason: String| SourceFault { file: file.name.clone(), line, reason };
    if file.text.len() > SOURCE_BYTES_MAX {
        return Err(fault(1, format!("it has more than {SOURCE_BYTES_MAX} bytes")));
    }
    let root = Tag {
        name: String::new(),
        at: Spot { file: name.clone(), line: 1 },
        attributes: Vec::new(),
        children: Vec::new(),
    };
    let mut open = vec![root];
    let mut lines = LineCount { text: &file.text, at: 0, line: 1 };
    let mut reader = Reader::from_str(&file.text);
    loop {
        let line = lines.at(usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX));
        let at = Spot { file: name.clone(), line };
        match reader.read_event().map_err(|error| fault(line, format!("it is not well-formed XML: {error}")))? {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return Err(fault(line, format!("elements are nested deeper than {DEPTH_MAX}")));
                }
                open.push(tag(&start, at).map_err(|reason| fault(line, reason))?);
            }
            Event::Empty(start) => {
                let done = tag(&start, at).map_err(|reason| fault(line, reason))?;
                close(&mut open, done);
            }
            Event::End(_) => {
                if let Some(done) = open.pop() {
                    close(&mut open, done);
                }
            }
            Event::Eof => break,
            // A document type could define entities that expand without end.
            Event::DocType(_) => return Err(fault(line, "a document type declaration is not read".to_owned())),
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::Decl(_) => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) => Ok(root),
        (left, _) => {
            let (name, line) = left.map_or_else(Default::default, |tag| (tag.name, tag.at.line));
            Err(fault(line, format!("<{name}> is not closed")))
        }
    }
}

fn close(open: &mut [Tag], done: Tag) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(done);
    }
}

fn tag(start: &BytesStart<'_>, at: Spot) -> Result<Tag, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        if attributes.len() >= ATTRIBUTES_MAX {
            return Err(format!("an element has more than {ATTRIBUTES_MAX} attributes"));
        }
        let attribute = attribute.map_err(|error| format!("it is not well-formed XML: {error}"))?;
        let key = attribute.key.into_inner().to_owned();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_err(|error| format!("attribute {key}: {error}"))?.into_owned();
        attributes.push((key, value));
    }
    Ok(Tag { name: start.name().into_inner().to_owned(), at, attributes, children: Vec::new() })
}

/// Counts lines up to places that only grow.
struct LineCount<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl LineCount<'_> {
    fn at(&mut self, place: usize) -> usize {
        let passed = self.text.as_bytes().get(self.at..place).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.at = self.at.max(place);
        self.line
    }
}
