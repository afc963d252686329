//! Devices without a keyboard are signed in by a code that a person enters elsewhere.
