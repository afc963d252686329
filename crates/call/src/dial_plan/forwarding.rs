//! Do-not-disturb and forwarding: what the settings of a phone mean for a call to it.
//!
//! | the phone | a call goes |
//! |---|---|
//! | forwards all calls | on, even with do-not-disturb |
//! | does not want to be disturbed | as if the phone were busy |
//! | is not registered | to the number for that, else to the one for calls that nobody answers |
//! | is in a call, and has no call waiting | as if the phone were busy |
//! | is busy, or nobody answers | to the number for that |

use model::Dn;
use model::plan::{Destination, ForwardedBy, Forwards, Occasion};
use model::request::ForwardMode;

use super::reject;

/// The most phones that forward one call, one after the other.
pub const FORWARDS_MAX: usize = 5;

/// What a phone has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneSettings {
    /// Whether no call rings there.
    pub dnd: bool,
    /// Where all calls go.
    pub always: Option<Dn>,
    /// Where calls go that find it busy.
    pub busy: Option<Dn>,
    /// Where calls go that nobody answers.
    pub no_answer: Option<Dn>,
    /// Where calls go while it is not registered.
    pub unregistered: Option<Dn>,
}

/// Whether a phone can take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneState {
    /// It can.
    Free,
    /// It is in a call, and takes no other meanwhile.
    InCall,
    /// It is not registered.
    Unregistered,
}

/// What becomes of a call to a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtPhone {
    /// It rings, if it is registered; which of the calls that it does not take it forwards.
    Rings(Forwards),
    /// It counts as busy.
    Busy,
    /// The call goes on to that number, for that reason.
    Forward(Dn, ForwardMode),
}

impl PhoneSettings {
    /// What becomes of a call.
    pub fn at_phone(&self, occasion: Occasion, state: PhoneState) -> AtPhone {
        let to =
            |number: &Option<Dn>, mode| number.clone().map_or(AtPhone::Busy, |number| AtPhone::Forward(number, mode));
        match occasion {
            Occasion::OwnPhone => AtPhone::Rings(Forwards::default()),
            // Nobody else may take the call in the agent's place: the application chooses another one.
            Occasion::RoutedToAgent if self.dnd || self.always.is_some() || state == PhoneState::InCall => {
                AtPhone::Busy
            }
            Occasion::RoutedToAgent => AtPhone::Rings(Forwards::default()),
            Occasion::Busy => to(&self.busy, ForwardMode::OnBusy),
            Occasion::NoAnswer => to(&self.no_answer, ForwardMode::OnNoAnswer),
            Occasion::Called if self.always.is_some() => to(&self.always, ForwardMode::Unconditional),
            Occasion::Called if self.dnd || state == PhoneState::InCall => to(&self.busy, ForwardMode::OnBusy),
            Occasion::Called if state == PhoneState::Unregistered => {
                match self.unregistered.as_ref().or(self.no_answer.as_ref()) {
                    Some(number) => AtPhone::Forward(number.clone(), ForwardMode::OnUnregistered),
                    None => AtPhone::Rings(Forwards::default()),
                }
            }
            Occasion::Called => {
                AtPhone::Rings(Forwards { busy: self.busy.is_some(), no_answer: self.no_answer.is_some() })
            }
        }
    }
}

