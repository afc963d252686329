//! What the node's shell reads and claims in the ledger of calls: the owner of one call, and the calls that others have left.

pub mod claim;
pub mod find;
pub mod former;
pub mod spending;
#[cfg(test)]
mod tests;
