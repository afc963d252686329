//! A message being built: deviations are applied to it before it becomes text.

/// Whether a deviation leaves a message valid by RFC 3261 and its extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Validity {
    /// Valid: the receiver must handle it.
    Kept,
    /// Invalid: the receiver may refuse it.
    Lost,
}

/// A message being built.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The start line.
    pub start: String,
    /// The headers in order, without Content-Length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The value of Content-Length, if it is not the correct one.
    pub length: Option<String>,
    /// The names of the applied deviations.
    pub deviations: Vec<&'static str>,
    /// Whether it is still valid by the grammars.
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

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// Sets a body of this type.
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

    /// Replaces a header in its place; appends it if it is absent.
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

    /// The message as sent.
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
