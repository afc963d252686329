//! SIP as state machines: message, transaction, dialog, offer/answer, user agent and proxy. No I/O.
