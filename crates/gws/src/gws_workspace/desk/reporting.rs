//! Values of statistics: which clients listen to them. What they are, whoever has the desk knows.

use model::Timestamp;
use serde_json::Value;

use super::Desk;
use crate::whose_numbers::OwnNames;

impl Desk {
    /// Whether a client has begun to listen to statistics since this was asked last: it does not know them.
    pub fn wants_all_statistics(&mut self) -> bool {
        self.clients.take_new_to_reporting()
    }

    /// Whether any client listens to statistics.
    pub fn has_statistics_listener(&self) -> bool {
        self.clients.has_reporting_listener()
    }

    /// Tells the clients that listen to statistics. Returns whether all of them have room for it: who is slow is told once it has.
    pub fn report(&mut self, message: &Value, now: Timestamp) -> bool {
        let is_told = self.clients.tell_reporting(message, now);
        self.settle(now);
        is_told
    }

    /// The names of the agent that the person is; none if it is no agent, or not known yet. The configuration tells no login code.
    pub(in crate::gws_workspace) fn own_names(&self) -> Option<OwnNames> {
        let id = self.agent.clone()?;
        Some(OwnNames { id, login_code: None, user: self.who.user.clone() })
    }
}
