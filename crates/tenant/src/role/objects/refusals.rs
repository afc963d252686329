//! Refusals as gRPC says them: words for people, and the same by object, field and rule in the metadata.

use std::collections::HashMap;

use contracts::provisioning::{FaultCode, ObjectKey};
use contracts::v1;
use infra::StoreError;
use model::TenantId;
use prost::Message as _;
use tonic::{Code, Status};

use crate::broken_rule::BrokenRule;
use crate::objects::{ChangeRefusal, ObjectFault};

/// The most bytes of faults in a refusal: they travel in headers, of which clients accept 16 KiB, twice and encoded.
const TOLD_BYTES_MAX: usize = 2_048;
/// The most bytes around a fault in the metadata, and of the number of those that are left out: a tag, and a number of at most five bytes.
const FRAME_BYTES: usize = 6;

/// The refusal of a process that ends.
pub(super) fn ends() -> Status {
    Status::unavailable("the role ends")
}

/// The refusal for a tenant that does not exist.
pub(super) fn no_tenant(tenant: &TenantId) -> Status {
    Status::not_found(format!("no tenant {tenant}"))
}

/// The refusal of a store that cannot be read.
pub(super) fn unread(error: StoreError) -> Status {
    match error {
        StoreError::Missing { .. } => Status::not_found(error.to_string()),
        // No repetition makes another text of it.
        StoreError::NulInText => Status::invalid_argument(error.to_string()),
        // No repetition mends it, so the caller is not told to try again.
        StoreError::Corrupt { .. } => {
            tracing::error!(%error, "the configuration of a tenant is damaged");
            Status::data_loss(format!(
                "the tenant's configuration is damaged, see docs/when-things-go-wrong.md: {error}"
            ))
        }
        _ => Status::unavailable(error.to_string()),
    }
}

/// A refusal as gRPC says it.
pub(super) fn refused(refusal: ChangeRefusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        ChangeRefusal::Stale(stale) => with_faults(
            Code::Aborted,
            stale.into_iter().map(|stale| {
                let line = stale.to_string();
                let words = line.split_once(": ").map_or_else(|| line.clone(), |(_, rule)| rule.to_owned());
                let (expected, present) = (stale.expected.0, stale.present.0);
                let rule = BrokenRule::new(FaultCode::Stale, words).naming("expected", expected.to_string());
                let fault = wire_fault(stale.key, String::new(), rule.naming("present", present.to_string()));
                (line, v1::ObjectFault { present_revision: Some(present), ..fault })
            }),
        ),
        ChangeRefusal::Faults(faults) => with_faults(Code::InvalidArgument, faults.into_iter().map(told)),
        ChangeRefusal::NotPermitted(faults) => with_faults(Code::PermissionDenied, faults.into_iter().map(told)),
        ChangeRefusal::Referred(faults) => with_faults(Code::FailedPrecondition, faults.into_iter().map(told)),
        ChangeRefusal::RequestReused => {
            let words = message.split_once(": ").map_or(message.as_str(), |(_, rule)| rule);
            of_request("request_id", BrokenRule::other(words))
        }
        ChangeRefusal::ManyPasswords { given, most } => {
            let words = message.split_once(": ").map_or(message.as_str(), |(_, rule)| rule);
            let rule = BrokenRule::new(FaultCode::ManyPasswords, words).naming("given", given.to_string());
            of_request("password", rule.naming("most", most.to_string()))
        }
        ChangeRefusal::NoTenant(tenant) => no_tenant(&tenant),
        ChangeRefusal::NotThen { .. } | ChangeRefusal::NotKept { .. } => Status::not_found(message),
        ChangeRefusal::NoTurn => Status::unavailable(message),
        ChangeRefusal::Hash(_) => Status::resource_exhausted(message),
        ChangeRefusal::Store(StoreError::Invalid(reason)) => Status::invalid_argument(reason),
        ChangeRefusal::Store(error) => unread(error),
    }
}

fn told(fault: ObjectFault) -> (String, v1::ObjectFault) {
    (fault.to_string(), wire_fault(fault.key, fault.field, fault.rule))
}

fn wire_fault(key: ObjectKey, field: String, rule: BrokenRule) -> v1::ObjectFault {
    let BrokenRule { words, code, values } = rule;
    v1::ObjectFault {
        kind: key.kind.as_str().to_owned(),
        id: key.id,
        field,
        rule: words,
        present_revision: None,
        code: code.as_str().to_owned(),
        values: wire_values(values),
    }
}

