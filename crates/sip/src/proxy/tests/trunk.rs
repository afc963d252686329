//! Trunks: who is known as one, and calls by our registrations with carriers.

mod accounts;
mod certificates;
mod contacts;
mod passwords;
mod registered;
