//! The binary `trunkline`: command line, table of roles, choice of stores.

#[macro_use]
mod answer;
mod author;
mod command;
mod demo;
mod processes;
mod roles;
mod stores;

use std::process::ExitCode;

/// Keeps an idle process small: threads share their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::main()
}