/// What a rule names, as it travels.
pub(super) fn wire_values(values: Vec<(&'static str, String)>) -> HashMap<String, String> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A rule that a request breaks, which is about none of its objects.
pub(super) fn of_request(field: &str, rule: BrokenRule) -> Status {
    let BrokenRule { words, code, values } = rule;
    let fault = v1::ObjectFault {
        field: field.to_owned(),
        rule: words,
        code: code.as_str().to_owned(),
        values: wire_values(values),
        ..v1::ObjectFault::default()
    };
    with_faults(Code::InvalidArgument, std::iter::once((format!("{}: {}", fault.field, fault.rule), fault)))
}

/// Rules that stored objects break, which the caller has to correct first.
pub(super) fn of_stored(faults: Vec<ObjectFault>) -> Status {
    with_faults(Code::FailedPrecondition, faults.into_iter().map(told))
}

/// A right that the caller does not have.
pub(super) fn denied(rule: BrokenRule) -> Status {
    let BrokenRule { words, code, values } = rule;
    let fault = v1::ObjectFault {
        rule: words.clone(),
        code: code.as_str().to_owned(),
        values: wire_values(values),
        ..v1::ObjectFault::default()
    };
    with_faults(Code::PermissionDenied, std::iter::once((words, fault)))
}

/// The faults, as many as fit into the headers, and how many others there are.
fn with_faults(code: Code, faults: impl ExactSizeIterator<Item = (String, v1::ObjectFault)>) -> Status {
    let all = faults.len();
    let (mut lines, mut wire, mut bytes, mut wire_bytes) = (Vec::new(), v1::ObjectFaults::default(), 0, FRAME_BYTES);
    for (line, fault) in faults {
        bytes += line.len() + 1;
        wire_bytes += fault.encoded_len() + FRAME_BYTES;
        if (bytes > TOLD_BYTES_MAX || wire_bytes > 2 * TOLD_BYTES_MAX) && !lines.is_empty() {
            let more = all.saturating_sub(wire.faults.len());
            lines.push(format!("and {more} more"));
            wire.more = u32::try_from(more).unwrap_or(u32::MAX);
            break;
        }
        lines.push(line.chars().take(TOLD_BYTES_MAX).collect::<String>());
        wire.faults.push(fault);
    }
    let status = Status::new(code, lines.join("\n"));
    // One fault that is too long for a header is in the message alone.
    if wire.encoded_len() <= 2 * TOLD_BYTES_MAX { net::grpc::with_object_faults(status, &wire) } else { status }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::ObjectKind;
    use infra::Revision;
    use net::grpc::object_faults;

    use super::*;

    fn fault(number: usize) -> ObjectFault {
        ObjectFault {
            key: ObjectKey { kind: ObjectKind::Person, id: format!("person-{number}") },
            field: "agent.skills".to_owned(),
            rule: BrokenRule::unknown(ObjectKind::Skill, "Patience"),
        }
    }

    #[test]
    fn a_refusal_names_object_field_and_rule_in_words_and_as_a_message() {
        let status = refused(ChangeRefusal::Faults(vec![fault(1)]));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "person person-1 agent.skills: there is no skill Patience");
        let told = object_faults(&status).faults.remove(0);
        assert_eq!((told.id.as_str(), told.field.as_str(), told.present_revision), ("person-1", "agent.skills", None));
        assert_eq!((told.code.as_str(), told.values["id"].as_str()), ("unknown", "Patience"));
    }

    #[test]
    fn a_stale_object_is_told_with_its_present_revision() {
        let stale = crate::objects::StaleObject { key: fault(1).key, expected: Revision(5), present: Revision(7) };
        let status = refused(ChangeRefusal::Stale(vec![stale]));
        assert_eq!((status.code(), status.message()), (Code::Aborted, "person person-1: it is at revision 7, not 5"));
        let told = &object_faults(&status).faults[0];
        assert_eq!((told.present_revision, told.code.as_str()), (Some(7), "stale"));
        assert_eq!((told.values["expected"].as_str(), told.values["present"].as_str()), ("5", "7"));
    }

    #[test]
    fn damage_is_not_told_as_something_that_passes() {
        let damage = || StoreError::Corrupt { what: "table person".to_owned(), reason: "no such privilege".to_owned() };
        for status in [unread(damage()), refused(ChangeRefusal::Store(damage()))] {
            assert_eq!(status.code(), Code::DataLoss);
            assert!(status.message().ends_with(": table person is damaged: no such privilege"), "{status}");
        }
        assert_eq!(unread(StoreError::Unavailable { reason: "x".to_owned() }).code(), Code::Unavailable);
        assert_eq!(unread(StoreError::NulInText).code(), Code::InvalidArgument);
    }

    #[test]
    fn many_faults_fit_into_headers() {
        let status = refused(ChangeRefusal::Referred((0..1_000).map(fault).collect()));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().len() < 3_000 && status.message().ends_with(" more"), "{}", status.message());
        let told = object_faults(&status);
        assert!(told.encoded_len() <= 2 * TOLD_BYTES_MAX);
        assert_eq!(told.faults.len() + usize::try_from(told.more).unwrap(), 1_000);
        assert_eq!(object_faults(&refused(ChangeRefusal::Faults(vec![fault(1)]))).more, 0);
    }

    #[test]
    fn a_limit_of_a_request_names_field_rule_and_limit() {
        let status = refused(ChangeRefusal::ManyPasswords { given: 51, most: 50 });
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("password: 51 passwords or PINs in clear are in one request"), "{status}");
        let told = object_faults(&status).faults.remove(0);
        assert_eq!((told.kind.as_str(), told.field.as_str(), told.code.as_str()), ("", "password", "many_passwords"));
        let reused = refused(ChangeRefusal::RequestReused);
        assert!(reused.message().starts_with("request_id: it was used for another batch"), "{reused}");
        let reused = object_faults(&reused).faults.remove(0);
        assert_eq!((reused.field.as_str(), reused.code.as_str()), ("request_id", "other"));
        assert!(told.rule.starts_with("51 passwords") && told.rule.contains("at most 50"), "{}", told.rule);
    }
}
