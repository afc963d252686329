//! Actions: the atoms of all statistics (`docs/wallboard.md`, The engine), sets of them, and the priority that makes one the status.

use std::fmt;

/// How an action counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActionKind {
    /// It has a duration and counts when it ends.
    Durable,
    /// It counts once, without a duration.
    Instantaneous,
    /// It counts once, with the duration of the durable action that ended with it.
    Retrospective,
}

macro_rules! actions {
    ($($name:ident $kind:ident $doc:literal,)+) => {
        /// An action at an agent, a phone or a queue. The names are the published ones.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Action {$(
            #[doc = $doc]
            $name,
        )+}

        impl Action {
            /// All actions.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its published name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// Whether it lasts or happens.
            pub const fn kind(self) -> ActionKind {
                match self { $(Self::$name => ActionKind::$kind,)+ }
            }
        }
    };
}

actions! {
    // Agents and phones, durable.
    LoggedIn Durable "The agent is logged in.",
    WaitForNextCall Durable "Ready, and no call.",
    NotReadyForNextCall Durable "Takes no calls.",
    AfterCallWork Durable "Wraps up.",
    CallDialing Durable "Has dialled and waits.",
    CallRinging Durable "The phone rings.",
    CallOnHold Durable "Has put a call on hold.",
    CallUnknown Durable "On a call of unknown type.",
    CallConsult Durable "On a consultation.",
    CallInternal Durable "On a call within the company.",
    CallOutbound Durable "On a call to the outside.",
    CallInbound Durable "On a call from the outside.",
    CallObserving Durable "Observes a call of others.",
    BeingMonitored Durable "Its call is observed.",
    BeingCoached Durable "A supervisor speaks to it alone during its call.",
    LoggedOut Durable "Not logged in: a status alone.",
    // Agents and phones, instantaneous.
    AgentLogin Instantaneous "Logged in.",
    AgentLogout Instantaneous "Logged out.",
    CallRingingStarted Instantaneous "A call was offered.",
    CallDialed Instantaneous "A call that was dialled is answered.",
    CallInboundStarted Instantaneous "A call from the outside is established.",
    CallHeld Instantaneous "A call was put on hold.",
    CallRetrievedFromHold Instantaneous "A call was taken back.",
    CallTransferTaken Instantaneous "A transferred call was taken over.",
    CallTransferMade Instantaneous "A call was transferred.",
    CallConferenceMade Instantaneous "A party was taken into a call.",
    CallConferenceJoined Instantaneous "Was taken into a call.",
    // Agents and phones, retrospective.
    CallAnswered Retrospective "Answered; duration of the ringing, at a queue of the whole wait.",
    CallMissed Retrospective "The ringing ended without an answer; its duration.",
    CallAbandonedFromRinging Retrospective "The caller gave up while a phone rang; duration of the ringing, at a queue of the whole wait.",
    CallAbandonedFromDialing Retrospective "The caller gave up before an answer; duration of the dialling.",
    CallInboundCompleted Retrospective "A call from the outside is over; its duration.",
    CallOutboundCompleted Retrospective "A call to the outside is over; its duration.",
    CallInternalCompleted Retrospective "A call within the company is over; its duration.",
    CallConsultCompleted Retrospective "A consultation is over; its duration.",
    CallUnknownCompleted Retrospective "A call of unknown type is over; its duration.",
    ACWCompleted Retrospective "The wrap-up is over; its duration. At a queue: the wrap-up after one of its calls.",
    // Queues and route points.
    CallWait Durable "A call waits.",
    CallEntered Instantaneous "A call came in.",
    CallDistributed Retrospective "A call left for a target; its wait.",
    CallDistributedToQueue Retrospective "A call left for another queue; its wait.",
    CallAbandoned Retrospective "The caller gave up in the queue; the wait.",
    CallCleared Retrospective "A call left otherwise: through another queue, or turned away; its wait.",
    CallReleased Retrospective "The conversation after an answer is over; its duration.",
}

impl Action {
    /// Finds an action by its published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == name)
    }

    /// Its rank in the status priority table: the highest action in progress is the status.
    pub const fn priority(self) -> Option<u8> {
        Some(match self {
            Self::LoggedIn => 1,
            Self::WaitForNextCall => 2,
            Self::CallDialing => 3,
            Self::CallRinging => 4,
            Self::NotReadyForNextCall => 5,
            Self::AfterCallWork => 6,
            Self::CallOnHold => 7,
            Self::CallUnknown => 8,
            Self::CallConsult => 9,
            Self::CallInternal => 10,
            Self::CallOutbound => 11,
            Self::CallInbound => 12,
            Self::LoggedOut => 13,
            _ => return None,
        })
    }

    /// Whether it is the conversation of a call, which is hidden in the status while the call is on hold.
    pub const fn is_talk(self) -> bool {
        matches!(
            self,
            Self::CallUnknown | Self::CallConsult | Self::CallInternal | Self::CallOutbound | Self::CallInbound
        )
    }

    const fn bit(self) -> u128 {
        1 << (self as u8)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mask(u128);

impl Mask {
    /// No action.
    pub const NONE: Self = Self(0);

    /// The set of these actions.
    pub const fn of(actions: &[Action]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < actions.len() {
            bits |= actions[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// Parses a list: names separated by commas, `*` for all, a leading `~` for "not".
    ///
    /// # Errors
    /// Returns the name that is no action.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names = text.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
        let all = Self::of(Action::ALL);
        // "Not X" alone means everything else.
        let mut mask = if names.peek().is_some_and(|name| name.starts_with('~')) { all } else { Self::NONE };
        for name in names {
            match name.strip_prefix('~') {
                _ if name == "*" => mask = all,
                Some(not) => mask.0 &= !Action::parse(not.trim()).ok_or_else(|| not.to_owned())?.bit(),
                None => mask.0 |= Action::parse(name).ok_or_else(|| name.to_owned())?.bit(),
            }
        }
        Ok(mask)
    }

    /// Whether the set contains the action.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// The union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions of the set.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| self.contains(*action))
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, action) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(action.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_as_names_all_and_not() {
        assert_eq!(
            Mask::parse("CallInbound, AfterCallWork"),
            Ok(Mask::of(&[Action::CallInbound, Action::AfterCallWork]))
        );
        let not = Mask::parse("*, ~CallWait").unwrap();
        assert!(not.contains(Action::CallEntered) && !not.contains(Action::CallWait));
        assert_eq!(Mask::parse("~CallWait"), Ok(not));
        assert_eq!(Mask::parse("CallInbound,Lunch"), Err("Lunch".to_owned()));
    }

    #[test]
    fn what_a_mask_says_is_read_back() {
        for action in Action::ALL {
            let mask = Mask::of(&[*action, Action::CallWait]);
            assert_eq!(Mask::parse(&mask.to_string()), Ok(mask));
        }
    }
}
