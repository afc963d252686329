//! What the roles need from storage, as traits with domain verbs; the embedded implementations; their conformance suite.
