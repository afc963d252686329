//! Contacts that people keep at their desktops, or share, as JSON between gws-workspace and gws-setting (gws-31). Desktops have the same
//! form.

use infra::{SearchTerm, TargetSearch, spellings};
use serde::{Deserialize, Serialize};

/// The kinds of numbers.
pub const NUMBER_KINDS: [&str; 5] = ["work", "mobile", "home", "internal", "other"];
/// Numbers of a contact.
const NUMBERS_MAX: usize = 10;
/// Bytes of the id of a contact.
const ID_MAX: usize = 64;
/// Bytes of the name of a contact, and of its company.
const NAME_MAX: usize = 255;
/// Bytes of its note.
const NOTE_MAX: usize = 1_000;
/// Characters of an e-mail address (RFC 5321 section 4.5.3.1.3).
const EMAIL_MAX: usize = 254;
/// Digits of a number behind its plus (E.164), and of one inside.
const DIGITS_MAX: usize = 15;
/// Contacts that an answer has at most, and where nobody says how many.
pub const PAGE_MAX: usize = 200;
const PAGE: usize = 50;

/// A number of a contact.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ContactNumber {
    /// One of [`NUMBER_KINDS`].
    #[serde(rename = "type")]
    pub kind: String,
    /// With a plus as E.164 has it, or as it is dialled inside.
    pub number: String,
}

/// A contact.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContactEntry {
    /// Its id, which it is given.
    pub id: String,
    /// Whether all people of the tenant see it; else it is the own of who has made it.
    pub is_shared: bool,
    /// What it is called.
    pub name: String,
    /// Its numbers; the first one is dialled where nobody says which.
    pub numbers: Vec<ContactNumber>,
    /// Its e-mail address; empty for none.
    pub email_address: String,
    /// Its company; empty for none.
    pub company: String,
    /// What else is to be known; empty for nothing.
    pub note: String,
    /// When it was changed last, in milliseconds since 1970.
    pub changed_at: u64,
}

impl ContactEntry {
    /// What is wrong with it: the field and the rule.
    pub fn fault(&self) -> Option<String> {
        if self.name.trim().is_empty() {
            return Some("name: it is missing".to_owned());
        }
        if !is_id(&self.id) {
            return Some(format!("id: it is not up to {ID_MAX} letters, digits, hyphens or underscores"));
        }
        if self.numbers.len() > NUMBERS_MAX {
            return Some(format!("numbers: there are more than {NUMBERS_MAX}"));
        }
        let texts = [("name", &self.name, NAME_MAX), ("company", &self.company, NAME_MAX)];
        let of_texts = texts.into_iter().find_map(|(field, text, most)| text_fault(field, text, most));
        let of_note = || text_fault("note", &self.note.replace('\n', " "), NOTE_MAX);
        let of_numbers = || self.numbers.iter().find_map(ContactNumber::fault);
        of_texts.or_else(of_note).or_else(of_numbers).or_else(|| email_fault(&self.email_address))
    }

    /// Whether one of the terms fits: all its words are in the name, the company, the address or the numbers. Without a term all do.
    fn fits(&self, terms: &[SearchTerm]) -> bool {
        let numbers = self.numbers.iter().map(|number| number.number.as_str());
        let fields =
            [self.name.as_str(), self.company.as_str(), self.email_address.as_str()].into_iter().chain(numbers);
        let written: Vec<String> = fields.flat_map(spellings).collect();
        let is_there = |word: &String| written.iter().any(|field| field.contains(word.as_str()));
        terms.is_empty() || terms.iter().any(|term| term.words.iter().all(|word| word.iter().any(is_there)))
    }
}

impl ContactNumber {
    fn fault(&self) -> Option<String> {
        if !NUMBER_KINDS.contains(&self.kind.as_str()) {
            return Some(format!("numbers: the type {:.64} is none of {}", self.kind, NUMBER_KINDS.join(", ")));
        }
        (!is_number(&self.number)).then(|| {
            let rule = format!("a plus and 2 to {DIGITS_MAX} digits (E.164), or up to {DIGITS_MAX} of 0-9, * and #");
            format!("numbers: {:.64} is no number: {rule}", self.number)
        })
    }
}

/// Whether it may be the id of a contact.
pub fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

fn is_number(number: &str) -> bool {
    match number.strip_prefix('+') {
        Some(digits) => {
            let is_long = (2..=DIGITS_MAX).contains(&digits.len());
            is_long && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => {
            let is_dialled = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#');
            (1..=DIGITS_MAX).contains(&number.len()) && number.bytes().all(is_dialled)
        }
    }
}

fn text_fault(field: &str, text: &str, most: usize) -> Option<String> {
    if text.len() > most {
        return Some(format!("{field}: it has more than {most} bytes"));
    }
    text.chars().any(char::is_control).then(|| format!("{field}: it has control characters"))
}

fn email_fault(address: &str) -> Option<String> {
    let is_address = |(name, host): (&str, &str)| !name.is_empty() && !host.is_empty() && !host.contains('@');
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    let is_good = address.is_empty()
        || address.len() <= EMAIL_MAX
            && address.chars().all(is_plain)
            && address.split_once('@').is_some_and(is_address);
    (!is_good).then(|| format!("emailAddress: it is no address, or has more than {EMAIL_MAX} bytes"))
}

/// A contact that takes the place of the one with its id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactChange {
    /// When the one that it takes the place of was changed last: one that was changed since stays as it is.
    pub expected_at: u64,
    /// As it is to be.
    pub contact: ContactEntry,
}

