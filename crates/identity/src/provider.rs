//! Signing in with a company's own OpenID Provider (OpenID Connect Core): where it may be, what its answers must say, by which keys its ID
//! tokens are signed, and when its description and its keys are fetched.

pub mod answer;
pub mod fetching;
pub mod id_token;
pub mod key;
pub mod url;
