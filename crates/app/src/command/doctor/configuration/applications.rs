//! Routing applications that do not load.

use std::sync::Arc;

use infra::SystemClock;

use crate::command::doctor::finding::Finding;
use crate::command::doctor::situation::Situation;

/// Reports applications that do not load.
pub fn applications(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        for application in &one.objects.applications {
            let faults = orchestration::ors::faults(&application.document, Arc::new(SystemClock::start()));
            if faults.is_empty() {
                continue;
            }
            found.push(Finding::error(
                format!("tenant {}, application {}", one.tenant, application.name),
                format!("it does not load: {}", faults.join("; ")),
                "correct the document and import the tenant again; until then calls to it go to the route point's default",
            ));
        }
    }
    found
}
