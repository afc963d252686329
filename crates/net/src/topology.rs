//! The topology of the running instance, assembled from the reports of all roles.

use infra::Clock;
use runtime::RoleSpec;
use runtime::admin::TopologyReport;
use runtime::topology::{ReplicaReport, Topology};

use crate::admin::{AdminClient, ReplicaAnswer};

/// Queries every role of the instance for its connections.
pub async fn observe(
    admin: &AdminClient,
    instance: u8,
    table: &'static [&'static RoleSpec],
    clock: &dyn Clock,
) -> Topology {
    let told = admin.ask("/topology").await;
    let heard: Vec<ReplicaReport> = told.into_iter().map(heard).collect();
    Topology::of(clock.now(), instance, table, &heard)
}

fn heard(told: ReplicaAnswer) -> ReplicaReport {
    let report = match &told.answer {
        Err(why) => Err(why.to_string()),
        Ok(answer) if answer.status.is_success() => {
            answer.json::<TopologyReport>().map_err(|error| format!("its answer cannot be read: {error}"))
        }
        Ok(answer) => Err(format!("it refuses: {}", answer.problem())),
    };
    ReplicaReport { listener: told.listener, report }
}
