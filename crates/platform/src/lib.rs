//! Roles around the voice system: ingress.
