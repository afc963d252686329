//! The ors role: runs the tenant's SCXML applications.
