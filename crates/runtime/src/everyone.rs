//! Where admin HTTP of every replica of an instance is: whom to ask for what only the roles themselves know.

use std::net::SocketAddr;

use crate::directory::Directory;
use crate::spec::RoleSpec;

/// Admin HTTP of one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPlace {
    /// The role.
    pub role: &'static str,
    /// The node: `<role>-<replica>`.
    pub node: String,
    /// Where its admin HTTP listens.
    pub address: SocketAddr,
}

/// Admin HTTP of every replica of the roles of `table` that the directory knows now, in the order of the table.
pub fn admin_places(table: &[&'static RoleSpec], directory: &Directory) -> Vec<AdminPlace> {
    let of_role = |spec: &&'static RoleSpec| {
        let role = spec.name;
        let place = |address: SocketAddr| AdminPlace { role, node: directory.node_at(address.ip()), address };
        directory.addresses(role, spec.admin_port).into_iter().map(place).collect::<Vec<_>>()
    };
    table.iter().flat_map(of_role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_of_every_role_of_the_table_has_a_place() {
        static RQ: RoleSpec = RoleSpec {
            name: "rq",
            number: 10,
            summary: "",
            listens: &[],
            opens: &[],
            settings: &[],
            metrics: &[],
            admin_port: 9090,
            start: |_| Box::pin(async { Ok(()) }),
        };
        let directory = Directory::of_instance(4, |role| if role == "rq" { 2 } else { 1 });
        let places = admin_places(&[&RQ], &directory);
        let shown: Vec<String> = places.iter().map(|p| format!("{} {} {}", p.role, p.node, p.address)).collect();
        assert_eq!(shown, ["rq rq-1 127.4.10.1:9090", "rq rq-2 127.4.10.2:9090"]);
    }
}
