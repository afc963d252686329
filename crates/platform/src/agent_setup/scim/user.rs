//! A person as SCIM sees one, and what a request makes of the person (RFC 7643 section 4.1). Attributes without a counterpart are ignored.

use contracts::provisioning::{Privilege, Secret, folded_name};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::syntax::{AttributePath, FilterComparison, path, selects};
use crate::scim_error::{ScimError, ScimType};

/// The type of the one address for mail that a person has.
const EMAIL_TYPE: &str = "work";
/// The fields of a person's document that SCIM reads.
pub(super) const FIELDS: [&str; 8] =
    ["user_name", "first_name", "last_name", "email", "disabled", "privileges", "external_id", "agent.id"];
/// Attributes of RFC 7643 that have no counterpart, or follow from others.
const WITHOUT_COUNTERPART: [&str; 16] = [
    "displayname",
    "nickname",
    "profileurl",
    "title",
    "usertype",
    "preferredlanguage",
    "locale",
    "timezone",
    "phonenumbers",
    "ims",
    "photos",
    "addresses",
    "entitlements",
    "roles",
    "x509certificates",
    "schemas",
];
/// Attributes that nobody changes here.
const READ_ONLY: [&str; 3] = ["id", "meta", "groups"];

/// What SCIM sees of a person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ScimPerson {
    pub user_name: String,
    pub first_name: String,
    pub last_name: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub privileges: Vec<Privilege>,
    /// What the provisioning program calls the person.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Settings as an agent, if there are any.
    #[serde(default)]
    pub agent: Option<AgentSettings>,
}

/// That there are such settings is all that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct AgentSettings {}

impl ScimPerson {
    /// What people call the person.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// Whether the person's address for mail is among those that are meant.
    pub fn has_email_of(&self, comparisons: &[FilterComparison]) -> bool {
        self.email.as_ref().is_some_and(|email| is_email_of(comparisons, Some(email)))
    }
}

fn is_email_of(comparisons: &[FilterComparison], value: Option<&String>) -> bool {
    selects(comparisons, |part| match part {
        "value" => value.map(|value| json!(value)),
        "type" => Some(json!(EMAIL_TYPE)),
        "primary" => Some(json!(true)),
        _ => None,
    })
}

/// The addresses for mail, as SCIM has them.
pub(super) fn emails(email: &str) -> Value {
    json!([{ "value": email, "type": EMAIL_TYPE, "primary": true }])
}

/// Whether values join those that are there, or take their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// They join.
    Add,
    /// They take it.
    Replace,
}

/// What becomes of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PasswordEdit {
    Kept,
    Removed,
    Set(Secret),
}

/// A person while a request changes what SCIM sees of it. Texts that nobody has given are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserDraft {
    user_name: String,
    first_name: String,
    last_name: String,
    email: Option<String>,
    external_id: Option<String>,
    disabled: bool,
    password: PasswordEdit,
}

impl UserDraft {
    /// A new person, as the body of a request says.
    ///
    /// # Errors
    /// The attribute that has a faulty value, or none where one is needed.
    pub fn new(body: &Map<String, Value>) -> Result<Self, ScimError> {
        let mut draft = Self {
            user_name: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            email: None,
            external_id: None,
            disabled: false,
            password: PasswordEdit::Kept,
        };
        draft.set_all(body, Manner::Replace)?;
        draft.complete()
    }

