//! Signing in with a company's own OpenID Provider (OpenID Connect Core): where it may be, what its answers must say, and when its
//! description and its keys are fetched.

pub mod answer;
pub mod fetching;
pub mod id_token;
pub mod url;
