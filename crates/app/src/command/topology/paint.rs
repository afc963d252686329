//! Colours, if the output is a terminal.

use std::io::IsTerminal as _;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// With escape sequences.
    Colours,
    /// Without escape sequences.
    Plain,
}

/// Meaning of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// In order.
    Good,
    /// Of no concern now.
    Quiet,
    /// Needs attention.
    Odd,
    /// Wrong.
    Bad,
    /// A heading.
    Title,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set (no-color.org).
    pub fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if !unwanted && std::io::stdout().is_terminal() { Self::Colours } else { Self::Plain }
    }

    /// The text in that tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Quiet => "2",
            Tone::Odd => "33",
            Tone::Bad => "31",
            Tone::Title => "1",
        };
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}
