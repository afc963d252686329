//! SCXML: parser and interpreter (the W3C algorithm), datamodel behind a trait. No I/O.
