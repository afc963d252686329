//! Prints the JSON Schema of the tenant's file: `cargo run -p trunkline-tenant --example schema > data/tenant.schema.json`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
fn main() {
    println!("{:#}", tenant::file::json_schema());
}
