//! Who, or what, has answered a call that was made without an agent.

/// What has answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AnswerClass {
    /// Somebody who says a word or two and waits.
    Human,
    /// A machine, which says more.
    AnsweringMachine,
    /// A fax or a modem.
    Fax,
    /// Nobody said anything.
    Silence,
}

impl AnswerClass {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Human, Self::AnsweringMachine, Self::Fax, Self::Silence];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "Human",
            Self::AnsweringMachine => "AnsweringMachine",
            Self::Fax => "Fax",
            Self::Silence => "Silence",
        }
    }

    /// The class of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}
