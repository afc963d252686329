//! The initialisation of a session: the configuration is read, and the clients are told.

use std::sync::Arc;
use std::time::Duration;

use bayeux::ClientId;
use model::Timestamp;
use serde_json::Value;

use super::picture::text;
use super::{Desk, DeskConfiguration, DeskOutput, DeskPhase, Unstored, messages};

/// Why a desktop is not told the configuration at once.
const TOO_LARGE: &str = "the configuration of this tenant is too large for one message: initialise with optimize_config=true, and \
                         read it at /configuration, part by part";

/// The pause after which a restored desk asks again for a configuration that it could not read.
const ASKS_AGAIN_AFTER: Duration = Duration::from_secs(5);

impl Desk {
    /// The client asks for the initialisation. One that was told its outcome is not told again, for it would begin anew.
    pub fn initialise(&mut self, now: Timestamp) {
        match self.phase {
            DeskPhase::Initialising => {}
            DeskPhase::Configured => self.outputs.push_back(DeskOutput::WantConfiguration),
            DeskPhase::New | DeskPhase::Failed(_) => {
                (self.phase, self.begun) = (DeskPhase::Initialising, now);
                self.unstored = Unstored::State;
                self.tell_all_initialisation(now);
                self.outputs.push_back(DeskOutput::WantConfiguration);
            }
        }
        self.settle(now);
    }

    /// The configuration: `user` and `configuration` as the API shows them.
    pub fn configured(&mut self, user: Value, configuration: impl Into<Arc<Value>>, now: Timestamp) {
        let configuration = configuration.into();
        self.agent = Some(text(&user, "agentLogin").to_owned()).filter(|agent| !agent.is_empty());
        self.workspace = Some(DeskConfiguration { user, configuration });
        self.asks_again = None;
        self.phase = DeskPhase::Configured;
        self.unstored = Unstored::State;
        self.tell_all_initialisation(now);
        self.activate_early(now);
        self.settle(now);
    }

    /// The configuration could not be read.
    pub fn configuration_failed(&mut self, why: String, now: Timestamp) {
        match self.phase {
            // What is known goes on.
            DeskPhase::Configured if self.workspace.is_some() => {}
            DeskPhase::Configured => self.asks_again = Some(now + ASKS_AGAIN_AFTER),
            DeskPhase::New | DeskPhase::Initialising | DeskPhase::Failed(_) => {
                self.phase = DeskPhase::Failed(why);
                self.unstored = Unstored::State;
                self.tell_all_initialisation(now);
                self.activate_early(now);
            }
        }
        self.settle(now);
    }

    fn tell_all_initialisation(&mut self, now: Timestamp) {
        for (client, opened) in self.clients.uninformed() {
            if opened.initialization {
                self.tell_initialisation(&client, now);
            }
        }
    }

    /// Tells a client how far the initialisation is. A failure is no outcome: the client may ask again.
    pub(super) fn tell_initialisation(&mut self, client: &ClientId, now: Timestamp) {
        let (message, is_outcome) = match (&self.phase, &self.workspace) {
            (DeskPhase::New, _) => return,
            (DeskPhase::Failed(why), _) => (messages::initialisation_failed(self.begun, now, why), false),
            (DeskPhase::Configured, Some(workspace)) => {
                let (user, configuration) = self.told_configuration(workspace);
                (messages::initialisation_complete(self.begun, now, &user, &configuration), true)
            }
            (DeskPhase::Initialising | DeskPhase::Configured, _) => {
                (messages::initialisation_progress(self.begun, now), false)
            }
        };
        if !self.clients.tell_initialization(client, &message, is_outcome, now) {
            // Its client would end by it, and stay deaf; so it fails, which every client takes for what it is.
            tracing::warn!(user = self.who.user, "the configuration is too large for one message to a desktop");
            let failed = messages::initialisation_failed(self.begun, now, TOO_LARGE);
            self.clients.tell_initialization(client, &failed, false, now);
        }
    }

    /// The person with what of the session is active already.
    pub(super) fn current_user(&self, mut user: Value) -> Value {
        if let (Some(session), Value::Object(fields)) = (self.active_session(), &mut user) {
            fields.insert("activeSession".to_owned(), session);
        }
        user
    }
}
