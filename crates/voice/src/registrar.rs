//! registrar: SIP REGISTER becomes where a phone can be reached.
