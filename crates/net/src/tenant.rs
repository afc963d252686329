//! What roles read from tenant (8888): which tenants there are, the objects of one, and their changes.

mod changes;
mod kept_list;
mod list;
mod objects;

pub use changes::{ChangeParts, FollowedChange, changes_after};
pub use list::{Metrics, TenantList, follow_list};
pub use objects::{ObjectReader, ReadError};
