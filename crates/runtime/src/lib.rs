//! Roles as data: settings, supervision, readiness, drain, admin HTTP, caller tokens, logs, metrics, topology.
