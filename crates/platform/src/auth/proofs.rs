//! What people and programs prove themselves by. People show a password (`person_login`), a code of a second factor (`second_factor`) or a
//! passkey (`passkeys`); programs a secret (`client_login`) or an assertion that they have signed (`client_assertion`, `signed_token`).
//! What somebody could guess is counted by `guard` before it is looked at. From where people show it, a tenant may bound (`sign_in_address`).

pub(super) mod client_assertion;
pub(super) mod client_login;
pub(super) mod passkeys;
pub(super) mod person_login;
pub(super) mod second_factor;
pub(super) mod sign_in_address;
pub(super) mod signed_token;