/// Adds a phone to those that have forwarded a call.
///
/// # Errors
/// The refusal of a call that would go on for ever, or too far.
#[expect(clippy::result_large_err, reason = "the refusal is the answer, and is passed on as it is")]
pub fn forwarded_by(chain: &mut Vec<ForwardedBy>, phone: ForwardedBy) -> Result<(), Destination> {
    if chain.iter().any(|by| by.dn == phone.dn) {
        return Err(reject(482, "the phones forward the call in a circle"));
    }
    if chain.len() >= FORWARDS_MAX {
        return Err(reject(482, "too many phones forward the call"));
    }
    chain.push(phone);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn dn(number: u32) -> Dn {
        Dn::parse(&number.to_string()).expect("a DN")
    }

    /// What a phone does that has set these numbers (0: none): for all calls, if it is busy, if nobody answers, without registration.
    fn at(set: [u32; 4], dnd: bool, occasion: Occasion, state: PhoneState) -> AtPhone {
        let [always, busy, no_answer, unregistered] = set.map(|number| (number > 0).then(|| dn(number)));
        PhoneSettings { dnd, always, busy, no_answer, unregistered }.at_phone(occasion, state)
    }

    #[test]
    fn what_is_set_decides_where_a_call_goes() {
        use ForwardMode::{OnBusy, OnNoAnswer, OnUnregistered, Unconditional};
        use Occasion::{Busy, Called, NoAnswer, OwnPhone, RoutedToAgent};
        let to = |number, mode| AtPhone::Forward(dn(number), mode);
        let rings = |busy, no_answer| AtPhone::Rings(Forwards { busy, no_answer });
        use PhoneState::{Free, InCall, Unregistered};
        for (set, dnd, occasion, state, expected) in [
            ([0, 0, 0, 0], false, Called, Free, rings(false, false)),
            ([0, 0, 0, 0], false, Called, Unregistered, rings(false, false)),
            ([0, 0, 0, 0], true, Called, Free, AtPhone::Busy),
            ([0, 2, 3, 4], false, Called, Free, rings(true, true)),
            ([1, 2, 3, 4], false, Called, Free, to(1, Unconditional)),
            ([1, 2, 3, 4], true, Called, Unregistered, to(1, Unconditional)),
            ([0, 2, 3, 4], true, Called, Free, to(2, OnBusy)),
            ([0, 2, 3, 4], false, Called, Unregistered, to(4, OnUnregistered)),
            ([0, 2, 3, 0], false, Called, Unregistered, to(3, OnUnregistered)),
            ([0, 2, 0, 0], false, Called, Unregistered, rings(false, false)),
            ([1, 2, 3, 4], false, Busy, Free, to(2, OnBusy)),
            ([1, 2, 3, 4], false, NoAnswer, Free, to(3, OnNoAnswer)),
            ([1, 0, 0, 4], false, Busy, Free, AtPhone::Busy),
            ([1, 2, 3, 4], true, OwnPhone, Free, rings(false, false)),
            ([0, 2, 3, 4], false, RoutedToAgent, Free, rings(false, false)),
            ([1, 0, 0, 0], false, RoutedToAgent, Free, AtPhone::Busy),
            ([0, 0, 0, 0], false, Called, InCall, AtPhone::Busy),
            ([0, 2, 3, 4], false, Called, InCall, to(2, OnBusy)),
            ([1, 2, 3, 4], false, Called, InCall, to(1, Unconditional)),
            ([0, 2, 0, 0], false, RoutedToAgent, InCall, AtPhone::Busy),
            ([0, 2, 0, 0], false, OwnPhone, InCall, rings(false, false)),
            ([0, 0, 3, 0], false, NoAnswer, InCall, to(3, OnNoAnswer)),
            ([0, 2, 0, 0], true, RoutedToAgent, Free, AtPhone::Busy),
        ] {
            assert_eq!(at(set, dnd, occasion, state), expected, "{set:?} {dnd} {occasion:?} {state:?}");
        }
    }

    proptest! {
        #[test]
        fn a_chain_ends_and_has_no_phone_twice(
            set in proptest::collection::vec((any::<bool>(), 0u32..8, 0u32..8, 0usize..3), 8),
        ) {
            let states = [PhoneState::Free, PhoneState::InCall, PhoneState::Unregistered];
            let settings: HashMap<Dn, (PhoneSettings, PhoneState)> = (0..)
                .zip(set)
                .map(|(phone, (dnd, always, busy, state))| {
                    let number = |number| (number < 7).then(|| dn(number));
                    let (always, busy) = (number(always), number(busy));
                    (dn(phone), (PhoneSettings { dnd, always, busy, ..PhoneSettings::default() }, states[state]))
                })
                .collect();
            let (mut at, mut chain, mut steps) = (dn(0), Vec::new(), 0);
            while let Some((phone, state)) = settings.get(&at) {
                steps += 1;
                prop_assert!(steps <= FORWARDS_MAX + 1);
                let AtPhone::Forward(to, mode) = phone.at_phone(Occasion::Called, *state) else { break };
                if forwarded_by(&mut chain, ForwardedBy { dn: at.clone(), mode }).is_err() {
                    break;
                }
                at = to;
            }
            let mut once: Vec<Dn> = chain.iter().map(|by| by.dn.clone()).collect();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), chain.len());
            prop_assert!(chain.len() <= FORWARDS_MAX);
        }
    }
}
