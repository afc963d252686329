//! Further codes with which people log in as agents: their declaration, reading and writing.

use contracts::provisioning::{AgentLogin, Object};

use super::agents::WRAP_UP;
use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, flag, number, text};

/// The most of a tenant: as many as it has people at most.
const AGENT_LOGINS_MAX: usize = model::plan::PEOPLE_MAX;

// === declaration ===

static AGENT_LOGIN_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("code", Required, &NAME, "The code. Nobody has it as id or login_code."),
        field("person", Optional, &NAME, "The person who logs in with it, by `user`; without it nobody does yet."),
        field(
            "wrap_up_s",
            Optional,
            &WRAP_UP,
            "After-call work of who has logged in with it, in seconds; without it as the person has.",
        ),
        field("disabled", Optional, &Shape::Flag, "Whether nobody logs in with it; without it false."),
    ]),
    max: AGENT_LOGINS_MAX,
};

pub(super) const AGENT_LOGINS: Field = field(
    "agent_logins",
    Optional,
    &AGENT_LOGIN_LIST,
    "Further codes with which people log in as agents, besides id and login_code of their own.",
);

// === reading ===

pub(super) fn agent_login(item: &Node) -> Option<Object> {
    Some(Object::AgentLogin(AgentLogin {
        code: text(item, "code")?,
        person: text(item, "person"),
        wrap_up_s: number(item, "wrap_up_s"),
        disabled: flag(item, "disabled").unwrap_or_default(),
    }))
}

// === writing ===

pub(super) fn agent_login_line(login: &AgentLogin) -> String {
    let AgentLogin { code, person, wrap_up_s, disabled } = login;
    let mut more = optional("person", person.as_deref());
    more.extend(wrap_up_s.map(|seconds| format!(", wrap_up_s: {seconds}")));
    more.extend(disabled.then_some(", disabled: true"));
    format!("- {{code: {}{more}}}", scalar(code))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n\
                        people: [{user: ann, first_name: A, last_name: A, agent: {id: \"1001\", login_code: \"77\"}}]\n";

    #[test]
    fn logins_come_back_from_an_export() {
        let text =
            "agent_logins:\n  - {code: \"5001\", person: ann, wrap_up_s: 20}\n  - {code: \"5002\", disabled: true}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let [first, second] = objects.agent_logins.as_slice() else { panic!("{:?}", objects.agent_logins) };
        assert_eq!((first.person.as_deref(), first.wrap_up_s, first.disabled), (Some("ann"), Some(20), false));
        assert_eq!((second.person.as_deref(), second.wrap_up_s, second.disabled), (None, None, true));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.agent_logins, objects.agent_logins);
    }

    #[test]
    fn a_login_is_of_a_person_who_is_there_and_no_code_means_two() {
        let text = "agent_logins:\n  - {code: \"1001\"}\n  - {code: \"77\", person: ann}\n  - {code: a, person: eve}\n  \
                    - {code: A}\n  - {code: b, wrap_up_s: 9999}\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(
            told,
            [
                ("agent_logins.1001.code", FaultCode::Held),
                ("agent_logins.77.code", FaultCode::Held),
                ("agent_logins.a.person", FaultCode::Unknown),
                ("agent_logins[3]", FaultCode::Other),
                ("agent_logins[4].wrap_up_s", FaultCode::OutOfRange),
            ]
        );
    }
}
