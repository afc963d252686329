//! The OpenAPI document of Agent Setup.

use contracts::openapi::{Get, Method, OpenApi};
use runtime::scope;
use serde_json::Value;

use super::changes::{ChangesDone, ChangesWanted, RestoreWanted};
use super::history::HistoryShown;
use super::objects::{ObjectPage, ShownObject};
use super::people::TableTaken;
use super::sign_ins::SignInsShown;
use super::uses::UsesShown;

pub(super) const OBJECTS: Get = Get {
    path: "/agent-setup/api/v1/{tenant}/objects/{kind}",
    id: "objects",
    summary: "Objects of a kind, in pages",
    scope: scope::CONFIG_READ,
    query: &[
        ("q", "string", "what is in one of the names"),
        ("skill", "string", "a person's skill"),
        ("disabled", "boolean", "whether people are disabled"),
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
    query: &[("dry_run", "boolean", "the table is checked, and nothing is changed")],
    ..PEOPLE
};
const CSV: &str = "text/csv";

/// The OpenAPI document of Agent Setup.
pub fn openapi() -> Value {
    OpenApi::new("Trunkline: Agent Setup")
        .document::<ObjectPage>(&OBJECTS)
        .document::<ShownObject>(&OBJECT)
        .body::<ChangesWanted, ChangesDone>(Method::Post, &CHANGES)
        .document::<HistoryShown>(&HISTORY)
        .document::<SignInsShown>(&SIGN_INS)
        .body::<RestoreWanted, ChangesDone>(Method::Post, &RESTORE)
        .document::<UsesShown>(&USES)
        .text(&PEOPLE, CSV)
        .posted_text::<TableTaken>(&IMPORT, CSV)
        .into_json()
}
