//! What a desktop may offer for a DN or a call: the published names of operations that the switch carries out in that state
//! (`docs/requests-by-state.md`).

use model::request::MonitorMode;

use crate::voice_api::{CallPhase, CallRecording};

/// Of a call in which the agent has a part, whatever its state.
const DATA: [&str; 3] = ["attach-user-data", "update-user-data", "delete-user-data-pair"];

/// A call at a DN, with what else that DN has.
#[derive(Clone, Copy)]
pub(super) struct CallSituation {
    pub phase: CallPhase,
    pub pairing: CallPairing,
    /// How many others talk in it.
    pub others: usize,
    pub recording: CallRecording,
    /// How the DN monitors it, if it does.
    pub observes: Option<MonitorMode>,
}

/// How the call stands to another one of the same DN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallPairing {
    /// There is none, or none that is held.
    Alone,
    /// It is the consultation that the DN has begun about the other one.
    Consults,
    /// It is the call that the DN's consultation is about. `waits`: the consultation is held.
    Consulted { waits: bool },
    /// The other one came separately, and is held.
    BesideHeld,
}

/// What can be asked for at a DN.
pub(super) fn of_dn(is_logged_in: bool, dnd: bool, forwards: bool) -> Vec<String> {
    let mut names: Vec<&'static str> = Vec::new();
    if is_logged_in {
        names.extend(["ready", "not-ready"]);
    }
    names.push(if dnd { "dnd-off" } else { "dnd-on" });
    names.push("set-forward");
    if forwards {
        names.push("cancel-forward");
    }
    names.extend(["start-monitoring", "stop-monitoring"]);
    owned(&names)
}

/// What can be asked for in a call.
pub(super) fn of_call(call: CallSituation) -> Vec<String> {
    let mut names: Vec<&'static str> = Vec::new();
    match (call.phase, call.observes) {
        (CallPhase::Released | CallPhase::Completed, _) => names.push("complete"),
        (CallPhase::Ringing, Some(_)) => names.push("answer"),
        (_, Some(mode)) => observing(mode, &mut names),
        (CallPhase::Ringing, None) => {
            names.extend(["answer", "redirect", "clear"]);
            names.extend(DATA);
        }
        (CallPhase::Dialing, None) => {
            names.extend(["release", "clear"]);
            names.extend(DATA);
            if call.pairing == CallPairing::Consults {
                names.extend(["complete-transfer", "reconnect"]);
            }
        }
        (CallPhase::Established, None) => {
            names.extend(["release", "hold", "clear", "send-dtmf"]);
            names.extend(DATA);
            established(call, &mut names);
            recording(call.recording, &mut names);
        }
        (CallPhase::Held, None) => {
            names.extend(["release", "retrieve", "clear"]);
            names.extend(DATA);
            held(call, &mut names);
            recording(call.recording, &mut names);
        }
    }
    owned(&names)
}

fn observing(mode: MonitorMode, names: &mut Vec<&'static str>) {
    names.push("release");
    let modes = [
        (MonitorMode::Mute, "switch-to-listen-in"),
        (MonitorMode::Coach, "switch-to-coaching"),
        (MonitorMode::Connect, "switch-to-barge-in"),
    ];
    names.extend(modes.iter().filter(|(each, _)| *each != mode).map(|(_, name)| *name));
}

fn established(call: CallSituation, names: &mut Vec<&'static str>) {
    match call.pairing {
        CallPairing::Consults => {
            names.extend(["alternate", "reconnect", "merge", "complete-conference", "complete-transfer"]);
        }
        CallPairing::Consulted { waits: true } => names.extend(["alternate", "merge"]),
        CallPairing::Consulted { waits: false } => {}
        CallPairing::Alone | CallPairing::BesideHeld => {
            names.extend(["initiate-conference", "initiate-transfer"]);
            in_one_step(call, names);
            if call.pairing == CallPairing::BesideHeld {
                names.extend(["alternate", "reconnect", "merge"]);
            }
        }
    }
    if call.others > 1 {
        names.push("delete-from-conference");
    }
}

fn held(call: CallSituation, names: &mut Vec<&'static str>) {
    match call.pairing {
        CallPairing::Consults => names.extend(["complete-conference", "complete-transfer"]),
        CallPairing::Consulted { .. } => {}
        CallPairing::Alone | CallPairing::BesideHeld => in_one_step(call, names),
    }
}

/// A conference cannot be handed over.
fn in_one_step(call: CallSituation, names: &mut Vec<&'static str>) {
    names.push("single-step-conference");
    if call.others <= 1 {
        names.push("single-step-transfer");
    }
}

fn recording(state: CallRecording, names: &mut Vec<&'static str>) {
    match state {
        CallRecording::Stopped => names.push("start-recording"),
        CallRecording::Recording => names.extend(["stop-recording", "pause-recording"]),
        CallRecording::Paused => names.extend(["stop-recording", "resume-recording"]),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
