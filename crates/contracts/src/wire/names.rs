//! Closed lists of names and their numbers.

use model::request::{ForcedState, ForwardMode, MonitorMode, MonitorType};
use model::{CallState, CallType, DnRole, EventName, WorkMode};

use super::WireError;

/// Numbers of the last two call states, which do not continue the sequence.
const DEAFENED: i32 = 49;
const HELD: i32 = 50;

/// An event's number: its place in [`EventName::ALL`], from 1. A test compares every name.
pub fn event_name_to_wire(name: EventName) -> i32 {
    place(EventName::ALL, &name) + 1
}

/// Finds an event's name by its number.
///
/// # Errors
/// When there is no such number.
pub fn event_name_from_wire(number: i32) -> Result<EventName, WireError> {
    at(EventName::ALL, number - 1, "name")
}

/// The published number of a call type.
pub fn call_type_to_wire(call_type: CallType) -> i32 {
    place(CallType::ALL, &call_type)
}

/// Finds a call type by its published number.
///
/// # Errors
/// When there is no such number.
pub fn call_type_from_wire(number: i32) -> Result<CallType, WireError> {
    at(CallType::ALL, number, "call_type")
}

/// The published number of a call state.
pub fn call_state_to_wire(state: CallState) -> i32 {
    match state {
        CallState::Deafened => DEAFENED,
        CallState::Held => HELD,
        other => place(CallState::ALL, &other),
    }
}

/// Finds a call state by its published number.
///
/// # Errors
/// When there is no such number.
pub fn call_state_from_wire(number: i32) -> Result<CallState, WireError> {
    match number {
        DEAFENED => Ok(CallState::Deafened),
        HELD => Ok(CallState::Held),
        0..=31 => at(CallState::ALL, number, "call_state"),
        _ => Err(unknown("call_state", number)),
    }
}

/// The published number of a DN's role.
pub fn dn_role_to_wire(role: DnRole) -> i32 {
    place(DnRole::ALL, &role)
}

/// Finds a role by its published number.
///
/// # Errors
/// When there is no such number.
pub fn dn_role_from_wire(number: i32) -> Result<DnRole, WireError> {
    at(DnRole::ALL, number, "dn_role")
}

/// All work modes with their names, in the order of their published numbers.
pub(crate) const WORK_MODES: &[(WorkMode, &str)] = &[
    (WorkMode::Unknown, "Unknown"),
    (WorkMode::ManualIn, "ManualIn"),
    (WorkMode::AutoIn, "AutoIn"),
    (WorkMode::AfterCallWork, "AfterCallWork"),
    (WorkMode::AuxWork, "AuxWork"),
    (WorkMode::NoCallDisconnect, "NoCallDisconnect"),
    (WorkMode::WalkAway, "WalkAway"),
    (WorkMode::ReturnBack, "ReturnBack"),
    (WorkMode::LegalGuard, "LegalGuard"),
];

/// The published number of a work mode.
pub fn work_mode_to_wire(mode: WorkMode) -> i32 {
    WORK_MODES.iter().zip(0..).find(|((m, _), _)| *m == mode).map_or(0, |(_, number)| number)
}

/// The work mode of a published number.
///
/// # Errors
/// When there is none of that number.
pub fn work_mode_from_wire(number: i32) -> Result<WorkMode, WireError> {
    let found = usize::try_from(number).ok().and_then(|at| WORK_MODES.get(at));
    found.map(|(mode, _)| *mode).ok_or_else(|| unknown("work_mode", number))
}

/// The published name of a work mode.
pub fn work_mode_name(mode: WorkMode) -> &'static str {
    WORK_MODES.iter().find(|(m, _)| *m == mode).map_or("Unknown", |(_, name)| name)
}

/// The work mode of a published name.
pub fn work_mode_by_name(name: &str) -> Option<WorkMode> {
    WORK_MODES.iter().find(|(_, n)| *n == name).map(|(mode, _)| *mode)
}

/// The published number of a monitoring mode.
pub fn monitor_mode_to_wire(mode: MonitorMode) -> i32 {
    place(&MonitorMode::ALL, &mode)
}

/// The monitoring mode of a published number.
///
/// # Errors
/// When there is none of that number.
pub fn monitor_mode_from_wire(number: i32) -> Result<MonitorMode, WireError> {
    at(&MonitorMode::ALL, number, "monitor_mode")
}

/// The published number of a monitoring type.
pub fn monitor_type_to_wire(each: MonitorType) -> i32 {
    place(&MonitorType::ALL, &each)
}

/// The monitoring type of a published number.
///
/// # Errors
/// When there is none of that number.
pub fn monitor_type_from_wire(number: i32) -> Result<MonitorType, WireError> {
    at(&MonitorType::ALL, number, "monitor_type")
}

/// The published number of a mode of forwarding.
pub fn forward_mode_to_wire(mode: ForwardMode) -> i32 {
    place(&ForwardMode::ALL, &mode)
}

/// The mode of forwarding of a published number.
///
/// # Errors
/// When there is none of that number.
pub fn forward_mode_from_wire(number: i32) -> Result<ForwardMode, WireError> {
    at(&ForwardMode::ALL, number, "forward_mode")
}

/// The number of a state that a supervisor gives an agent.
pub fn forced_state_to_wire(state: ForcedState) -> i32 {
    place(&ForcedState::ALL, &state)
}

/// The state of that number.
///
/// # Errors
/// When there is none of that number.
pub fn forced_state_from_wire(number: i32) -> Result<ForcedState, WireError> {
    at(&ForcedState::ALL, number, "agent_state")
}

fn place<T: PartialEq>(all: &[T], one: &T) -> i32 {
    // Every list here has all values of its enum and is far shorter than i32::MAX.
    all.iter().zip(0..).find(|(each, _)| *each == one).map_or(0, |(_, number)| number)
}

fn at<T: Copy>(all: &[T], number: i32, field: &'static str) -> Result<T, WireError> {
    usize::try_from(number).ok().and_then(|at| all.get(at)).copied().ok_or_else(|| unknown(field, number))
}

fn unknown(field: &'static str, number: i32) -> WireError {
    WireError::field(field, format_args!("{number} is not known here"))
}

#[cfg(test)]
mod tests;