/// What is told where a contact is not as it was when it was read.
pub fn changed_since(expected_at: u64) -> String {
    format!("changedAt: the contact was changed since {expected_at}; read it again")
}

/// Which contacts are wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContactQuery {
    /// By which words, as in a search of targets; without any all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_term: Option<String>,
    /// The most that are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Those behind so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

/// Some contacts, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactList {
    /// They.
    pub contacts: Vec<ContactEntry>,
    /// How many there are, those included that are not among them.
    pub total_matches: usize,
}

/// Which contacts are wanted, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedContacts {
    /// One of them has to fit; without any all do.
    pub terms: Vec<SearchTerm>,
    offset: usize,
    limit: usize,
}

impl ContactQuery {
    /// What is asked for.
    ///
    /// # Errors
    /// Names the parameter that cannot be right.
    pub fn read(&self) -> Result<WantedContacts, String> {
        let limit = self.limit.unwrap_or(PAGE);
        if limit > PAGE_MAX {
            return Err(format!("limit: it is above {PAGE_MAX}"));
        }
        let typed = self.search_term.as_deref().unwrap_or_default();
        let terms = TargetSearch::terms_of(typed).map_err(|rule| format!("searchTerm: {rule}"))?;
        Ok(WantedContacts { terms, offset: self.offset.unwrap_or_default(), limit })
    }
}

impl WantedContacts {
    /// Of those that are shared, more than these are not told, whatever a person has besides.
    pub fn shared_at_most(&self) -> usize {
        self.offset.saturating_add(self.limit)
    }

