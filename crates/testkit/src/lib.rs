//! Drives the built binary with programs that others wrote.
