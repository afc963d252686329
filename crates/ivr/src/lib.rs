//! MSML dialogs (RFC 5707) as state machines. No I/O.

pub mod msml;
