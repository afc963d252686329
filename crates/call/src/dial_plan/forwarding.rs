//! Do-not-disturb and forwarding: what the settings of a phone mean for a call to it.
//!
//! | the phone | a call goes |
//! |---|---|
//! | forwards all calls | on, even with do-not-disturb |
//! | does not want to be disturbed | as if the phone were busy |
//! | is not registered | to the number for that, else to the one for calls that nobody answers |
//! | is busy, or nobody answers | to the number for that |

use model::Dn;
use model::plan::{Destination, Forwards, Occasion};

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

/// What becomes of a call to a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtPhone {
    /// It rings, if it is registered; which of the calls that it does not take it forwards.
    Rings(Forwards),
    /// It counts as busy.
    Busy,
    /// The call goes on.
    Forward(Dn),
}

impl PhoneSettings {
    /// What becomes of a call.
    pub fn at_phone(&self, occasion: Occasion, is_registered: bool) -> AtPhone {
        let to = |number: &Option<Dn>| number.clone().map_or(AtPhone::Busy, AtPhone::Forward);
        match occasion {
            Occasion::OwnPhone => AtPhone::Rings(Forwards::default()),
            // Nobody else may take the call in the agent's place: the application chooses another one.
            Occasion::RoutedToAgent if self.dnd || self.always.is_some() => AtPhone::Busy,
            Occasion::RoutedToAgent => AtPhone::Rings(Forwards::default()),
            Occasion::Busy => to(&self.busy),
            Occasion::NoAnswer => to(&self.no_answer),
            Occasion::Called if self.always.is_some() => to(&self.always),
            Occasion::Called if self.dnd => to(&self.busy),
            Occasion::Called if !is_registered => match self.unregistered.as_ref().or(self.no_answer.as_ref()) {
                Some(number) => AtPhone::Forward(number.clone()),
                None => AtPhone::Rings(Forwards::default()),
            },
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
pub fn forwarded_by(chain: &mut Vec<Dn>, phone: Dn) -> Result<(), Destination> {
    if chain.contains(&phone) {
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
    fn at(set: [u32; 4], dnd: bool, occasion: Occasion, is_registered: bool) -> AtPhone {
        let [always, busy, no_answer, unregistered] = set.map(|number| (number > 0).then(|| dn(number)));
        PhoneSettings { dnd, always, busy, no_answer, unregistered }.at_phone(occasion, is_registered)
    }

    #[test]
    fn what_is_set_decides_where_a_call_goes() {
        use Occasion::{Busy, Called, NoAnswer, OwnPhone, RoutedToAgent};
        let to = |number| AtPhone::Forward(dn(number));
        let rings = |busy, no_answer| AtPhone::Rings(Forwards { busy, no_answer });
        for (set, dnd, occasion, is_registered, expected) in [
            ([0, 0, 0, 0], false, Called, true, rings(false, false)),
            ([0, 0, 0, 0], false, Called, false, rings(false, false)),
            ([0, 0, 0, 0], true, Called, true, AtPhone::Busy),
            ([0, 2, 3, 4], false, Called, true, rings(true, true)),
            ([1, 2, 3, 4], false, Called, true, to(1)),
            ([1, 2, 3, 4], true, Called, false, to(1)),
            ([0, 2, 3, 4], true, Called, true, to(2)),
            ([0, 2, 3, 4], false, Called, false, to(4)),
            ([0, 2, 3, 0], false, Called, false, to(3)),
            ([0, 2, 0, 0], false, Called, false, rings(false, false)),
            ([1, 2, 3, 4], false, Busy, true, to(2)),
            ([1, 2, 3, 4], false, NoAnswer, true, to(3)),
            ([1, 0, 0, 4], false, Busy, true, AtPhone::Busy),
            ([1, 2, 3, 4], true, OwnPhone, true, rings(false, false)),
            ([0, 2, 3, 4], false, RoutedToAgent, true, rings(false, false)),
            ([1, 0, 0, 0], false, RoutedToAgent, true, AtPhone::Busy),
            ([0, 2, 0, 0], true, RoutedToAgent, true, AtPhone::Busy),
        ] {
            assert_eq!(at(set, dnd, occasion, is_registered), expected, "{set:?} {dnd} {occasion:?} {is_registered}");
        }
    }

    proptest! {
        #[test]
        fn a_chain_ends_and_has_no_phone_twice(
            set in proptest::collection::vec((any::<bool>(), 0u32..8, 0u32..8, any::<bool>()), 8),
        ) {
            let settings: HashMap<Dn, (PhoneSettings, bool)> = (0..)
                .zip(set)
                .map(|(phone, (dnd, always, busy, is_registered))| {
                    let number = |number| (number < 7).then(|| dn(number));
                    let (always, busy) = (number(always), number(busy));
                    (dn(phone), (PhoneSettings { dnd, always, busy, ..PhoneSettings::default() }, is_registered))
                })
                .collect();
            let (mut at, mut chain, mut steps) = (dn(0), Vec::new(), 0);
            while let Some((phone, is_registered)) = settings.get(&at) {
                steps += 1;
                prop_assert!(steps <= FORWARDS_MAX + 1);
                let AtPhone::Forward(to) = phone.at_phone(Occasion::Called, *is_registered) else { break };
                if forwarded_by(&mut chain, at.clone()).is_err() {
                    break;
                }
                at = to;
            }
            let mut once = chain.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), chain.len());
            prop_assert!(chain.len() <= FORWARDS_MAX);
        }
    }
}
