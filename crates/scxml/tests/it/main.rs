//! Behaviour of documents and sessions, with a data model of whole numbers in place of a scripting language.

mod algorithm;
mod counter;
mod laws;
mod limits;
mod loading;
mod sending;
