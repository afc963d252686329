//! Pairs of user agents on a virtual network: behaviour by behaviour, and by thousands of seeds.

mod behaviour;
mod crowd;
mod forks;
mod garbage;
mod pair;
mod restore;
mod storm;
mod survival;
mod timers;
mod victim;
