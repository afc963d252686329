//! On real sockets of a free instance.
