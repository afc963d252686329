//! Virtual clock, seeded network and builders for the tests of the protocol cores and engines.