    /// A person as it is.
    pub fn of(person: &ScimPerson) -> Self {
        Self {
            user_name: person.user_name.clone(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            email: person.email.clone(),
            external_id: person.external_id.clone(),
            disabled: person.disabled,
            password: PasswordEdit::Kept,
        }
    }

    /// The person in whose place the body of a request is put (RFC 7644 section 3.5.1). A body that does not say whether the person is
    /// active leaves that as it is: nobody is enabled again by silence.
    ///
    /// # Errors
    /// As for a new one.
    pub fn replaced(mut self, body: &Map<String, Value>) -> Result<Self, ScimError> {
        self.first_name.clear();
        self.last_name.clear();
        (self.email, self.external_id) = (None, None);
        self.set_all(body, Manner::Replace)?;
        self.complete()
    }

    /// The same, once what is needed is there.
    ///
    /// # Errors
    /// The attribute that is missing.
    pub fn complete(self) -> Result<Self, ScimError> {
        let needed =
            [("userName", &self.user_name), ("name.givenName", &self.first_name), ("name.familyName", &self.last_name)];
        match needed.iter().find(|(_, text)| text.trim().is_empty()) {
            Some((attribute, _)) => Err(ScimError::value(attribute, "it is needed")),
            None => Ok(self),
        }
    }

    /// The name by which the person signs in, which is the id.
    pub fn id(&self) -> &str {
        &self.user_name
    }

    /// Sets all attributes of an object. Those that are not known, or that nobody changes, are ignored.
    ///
    /// # Errors
    /// The attribute that has a faulty value.
    pub fn set_all(&mut self, object: &Map<String, Value>, manner: Manner) -> Result<(), ScimError> {
        for (key, value) in object {
            // Some agents write paths as keys.
            let Ok(at) = path(key) else { continue };
            if is_kept(&at) {
                self.set(&at, value, manner)?;
            }
        }
        Ok(())
    }

    /// Sets the attribute at a path.
    ///
    /// # Errors
    /// If there is no such attribute, it does not change, or its value is faulty.
    pub fn set(&mut self, at: &AttributePath, value: &Value, manner: Manner) -> Result<(), ScimError> {
        if let Some(comparisons) = &at.selects {
            return self.set_selected(at, comparisons, value);
        }
        match (at.name.as_str(), at.sub.as_deref()) {
            ("username", None) => self.set_user_name(&text("userName", value)?),
            ("name", None) => self.set_name(value, manner),
            ("name", Some("givenname")) => {
                self.first_name = text("name.givenName", value)?;
                Ok(())
            }
            ("name", Some("familyname")) => {
                self.last_name = text("name.familyName", value)?;
                Ok(())
            }
            ("active", None) => {
                if let Some(active) = flag("active", value)? {
                    self.disabled = !active;
                }
                Ok(())
            }
            ("externalid", None) => {
                self.external_id = Some(text("externalId", value)?).filter(|id| !id.is_empty());
                Ok(())
            }
            ("emails", None) => self.set_emails(value, manner),
            ("emails", Some("value")) => {
                self.email = Some(text("emails.value", value)?).filter(|email| !email.is_empty());
                Ok(())
            }
            ("password", None) => {
                if let Some(edit) = password(value)? {
                    self.password = edit;
                }
                Ok(())
            }
            _ => changeable(at),
        }
    }

    /// Takes the attribute at a path away.
    ///
    /// # Errors
    /// If there is no such attribute, it is needed, or nothing is there that is meant.
    pub fn remove(&mut self, at: &AttributePath) -> Result<(), ScimError> {
        if let Some(comparisons) = &at.selects {
            if at.name != "emails" {
                return changeable(at);
            }
            if !self.email.as_ref().is_some_and(|email| is_email_of(comparisons, Some(email))) {
                return Err(ScimError::bad(ScimType::NoTarget, "emails: there is no such value"));
            }
            if at.sub.as_deref().is_none_or(|sub| sub == "value") {
                self.email = None;
            }
            return Ok(());
        }
        match (at.name.as_str(), at.sub.as_deref()) {
            ("username", None) | ("name", None | Some("givenname" | "familyname")) | ("active", None) => {
                Err(ScimError::bad(ScimType::Mutability, format!("{}: it is needed", at.name)))
            }
            ("emails", None | Some("value")) => {
                self.email = None;
                Ok(())
            }
            ("externalid", None) => {
                self.external_id = None;
                Ok(())
            }
            ("password", None) => {
                self.password = PasswordEdit::Removed;
                Ok(())
            }
            _ => changeable(at),
        }
    }

    /// It is the person's id, so it is set once.
    fn set_user_name(&mut self, name: &str) -> Result<(), ScimError> {
        if self.user_name.is_empty() {
            name.clone_into(&mut self.user_name);
        } else if folded_name(&self.user_name) != folded_name(name) {
            let rule = "userName: it is never changed; create another user and delete this one";
            return Err(ScimError::bad(ScimType::Mutability, rule));
        }
        Ok(())
    }

    fn set_name(&mut self, value: &Value, manner: Manner) -> Result<(), ScimError> {
        let parts = match value {
            Value::Object(parts) => parts,
            Value::Null => return Ok(()),
            _ => return Err(ScimError::value("name", "an object is needed")),
        };
        for (key, value) in parts {
            let sub = key.to_ascii_lowercase();
            if sub == "givenname" || sub == "familyname" {
                let at = AttributePath { name: "name".to_owned(), is_extension: false, selects: None, sub: Some(sub) };
                self.set(&at, value, manner)?;
            }
        }
        Ok(())
    }

    fn set_emails(&mut self, value: &Value, manner: Manner) -> Result<(), ScimError> {
        let given = match value {
            Value::Array(all) => all.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        let mut addresses = given.iter().map(Address::read).collect::<Result<Vec<_>, _>>()?;
        addresses.retain(|address| !address.value.is_empty());
        // The first of those that are most ours.
        addresses.sort_by_key(|address| !address.is_primary);
        addresses.sort_by_key(|address| !address.is_primary && !address.is_work);
        let is_kept = manner == Manner::Add && self.email.is_some();
        let chosen = addresses.into_iter().find(|address| !is_kept || address.is_primary || address.is_work);
        if manner == Manner::Replace || chosen.is_some() {
            self.email = chosen.map(|address| address.value);
        }
        Ok(())
    }

    /// Sets what brackets select: the one address for mail. One that is not there yet is made if it would be selected, as provisioning
    /// agents expect; those of other types have no counterpart.
    fn set_selected(
        &mut self,
        at: &AttributePath,
        comparisons: &[FilterComparison],
        value: &Value,
    ) -> Result<(), ScimError> {
        if at.name != "emails" {
            return changeable(at);
        }
        let is_by_value = comparisons.iter().any(|comparison| comparison.path.name == "value");
        if !is_email_of(comparisons, self.email.as_ref()) {
            let target = || ScimError::bad(ScimType::NoTarget, "emails: there is no such value");
            return if is_by_value { Err(target()) } else { Ok(()) };
        }
        let given = match at.sub.as_deref() {
            Some("value") => text("emails.value", value)?,
            Some(_) => return Ok(()),
            None if value.is_null() => String::new(),
            None => Address::read(value)?.value,
        };
        self.email = Some(given).filter(|email| !email.is_empty());
        Ok(())
    }

    // === as documents of tenant ===

    /// The document of a new person.
    pub fn document(&self) -> Value {
        let mut document = json!({
            "user_name": self.user_name,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "disabled": self.disabled,
            "external_id": self.external_id,
        });
        if let PasswordEdit::Set(password) = &self.password {
            document["password"] = json!(password.reveal());
        }
        document
    }

    /// What of a person is no longer as it was: the fields of the document that change; empty if none does.
    pub fn changes_of(&self, person: &ScimPerson) -> Map<String, Value> {
        let mut changed = Map::new();
        let mut note = |field: &str, value: Value| drop(changed.insert(field.to_owned(), value));
        if self.first_name != person.first_name {
            note("first_name", json!(self.first_name));
        }
        if self.last_name != person.last_name {
            note("last_name", json!(self.last_name));
        }
        if self.email != person.email {
            note("email", json!(self.email));
        }
        if self.disabled != person.disabled {
            note("disabled", json!(self.disabled));
        }
        if self.external_id != person.external_id {
            note("external_id", json!(self.external_id));
        }
        match &self.password {
            PasswordEdit::Kept => {}
            PasswordEdit::Removed => note("password", Value::Null),
            PasswordEdit::Set(password) => note("password", json!(password.reveal())),
        }
        changed
    }
}

/// An address for mail as a request has it.
struct Address {
    value: String,
    is_work: bool,
    is_primary: bool,
}

impl Address {
    fn read(value: &Value) -> Result<Self, ScimError> {
        let Value::Object(parts) = value else {
            return Err(ScimError::value("emails", "objects with a value are needed"));
        };
        let part = |name: &str| parts.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        Ok(Self {
            value: part("value").map(|value| text("emails.value", value)).transpose()?.unwrap_or_default(),
            is_work: part("type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case(EMAIL_TYPE)),
            is_primary: part("primary").map(|value| flag("emails.primary", value)).transpose()?.flatten() == Some(true),
        })
    }
}

/// Whether an attribute of a body counts.
fn is_kept(at: &AttributePath) -> bool {
    matches!(at.name.as_str(), "username" | "name" | "active" | "emails" | "externalid" | "password")
}

/// Whether a request may name an attribute that is set nowhere else: nothing comes of it.
fn changeable(at: &AttributePath) -> Result<(), ScimError> {
    let name = at.name.as_str();
    if READ_ONLY.contains(&name) {
        return Err(ScimError::bad(ScimType::Mutability, format!("{name}: it cannot be changed")));
    }
    let is_part = matches!(
        (name, at.sub.as_deref()),
        ("name", Some("formatted" | "middlename" | "honorificprefix" | "honorificsuffix"))
            | ("emails", Some("type" | "primary" | "display"))
    );
    if at.is_extension || is_part || WITHOUT_COUNTERPART.contains(&name) {
        return Ok(());
    }
    Err(ScimError::bad(ScimType::InvalidPath, "there is no such attribute"))
}

/// A text; one that is not there is empty.
fn text(attribute: &str, value: &Value) -> Result<String, ScimError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        _ => Err(ScimError::value(attribute, "a text is needed")),
    }
}

/// What a value makes of a password: null unassigns it (RFC 7643 section 2.5). A program that has none to give often sends an empty text,
/// also for people who leave: that says nothing, so that nobody loses a password by it and the rest of the request holds.
fn password(value: &Value) -> Result<Option<PasswordEdit>, ScimError> {
    if value.is_null() {
        return Ok(Some(PasswordEdit::Removed));
    }
    let given = Some(text("password", value)?).filter(|password| !password.is_empty());
    Ok(given.map(|password| PasswordEdit::Set(Secret(password))))
}

/// True or false, which some agents write as texts; `None` for null.
fn flag(attribute: &str, value: &Value) -> Result<Option<bool>, ScimError> {
    match value {
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::Null => Ok(None),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(ScimError::value(attribute, "true or false is needed")),
    }
}

#[cfg(test)]
pub(super) fn ann() -> ScimPerson {
    ScimPerson {
        user_name: "ann@d.example".to_owned(),
        first_name: "Ann".to_owned(),
        last_name: "Adams".to_owned(),
        email: Some("ann@d.example".to_owned()),
        disabled: false,
        privileges: vec![Privilege::Agent],
        external_id: None,
        agent: None,
    }
}

#[cfg(test)]
mod tests;
