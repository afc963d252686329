//! Grants: what a client shows at the token endpoint, and whether it is right.

pub mod code;
pub mod refresh;
