//! The record of the audit: one type for changes of objects and for what happens at signing in.

use super::{AUDIT_RECORD, Attribute, RecordType, attribute};

const DATA: &[Attribute] = &[
    attribute(
        "Action",
        "string",
        "of an object `created`, `changed`, `deleted`, or `restored` with a whole tenant (of one that was not there: the tenant itself, once); at signing in an event of [that table](sign-in-audit.md#what-a-record-has), as `signed_in`, `refused`, `locked_out`",
    ),
    attribute(
        "Actor",
        "string or null",
        "who: `person/<user name>`, `client/<id>`, `api-key/<id>`, a role, or `user/<name>` of a machine. Null where nobody is known to have done it, as of what was refused",
    ),
    attribute("Client", "string or null", "the client of the token, or at which somebody has signed in"),
    attribute(
        "Session",
        "string or null",
        "the browser's session, the sign-in at a program (`sid` of its tokens), or the id of an API key",
    ),
    attribute("Source", "string or null", "the address; of IPv6 the network (/64). Null for a command"),
    attribute("UserAgent", "string or null", "at signing in: what the browser or program calls itself"),
    attribute(
        "Way",
        "string or null",
        "of a change one of [these](provisioning.md#ways), as `page`, `rest`, `scim`, `grpc`, `command_line`, `import`; at signing in `password` and the others of [that table](sign-in-audit.md#what-a-record-has)",
    ),
    attribute(
        "Kind",
        "string or null",
        "the kind of the object, as `person`, or `snapshot` of one that was made or removed, or `shifts` of a plan that was replaced; of whom a sign-in is about, `person`, `client` or `api-key`",
    ),
    attribute("ObjectID", "string or null", "its id; empty for the tenant itself; of shifts the span"),
    attribute("Revision", "number or null", "of a change: the revision of the tenant that it led to"),
    attribute(
        "Before",
        "object or null",
        "of a change: the object as it was, without secrets; null if it was not there",
    ),
    attribute("After", "object or null", "as `Before`, as it became; null if it was deleted"),
    attribute(
        "Cut",
        "boolean",
        "whether a document is left out because it has more than 200,000 characters, or the record more than 900,000 bytes: the [history](provisioning.md#what-is-kept-of-changes) has it",
    ),
    attribute("SecretsChanged", "boolean", "whether secrets of the object have changed, which no document shows"),
    attribute(
        "RequestID",
        "string or null",
        "of a change: the `request_id` of its batch; of a restore `sha256:` and the digest of [its file](backup.md#a-restore)",
    ),
    attribute("Times", "number", "how often, within a minute; of a change 1"),
];

pub(super) const RECORD: RecordType = RecordType {
    name: AUDIT_RECORD,
    meaning: "an object of the configuration has changed, or something has happened at signing in; the `subject` is the object, as `person/ann`",
    identity: "`change:<n>:<t>` or `sign-in:<n>:<t>`, n being the number of the row in its table and t its time in milliseconds since 1970",
    data: DATA,
    sample: Some(include_str!("audit-record.json")),
};
