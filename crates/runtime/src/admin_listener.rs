//! The admin HTTP addresses of every replica of an instance, for queries that only the roles themselves can answer.

use std::net::SocketAddr;

use crate::directory::Directory;
use crate::spec::RoleSpec;

/// The admin HTTP listener of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminListener {
    /// The role.
    pub role: &'static str,
    /// The node: `<role>-<replica>`.
    pub node: String,
    /// The address of its admin HTTP.
    pub address: SocketAddr,
}

/// Admin HTTP of every replica of the roles of `table` that the directory knows now, in table order.
pub fn admin_listeners(table: &[&'static RoleSpec], directory: &Directory) -> Vec<AdminListener> {
    let of_role = |spec: &&'static RoleSpec| {
        let role = spec.name;
        let listener = |address: SocketAddr| AdminListener { role, node: directory.node_at(address.ip()), address };
        directory.addresses(role, spec.admin_port).into_iter().map(listener).collect::<Vec<_>>()
    };
    table.iter().flat_map(of_role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_of_every_role_of_the_table_has_an_admin_listener() {
        static RQ: RoleSpec = RoleSpec::bare("rq", 10);
        let directory = Directory::of_instance(4, &[&RQ], |role| if role == "rq" { 2 } else { 1 });
        let listeners = admin_listeners(&[&RQ], &directory);
        let shown: Vec<String> = listeners.iter().map(|p| format!("{} {} {}", p.role, p.node, p.address)).collect();
        assert_eq!(shown, ["rq rq-1 127.4.10.1:9090", "rq rq-2 127.4.10.2:9090"]);
    }
}
