//! The calls of a former life of this node.
