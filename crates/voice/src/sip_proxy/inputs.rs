//! Fair turns: however much there is of one input, each of the others is served in the same turn. No I/O.

/// An input of which much may be there at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TurnInput {
    /// Datagrams that were read.
    Datagrams,
    /// Messages and other events of connections.
    Connections,
    /// Answers of config.
    Config,
    /// Answers of the name servers.
    NameServers,
}

const INPUTS: [TurnInput; 4] =
    [TurnInput::Datagrams, TurnInput::Connections, TurnInput::Config, TurnInput::NameServers];

/// The most that a turn handles of one input.
const BATCH: usize = 64;

/// The order in which inputs are served. Each is first in one of four turns, so that none always waits for the batches of all others.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    first: usize,
}

impl Rotation {
    /// Serves every input: `take_one` handles one thing of it, or says that there is none. Returns whether there may be more of any.
    pub(super) fn turn(&mut self, mut take_one: impl FnMut(TurnInput) -> bool) -> bool {
        let order = INPUTS.into_iter().cycle().skip(self.first).take(INPUTS.len());
        self.first = (self.first + 1) % INPUTS.len();
        let mut more = false;
        for input in order {
            more |= (0..BATCH).all(|_| take_one(input));
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn while_one_input_is_always_ready_every_other_is_served_in_each_turn() {
        let mut rotation = Rotation::default();
        for endless in INPUTS.into_iter().cycle().take(20) {
            let mut left: HashMap<usize, usize> = INPUTS.map(|input| (input as usize, 3)).into();
            let mut taken = 0;
            let more = rotation.turn(|input| {
                if input == endless {
                    taken += 1;
                    return true;
                }
                let left = left.entry(input as usize).or_default();
                let is_there = *left > 0;
                *left = left.saturating_sub(1);
                is_there
            });
            left.remove(&(endless as usize));
            assert!(left.values().all(|left| *left == 0), "{endless:?}: {left:?}");
            assert_eq!((taken, more), (BATCH, true));
        }
    }

    #[test]
    fn a_turn_says_whether_any_input_may_have_more() {
        let mut rotation = Rotation::default();
        for (there, more) in [(0, false), (BATCH - 1, false), (BATCH, true), (BATCH + 1, true)] {
            for busy in INPUTS {
                let mut left = there;
                let turn = rotation.turn(|input| {
                    let takes = input == busy && left > 0;
                    left -= usize::from(takes);
                    takes
                });
                assert_eq!(turn, more, "{there} of {busy:?}");
            }
        }
    }

    #[test]
    fn each_input_is_the_first_of_a_turn() {
        let mut rotation = Rotation::default();
        let firsts: Vec<TurnInput> = (0..INPUTS.len())
            .filter_map(|_| {
                let mut order = Vec::new();
                rotation.turn(|input| {
                    order.push(input);
                    false
                });
                assert_eq!(order.len(), INPUTS.len());
                order.first().copied()
            })
            .collect();
        assert_eq!(firsts, INPUTS);
    }
}
