//! Pairs of user agents on a virtual network: single behaviours, and thousands of seeds.

mod behaviour;
mod bounds;
mod challenges;
mod crowd;
mod deviations;
mod forks;
mod garbage;
mod hostile;
mod locations;
mod pair;
mod reasons;
mod restore;
mod siege;
mod storm;
mod survival;
mod timers;
mod twin;
mod victim;
