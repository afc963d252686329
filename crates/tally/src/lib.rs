//! What every role needs that keeps a statistics engine: its record, the table of the tenant's time zone, and the state that it joins where
//! earlier facts are missing.

mod joining;
mod record;
mod zone;

pub use joining::joined;
pub use record::{Kept, Unreadable, from_record, read, to_record, write};
pub use zone::table;
