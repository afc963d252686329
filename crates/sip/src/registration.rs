//! Registration: where an address of record can be reached (RFC 3261 §10.3, RFC 3327). No state of its own.
