//! One way in which a message deviates from the expected form.

use super::dice::Dice;
use super::draft::{Draft, Validity};
use super::place::Place;

/// The messages that a deviation applies to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum For {
    All,
    Requests,
    Responses,
    /// Those with a description.
    Sessions,
    /// Those of a session timer: INVITE, UPDATE and their responses.
    Timers,
}

/// One way in which a message deviates from the expected form.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    /// Its name.
    pub name: &'static str,
    /// Whether the message stays valid.
    pub validity: Validity,
    of: For,
    pub(super) change: fn(&mut Draft, &mut Dice, &Place),
}

impl Deviation {
    pub(super) const fn kept(name: &'static str, of: For, change: fn(&mut Draft, &mut Dice, &Place)) -> Self {
        Self { name, validity: Validity::Kept, of, change }
    }

    pub(super) const fn lost(name: &'static str, of: For, change: fn(&mut Draft, &mut Dice, &Place)) -> Self {
        Self { name, validity: Validity::Lost, of, change }
    }

    pub(super) fn fits(&self, draft: &Draft) -> bool {
        match self.of {
            For::All => true,
            For::Requests => draft.is_request(),
            For::Responses => !draft.is_request(),
            For::Sessions => !draft.body.is_empty() && draft.body.starts_with("v="),
            For::Timers => draft.get("CSeq").is_some_and(|it| it.ends_with("INVITE") || it.ends_with("UPDATE")),
        }
    }

    /// Changes a message.
    pub fn apply(&self, draft: &mut Draft, dice: &mut Dice, place: &Place) {
        (self.change)(draft, dice, place);
        draft.deviations.push(self.name);
        if self.validity == Validity::Lost {
            draft.validity = Validity::Lost;
        }
    }
}
