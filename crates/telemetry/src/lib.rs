//! What browsers and other clients tell of themselves: contracts of their applications, batches of items, what of them may be kept, what
//! is counted, and what goes first when there is too much. No I/O.
pub mod apdex;
pub mod batch;
pub mod clean;
pub mod contract;
pub mod cors;
pub mod fair_queue;
pub mod field_fault;
pub mod intake;
pub mod limits;
pub mod line_budget;
pub mod otlp;
pub mod rate;
pub mod shed;
pub mod tenant_loads;
pub mod value_ranges;

pub use field_fault::FieldFault;
