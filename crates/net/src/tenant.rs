//! What roles read from tenant (8888): which tenants there are, the objects of one, and their changes.

mod changes;
mod kept_list;
mod list;
mod objects;

pub use changes::{ChangeParts, FollowedChange, changes_after};
pub use list::{Metrics, TenantHosts, TenantList, follow_list, follow_list_with_hosts};
pub use objects::{ObjectReader, ReadError};
