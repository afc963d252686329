//! The host's action elements, as data: the elements of a document beyond W3C's.
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
    /// Its name for the host.
    pub name: &'static str,
    /// Last segments of the namespace URIs that refer to it.
    pub segments: &'static [&'static str],
    /// Its elements.
    pub elements: &'static [Element],
}

/// An element of a module.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Its local name.
    pub name: &'static str,
    /// Whether it is allowed in executable content, or only as a child of another element.
    pub place: Place,
    /// The use of its attribute `requestid`.
    pub request_id: RequestId,
    /// Its allowed attributes; each is an expression, except a `requestid` that is a location.
    pub attributes: &'static [&'static str],
    /// The required ones among them.
    pub required: &'static [&'static str],
    /// Allowed children, as `module:name`; `param` allows `<param name expr>`.
    pub children: &'static [&'static str],
}

/// The use of an element's attribute `requestid`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestId {
    /// A location: the id of the new request is stored there.
    Stored,
    /// An expression that names an earlier request.
    Named,
}

/// Where an element is allowed.
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

    /// The module that a namespace URI refers to.
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
