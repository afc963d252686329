//! What roles read from tenant (8888): which tenants there are, and the objects of one.

mod kept_list;
mod list;
mod objects;

pub use list::{Metrics, TenantList, follow_list};
pub use objects::{ObjectReader, ReadError};
