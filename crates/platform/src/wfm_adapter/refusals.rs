//! How many agents or queues of a tenant have no history, for lack of room.

use model::TenantId;
use prometheus_client::metrics::counter::Counter;

/// Those that are refused now.
pub(super) struct Refusals {
    tenant: TenantId,
    what: &'static str,
    now: u64,
}

impl Refusals {
    pub fn of(tenant: &TenantId, what: &'static str) -> Self {
        Self { tenant: tenant.clone(), what, now: 0 }
    }

    /// So many are refused from now on. Each is counted once, and the log has a line when it begins and when it is over.
    pub fn are(&mut self, refused: u64, counted: &Counter) {
        let before = std::mem::replace(&mut self.now, refused);
        counted.inc_by(refused.saturating_sub(before));
        let (tenant, what) = (&self.tenant, self.what);
        if before == 0 && refused > 0 {
            tracing::warn!(%tenant, what, refused, "there is no room for the history of all");
        } else if before > 0 && refused == 0 {
            tracing::info!(%tenant, what, "there is room for the history of all again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_once_however_often_the_configuration_changes() {
        let counted = Counter::default();
        let mut refusals = Refusals::of(&TenantId::parse("acme").unwrap(), "agents");
        for refused in [0, 3, 3, 3, 5, 0, 1] {
            refusals.are(refused, &counted);
        }
        assert_eq!(counted.get(), 6);
    }
}
