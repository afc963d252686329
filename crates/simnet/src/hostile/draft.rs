//! A message while it is being written: departures from what is expected are made in it before it becomes text.

use super::deviations::{Deviation, Validity};
use super::dice::Dice;
use super::party::Place;

/// A message that is being written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The start line.
    pub start: String,
    /// The headers in their order, but Content-Length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// What stands as Content-Length where it is not the truth.
    pub length: Option<String>,
    /// What was done to it, by name.
    pub deviations: Vec<&'static str>,
    /// Whether it is still what the grammars allow.
    pub validity: Validity,
}

impl Draft {
    /// A message without headers.
    pub fn new(start: impl Into<String>) -> Self {
        Self {
            start: start.into(),
            headers: Vec::new(),
            body: String::new(),
            length: None,
            deviations: Vec::new(),
            validity: Validity::Kept,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// With a body of that type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.set("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// Appends a header.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Replaces a header, where it stands; appends it where it does not.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(header) => header.1 = value,
            None => self.push(name, value),
        }
    }

    /// Removes a header.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// A header's first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        !self.start.starts_with("SIP/2.0 ")
    }

    /// Departs from what is expected in so many ways; those that keep it valid only, where that is wanted.
    pub fn deviate(&mut self, times: usize, valid_only: bool, dice: &mut Dice, place: &Place) {
        for _ in 0..times {
            let Some(deviation) = Deviation::draw(self, valid_only, dice) else { continue };
            deviation.apply(self, dice, place);
        }
    }

    /// The message as it leaves.
    pub fn text(&self) -> String {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        let truth = self.body.len().to_string();
        match self.length.as_deref().unwrap_or(&truth) {
            "" => {}
            length => text.push_str(&format!("Content-Length: {length}\r\n")),
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text
    }
}
