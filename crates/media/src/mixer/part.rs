//! Who hears whom in a mix.

/// The part of a leg in a mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MixPart {
    /// The leg.
    pub(crate) leg: u32,
    /// Who hears it.
    pub(crate) heard_by: Hearers,
    /// Whether it hears the others.
    pub(crate) hears: bool,
}

/// Who hears a leg of a mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hearers {
    All,
    Nobody,
    Only(u32),
}

impl MixPart {
    /// Whether `other` hears this leg.
    pub(crate) fn reaches(self, other: Self) -> bool {
        let is_meant = match self.heard_by {
            Hearers::All => true,
            Hearers::Nobody => false,
            Hearers::Only(leg) => leg == other.leg,
        };
        is_meant && other.hears && self.leg != other.leg
    }

    /// Whether it is heard by all others and hears them.
    pub(crate) fn is_open(self) -> bool {
        self.heard_by == Hearers::All && self.hears
    }
}
