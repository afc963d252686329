//! The OpenAPI document of Agent Setup.

use contracts::openapi::{Get, Method, OpenApi};
use runtime::scope;
use serde_json::Value;

use super::answers::ShownFault;
use super::api_keys::{ApiKeyAsked, ApiKeyMade, ApiKeysShown};
use super::changes::{ChangesDone, ChangesWanted, RestoreWanted};
use super::history::HistoryShown;
use super::objects::{ObjectPage, ShownObject};
use super::people::TableTaken;
use super::prompt_audio::AudioKept;
use super::sign_ins::SignInsShown;
use super::uses::UsesShown;

pub(super) const OBJECTS: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/objects/{kind}",
    id: "objects",
    summary: "Objects of a kind, in pages",
    scope: scope::CONFIG_READ,
    query: &[
        ("q", "string", "what is in one of the names"),
        ("id_prefix", "string", "what the id begins with"),
        ("type", "string", "one of these types, with commas between them"),
        ("skill", "string", "a person's skill"),
        ("disabled", "boolean", "whether people are disabled"),
        (
            "fields",
            "string",
            "paths as agent.skills, with commas between them: what of the documents is shown; all without it",
        ),
        ("page_size", "integer", "at most so many; 500 without it"),
        ("page_token", "string", "next_page_token of the page before"),
    ],
};
pub(super) const OBJECT: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/objects/{kind}/{id}",
    id: "object",
    summary: "An object; `-` is the id of the tenant itself",
    query: &[],
    ..OBJECTS
};
pub(super) const CHANGES: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/changes",
    id: "change",
    summary: "Put, change in part and delete objects, all or none; 409 names an object that is at another revision",
    scope: scope::CONFIG_WRITE,
    query: &[],
};
pub(super) const HISTORY: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/history",
    id: "history",
    summary: "Who has changed what, the latest change first",
    query: &[
        ("kind", "string", "of objects of this kind alone"),
        ("id", "string", "of objects with this id alone"),
        ("page_size", "integer", "at most so many; 500 without it"),
        ("page_token", "string", "next_page_token of the page before"),
    ],
    ..OBJECTS
};
pub(super) const SIGN_INS: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/sign-ins",
    id: "signIns",
    summary: "What has happened at signing in, the latest first",
    query: &[
        ("person", "string", "about the person with this user name alone"),
        ("event", "string", "of this event alone, as signed_in or refused"),
        ("since", "string", "not before this time (RFC 3339)"),
        ("until", "string", "before this time (RFC 3339)"),
        ("page_size", "integer", "at most so many; 500 without it"),
        ("page_token", "string", "next_page_token of the page before"),
    ],
    ..OBJECTS
};
pub(super) const API_KEYS: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/api-keys",
    id: "apiKeys",
    summary: "API keys without their secrets, the latest first",
    query: &[],
    ..OBJECTS
};
const CREATE_API_KEY: Get = Get {
    id: "createApiKey",
    summary: "Make an API key, which is in this answer alone; none of its scopes is beyond the caller's",
    scope: scope::CONFIG_WRITE,
    ..API_KEYS
};
pub(super) const API_KEY: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/api-keys/{id}",
    id: "revokeApiKey",
    summary: "Revoke an API key, with the tokens that it was exchanged for",
    ..CHANGES
};
pub(super) const RESTORE: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/restore",
    id: "restore",
    summary: "Put an object back as it was; its secrets stay those of today",
    ..CHANGES
};
pub(super) const USES: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/uses/{kind}/{id}",
    id: "uses",
    summary: "What refers to an object",
    query: &[],
    ..OBJECTS
};
pub(super) const PEOPLE: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/people.csv",
    id: "people",
    summary: "People as a table, without secrets",
    query: &[],
    ..OBJECTS
};
const IMPORT: Get = Get {
    id: "importPeople",
    summary: "Put the people of a table, all or none; every fault is named",
    scope: scope::CONFIG_WRITE,
    query: &[
        ("dry_run", "boolean", "the table is checked, and nothing is changed"),
        ("request_id", "string", "names the import: the same one sent again within a day changes nothing"),
        (
            "checked",
            "string",
            "checked of a dry run: faults name who of the table was changed since, and nothing is taken",
        ),
    ],
    ..PEOPLE
};
pub(super) const KEEP_AUDIO: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/prompt-audio",
    id: "keepPromptAudio",
    summary: "Keep a recording (WAV: 8, 16 or 48 kHz, mono or stereo, at most 300 s) for prompts, which name it by its SHA-256",
    ..CHANGES
};
pub(super) const AUDIO: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/prompt-audio/{sha256}",
    id: "promptAudio",
    summary: "A recording that a prompt names, as callers hear it",
    query: &[],
    ..OBJECTS
};
const CSV: &str = "text/csv";
const WAV: &str = "audio/wav";
/// With what any of them may be refused, besides what every API says.
const REFUSALS: &[(&str, &str)] = &[
    ("408", "the body did not come in time"),
    ("409", "an object is at another revision: `kind`, `id` and `revision` say which"),
    ("413", "the body is too large"),
    ("422", "objects would break rules, or are referred to: `faults` says which"),
    ("502", "agent-setup or tenant cannot be reached, or tenant has refused for a reason of its own"),
    (
        "504",
        "no answer in time: whether the change was made is not known, and the same `request_id` sent again counts once",
    ),
];

/// The OpenAPI document of Agent Setup.
pub fn openapi() -> Value {
    OpenApi::new("Trunkline: Agent Setup")
        .refusing(REFUSALS)
        .problem_member::<Vec<ShownFault>>("faults", "the rules that objects would break")
        .problem_member::<u32>("more", "the number of further faults, which are left out")
        .problem_member::<String>("kind", "of a conflict: the kind of the object")
        .problem_member::<String>("id", "of a conflict: the id of the object")
        .problem_member::<u64>("revision", "of a conflict: the revision at which the object is; 0 if it does not exist")
        .document::<ObjectPage>(&OBJECTS)
        .document::<ShownObject>(&OBJECT)
        .versioned(&OBJECT)
        .body::<ChangesWanted, ChangesDone>(Method::Post, &CHANGES)
        .document::<HistoryShown>(&HISTORY)
        .document::<SignInsShown>(&SIGN_INS)
        .document::<ApiKeysShown>(&API_KEYS)
        .body::<ApiKeyAsked, ApiKeyMade>(Method::Post, &CREATE_API_KEY)
        .removal(&API_KEY)
        .body::<RestoreWanted, ChangesDone>(Method::Post, &RESTORE)
        .document::<UsesShown>(&USES)
        .text(&PEOPLE, CSV)
        .posted_text::<TableTaken>(&IMPORT, CSV)
        .posted_text::<AudioKept>(&KEEP_AUDIO, WAV)
        .text(&AUDIO, WAV)
        .versioned(&AUDIO)
        .into_json()
}
