//! The host's action elements, as data: what a document may say beyond W3C's elements.
//!
//! A module's namespace is recognised by the last segment of its URI (after `/`, `:` or `#`), so documents may keep the
//! URIs that they were written with.

/// The modules that a host offers.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// The modules.
    pub modules: &'static [Module],
}

/// Action elements under one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Its name as the host sees it.
    pub name: &'static str,
    /// Last segments of namespace URIs that mean it.
    pub segments: &'static [&'static str],
    /// Its elements.
    pub elements: &'static [Element],
}

/// An element of a module.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its local name.
    pub name: &'static str,
    /// Whether it may stand in executable content; else it is a child of another one only.
    pub place: Place,
    /// What its attribute `requestid` is.
    pub request_id: RequestId,
    /// Attributes that it may have; each is an expression, except a `requestid` that is stored.
    pub attributes: &'static [&'static str],
    /// Of these, the ones that it must have.
    pub required: &'static [&'static str],
    /// Children, as `module:name`; `param` allows `<param name expr>`.
    pub children: &'static [&'static str],
}

/// What an element's attribute `requestid` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestId {
    /// A location: the id of the new request is stored there.
    Stored,
    /// An expression: names an earlier request.
    Named,
}

/// Where an element may stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In executable content.
    Action,
    /// Inside another element of the host.
    Child,
}

impl Vocabulary {
    /// No action elements at all.
    pub const NONE: Self = Self { modules: &[] };

    /// The module that a namespace URI means.
    pub fn module(&self, uri: &str) -> Option<&'static Module> {
        let segment = uri.rsplit(['/', ':', '#']).next().unwrap_or(uri);
        self.modules.iter().find(|m| m.segments.contains(&segment))
    }
}

impl Module {
    /// The element of this name.
    pub fn element(&self, name: &str) -> Option<&'static Element> {
        self.elements.iter().find(|e| e.name == name)
    }
}
