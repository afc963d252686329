//! The tenant role: provisioning, call events, requests.
