//! Codes that agents dial: their declaration.

use super::shape::Need::{Optional, Required};
use super::shape::{NAME, Shape, field};

static ACTION: Shape = Shape::OneOf(&[
    "login",
    "logout",
    "ready",
    "not_ready",
    "dnd_on",
    "dnd_off",
    "forward_always",
    "forward_busy",
    "forward_no_answer",
    "forward_unregistered",
    "forward_off",
    "pickup",
    "park",
]);

pub(super) static FEATURE_CODES: Shape = Shape::List {
    of: &Shape::Object(&[
        field("code", Required, &NAME, "What is dialled, as \"*50\"."),
        field(
            "action",
            Required,
            &ACTION,
            "What it does. The number to which calls are forwarded is dialled behind the code.",
        ),
        field(
            "ask_pin",
            Optional,
            &Shape::Flag,
            "For login: whether the agent's PIN is asked for first. An agent without a PIN then cannot log in by phone.",
        ),
    ]),
    max: 100,
};
