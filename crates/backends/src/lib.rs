//! Implementations of `infra` on real stores, a module each.
