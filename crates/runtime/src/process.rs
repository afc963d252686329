//! A process of roles: from settings to the end of the drain.

pub mod edge;
