//! The generated tenant, whose people are edited.

use std::fmt::Write as _;

/// Its id.
pub const TENANT: &str = "large";
/// The last name of all its people, as the file has it.
pub const LAST_NAME: &str = "Before";
/// A skill of every other person.
pub const SKILL: &str = "Sales";
/// A skill of the others.
pub const OTHER_SKILL: &str = "Support";
const PASSWORD: &str = "in-the-storm";
const FIRST_NUMBER: u32 = 200_000;

/// Its file: so many people, each an agent with a place and a phone, and secrets of every kind but keys that sign. None has a password for
/// pages: hashes would be most of the import.
pub fn file(people: u32) -> String {
    let mut text = format!(
        "tenant: {TENANT}\nname: Large Company\nrealm: large.trunkline.invalid\nhold_music: music\n\
         sign_in: {{upstream: {{name: Large, issuer: \"https://id.large.example\", client_id: pages, client_secret: {PASSWORD}}}}}\n\
         prompts: {{music: music.wav}}\nskills: [{SKILL}, {OTHER_SKILL}]\n\
         trunks: [{{name: carrier, allow: [192.0.2.1], contact: sip.carrier.example, user: we, password: {PASSWORD}, \
         inbound_user: they, inbound_password: {PASSWORD}}}]\nphones:\n"
    );
    let numbers = || (0..people).map(|person| (person, FIRST_NUMBER + person));
    // Writing into a String cannot fail.
    for (_, number) in numbers() {
        let _ = writeln!(text, "  - {{number: \"{number}\", password: {PASSWORD}}}");
    }
    text.push_str("places:\n");
    for (_, number) in numbers() {
        let _ = writeln!(text, "  - {{name: \"P{number}\", dns: [\"{number}\"]}}");
    }
    text.push_str("people:\n");
    for (person, number) in numbers() {
        let skill = if person % 2 == 0 { SKILL } else { OTHER_SKILL };
        let _ = writeln!(
            text,
            "  - {{user: {}, first_name: Pat, last_name: {LAST_NAME}, agent: {{id: \"{number}\", login_code: \"{number}\", \
             pin: \"{number}\", place: \"P{number}\", skills: {{{skill}: 5}}}}}}",
            user(person)
        );
    }
    text
}

/// The user name of a person.
pub fn user(person: u32) -> String {
    format!("person{person:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_has_a_line_a_place_and_a_phone() {
        let text = file(3);
        assert_eq!(text.matches("last_name: Before").count(), 3);
        assert_eq!((text.matches("dns: [").count(), text.matches("number: \"").count()), (3, 3));
        assert!(text.contains("{user: person000002, ") && text.contains("skills: {Sales: 5}}}\n"), "{text}");
    }
}
