//! Queues, skill expressions, targets, selection and waiting. No I/O.