    /// Those that are wanted: of all that a person has, and of the first of those shared ones that fit, of which there are so many.
    pub fn of(&self, own: Vec<ContactEntry>, shared: Vec<ContactEntry>, shared_total: usize) -> ContactList {
        let mut all = own;
        all.retain(|entry| entry.fits(&self.terms));
        let total_matches = all.len() + shared_total;
        all.extend(shared);
        all.sort_by_cached_key(|entry| (infra::folded(&entry.name), entry.id.clone()));
        let contacts = all.into_iter().skip(self.offset).take(self.limit).collect();
        ContactList { contacts, total_matches }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contact(id: &str, name: &str, number: &str) -> ContactEntry {
        let numbers = vec![ContactNumber { kind: "work".to_owned(), number: number.to_owned() }];
        ContactEntry { id: id.to_owned(), name: name.to_owned(), numbers, ..ContactEntry::default() }
    }

    #[test]
    fn a_contact_has_the_form_that_both_sides_know() {
        let told = json!({
            "id": "a1", "isShared": true, "name": "Ines Iversen", "numbers": [{"type": "mobile", "number": "+4930123456"}],
            "emailAddress": "ines@iversen.example", "company": "Iversen", "note": "calls back\nat noon", "changedAt": 7,
        });
        let read: ContactEntry = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(read.fault(), None);
        assert_eq!(serde_json::to_value(&read).unwrap(), told);
        let bare: ContactEntry = serde_json::from_value(json!({"id": "a", "name": "Ines", "later": 1})).unwrap();
        assert_eq!((bare.fault(), bare.is_shared, bare.numbers.len()), (None, false, 0));
        let change = ContactChange { expected_at: 6, contact: read };
        assert_eq!(serde_json::to_value(&change).unwrap(), json!({"expectedAt": 6, "contact": told}));
    }

    #[test]
    fn what_is_wrong_with_a_contact_is_named_by_its_field() {
        let good = contact("a", "Ines", "+4930123456");
        let numbers = |number: &str| contact("a", "Ines", number).numbers;
        let of_kind = |kind: &str| vec![ContactNumber { kind: kind.to_owned(), number: "7101".to_owned() }];
        for (wrong, field) in [
            (ContactEntry { name: " ".to_owned(), ..good.clone() }, "name"),
            (ContactEntry { name: "x".repeat(NAME_MAX + 1), ..good.clone() }, "name"),
            (ContactEntry { name: "a\nb".to_owned(), ..good.clone() }, "name"),
            (ContactEntry { id: String::new(), ..good.clone() }, "id"),
            (ContactEntry { id: "a/b".to_owned(), ..good.clone() }, "id"),
            (ContactEntry { company: "\0".to_owned(), ..good.clone() }, "company"),
            (ContactEntry { note: "x".repeat(NOTE_MAX + 1), ..good.clone() }, "note"),
            (ContactEntry { note: "a\0".to_owned(), ..good.clone() }, "note"),
            (ContactEntry { email_address: "ines".to_owned(), ..good.clone() }, "emailAddress"),
            (ContactEntry { email_address: "@x.example".to_owned(), ..good.clone() }, "emailAddress"),
            (ContactEntry { email_address: "i nes@x.example".to_owned(), ..good.clone() }, "emailAddress"),
            (ContactEntry { numbers: of_kind("fax"), ..good.clone() }, "numbers"),
            (ContactEntry { numbers: numbers("+1"), ..good.clone() }, "numbers"),
            (ContactEntry { numbers: numbers("+0301234"), ..good.clone() }, "numbers"),
            (ContactEntry { numbers: numbers("+1234567890123456"), ..good.clone() }, "numbers"),
            (ContactEntry { numbers: numbers("030 123"), ..good.clone() }, "numbers"),
            (ContactEntry { numbers: numbers(""), ..good.clone() }, "numbers"),
            (ContactEntry { numbers: vec![good.numbers[0].clone(); NUMBERS_MAX + 1], ..good.clone() }, "numbers"),
        ] {
            let fault = wrong.fault().unwrap_or_default();
            assert!(fault.starts_with(&format!("{field}: ")), "{wrong:?}: {fault}");
        }
        for number in ["7101", "*68#", "+4930123456", "0"] {
            assert_eq!(ContactEntry { numbers: numbers(number), ..good.clone() }.fault(), None, "{number}");
        }
    }

    #[test]
    fn contacts_are_found_by_words_of_any_field_and_told_in_pages() {
        let all = || {
            let mut mueller = contact("m", "Jörg Müller", "+4930123456");
            mueller.company = "Bäckerei Nord".to_owned();
            vec![contact("z", "Zoe", "7102"), mueller, contact("a", "ada", "7101")]
        };
        let found = |term: &str| {
            let query = ContactQuery { search_term: Some(term.to_owned()), ..ContactQuery::default() };
            let list = query.read().unwrap().of(all(), Vec::new(), 0);
            let ids: Vec<String> = list.contacts.into_iter().map(|entry| entry.id).collect();
            ids.join(" ")
        };
        for (term, due) in [
            ("*", "a m z"),
            ("", "a m z"),
            ("mueller", "m"),
            ("nord muller", "m"),
            ("nord ada", ""),
            ("710", "a z"),
            ("ada, zoe", "a z"),
            ("+4930", "m"),
        ] {
            assert_eq!(found(term), due, "{term}");
        }
        let wanted = ContactQuery { limit: Some(1), offset: Some(1), ..ContactQuery::default() }.read().unwrap();
        let page = wanted.of(all(), Vec::new(), 0);
        assert_eq!((page.contacts.len(), page.contacts[0].id.as_str(), page.total_matches), (1, "m", 3));
        let wide = ContactQuery { limit: Some(PAGE_MAX + 1), ..ContactQuery::default() }.read().unwrap_err();
        assert!(wide.starts_with("limit: "), "{wide}");
        // Of the shared ones the first have been read.
        let shared = all().split_off(2);
        assert_eq!(wanted.shared_at_most(), 2);
        let both = wanted.of(all().into_iter().take(2).collect(), shared, 9);
        assert_eq!((both.contacts.len(), both.contacts[0].id.as_str(), both.total_matches), (1, "m", 11));
    }

    #[test]
    fn shared_ones_are_found_by_what_own_ones_are_found_by() {
        let mut mueller = contact("m", "Jörg Müller", "+4930123456");
        mueller.company = "Bäckerei Nord".to_owned();
        mueller.email_address = "Jörg@nord.example".to_owned();
        mueller.note = "unsought".to_owned();
        let (at, document) = (model::Timestamp::ZERO, serde_json::to_string(&mueller).unwrap());
        let words = infra::KeptContact { id: mueller.id.clone(), at, document }.words();
        assert_eq!(words.by_name, "jorg muller\nm");
        for word in ["mueller", "muller", "backerei", "baeckerei", "joerg@nord", "+4930", "unsought", "zoe"] {
            let fits = mueller.fits(&TargetSearch::terms_of(word).unwrap());
            assert_eq!(words.searched.contains(word), fits, "{word}");
        }
    }

    #[test]
    fn a_contact_without_a_fault_fits_its_table() {
        let number = ContactNumber { kind: "internal".to_owned(), number: "+123456789012345".to_owned() };
        let largest = ContactEntry {
            id: "x".repeat(ID_MAX),
            is_shared: false,
            name: "\"".repeat(NAME_MAX),
            numbers: vec![number; NUMBERS_MAX],
            email_address: format!("{}@x", "\"".repeat(EMAIL_MAX - 2)),
            company: "\"".repeat(NAME_MAX),
            note: "\n".repeat(NOTE_MAX),
            changed_at: u64::MAX,
        };
        assert_eq!(largest.fault(), None);
        assert!(serde_json::to_vec(&largest).unwrap().len() <= infra::bounds::CONTACT_DOCUMENT_MAX);
    }
}
