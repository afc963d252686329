//! What holds for all agents: `agents` of the tenant.

use super::shape::Need::Optional;
use super::shape::{Shape, field};

static MINUTES: Shape = Shape::Number { min: 0, max: 1_440 };
/// After-call work, or a rest, in seconds.
pub(super) static WRAP_UP: Shape = Shape::Number { min: 0, max: 3_600 };
/// Seconds, up to a day.
pub(super) static THRESHOLD: Shape = Shape::Number { min: 0, max: 86_400 };
/// What happens to an agent who did not answer a call.
pub(super) static NO_ANSWER_ACTION: Shape = Shape::OneOf(&["none", "not_ready", "logout"]);

/// The keys of `agents`.
pub(super) static AGENTS: Shape = Shape::Record(&[
    field(
        "no_answer_action",
        Optional,
        &NO_ANSWER_ACTION,
        "What happens to an agent who did not answer a call: none, not_ready or logout; without it not_ready.",
    ),
    field(
        "legal_guard_s",
        Optional,
        &WRAP_UP,
        "The rest between a business call, or the work after it, and the next one, in seconds; without it 0, which is none.",
    ),
    field(
        "logout_on_out_of_service",
        Optional,
        &Shape::Flag,
        "Whether an agent whose phone is no longer registered is logged out; otherwise it is made not ready.",
    ),
    field(
        "auto_logout_min",
        Optional,
        &MINUTES,
        "After how many minutes an agent who is not ready and does nothing is logged out; without it 0, which is never.",
    ),
    field("auto_logout_ready", Optional, &Shape::Flag, "Whether that holds for an agent who is ready, too."),
    field(
        "untimed_wrap_up_s",
        Optional,
        &THRESHOLD,
        "After-call work of at least so many seconds lasts until the agent ends it; without it 1000.",
    ),
    field(
        "timed_acw_in_idle",
        Optional,
        &Shape::Flag,
        "Whether after-call work that an agent begins without a call has the agent's time, as without this key; otherwise the agent ends it.",
    ),
    field(
        "acw_in_idle_force_ready",
        Optional,
        &Shape::Flag,
        "Whether such work makes ready when its time is over, as without this key; otherwise it leads back to the state before it.",
    ),
    field(
        "login_password",
        Optional,
        &Shape::OneOf(&["optional", "required"]),
        "Whether a login without the agent's PIN is refused (required); without it optional: a PIN that a login has must be right.",
    ),
    field(
        "strict_action_codes",
        Optional,
        &Shape::Flag,
        "Whether a reason for being not ready must be one of `action_codes`, if a request has any; without it false: others are taken, too.",
    ),
]);
