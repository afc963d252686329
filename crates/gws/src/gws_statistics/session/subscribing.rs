//! What a session opens and closes.

use std::time::Duration;

use bayeux::ClientId;
use model::Timestamp;
use serde_json::{Value, json};

use super::super::asked::AskedStatistic;
use super::super::subscriptions::{OpenStatistic, ShownStatistic, gone, shown};
use super::super::tenant_statistics::KnownReading;
use super::super::visibility::{AgentSight, for_supervisors};
use super::super::{VALUES_WITHIN, refusal_of};
use super::{SessionState, StatisticsSession};
use crate::sessions::answers::ApiRefusal;

/// How often it is tried to open what had no room where the session was taken over.
const OPENED_EACH: Duration = Duration::from_secs(10);

/// A subscription: values as they are now, and what was refused.
pub(in crate::gws_statistics) struct OpenedSubscription {
    /// The statistics with their values.
    pub statistics: Vec<Value>,
    /// Those that are not open.
    pub refused: Vec<ApiRefusal>,
}

/// What is followed for a subscription that is being opened. When that is over, or given up, what is in no subscription is let go of.
struct FollowedForOpening<'s> {
    session: &'s StatisticsSession,
    references: Vec<u64>,
}

impl Drop for FollowedForOpening<'_> {
    fn drop(&mut self) {
        let state = self.session.lock();
        let still = state.subscriptions.references();
        self.session.let_go(self.references.drain(..).filter(|reference| !still.contains(reference)));
    }
}

impl StatisticsSession {
    /// Opens a subscription, in place of any of that id, and waits a moment for the values.
    ///
    /// # Errors
    /// If nothing of it is open, there is no room for it, or the session is not here any more.
    pub async fn subscribe(&self, id: String, asked: Vec<AskedStatistic>) -> Result<OpenedSubscription, ApiRefusal> {
        let _one = self.subscribing.lock().await;
        if self.lock().is_over {
            return Err(ApiRefusal::elsewhere());
        }
        let (mut open, mut refused) = (Vec::new(), Vec::new());
        let mut followed = FollowedForOpening { session: self, references: Vec::new() };
        for asked in asked {
            match self.followed.follow(&asked.request, &self.reader) {
                Ok(reference) => {
                    followed.references.push(reference);
                    open.push((asked, reference));
                }
                Err(full) => {
                    refused.push(ApiRefusal::unavailable(full.to_string()).about(&asked.statistic_id));
                }
            }
        }
        self.followed.settled(&followed.references, VALUES_WITHIN).await;
        let opened = self.opened(id, open, refused, &mut followed);
        drop(followed);
        if opened.is_ok() {
            self.write().await?;
        }
        opened
    }

    fn opened(
        &self,
        id: String,
        open: Vec<(AskedStatistic, u64)>,
        mut refused: Vec<ApiRefusal>,
        followed: &mut FollowedForOpening<'_>,
    ) -> Result<OpenedSubscription, ApiRefusal> {
        let mut state = self.lock();
        let (mut statistics, mut accepted) = (Vec::new(), Vec::new());
        for (asked, reference) in open {
            match self.followed.known(reference) {
                Some(KnownReading::Refused(why, _)) => {
                    refused.push(refusal_of(&why).about(&asked.statistic_id));
                    continue;
                }
                Some(KnownReading::Value(reading)) => statistics.push(shown(&asked, &reading, ShownStatistic::Whole)),
                // Its value comes as an update.
                None => {}
            }
            accepted.push(OpenStatistic { asked, reference: Some(reference) });
        }
        let outcome = if state.is_over {
            Err(ApiRefusal::elsewhere())
        } else if accepted.is_empty() {
            Err(refused.first().cloned().unwrap_or_else(ApiRefusal::internal))
        } else if !state.subscriptions.has_room(&id) {
            Err(ApiRefusal::unavailable("the session has too many subscriptions"))
        } else {
            let before = state.subscriptions.insert(id.clone(), accepted);
            followed.references.extend(before.iter().flatten().filter_map(|statistic| statistic.reference));
            if self.kept(&state).fits() {
                Ok(OpenedSubscription { statistics, refused })
            } else {
                match before {
                    Some(before) => drop(state.subscriptions.insert(id, before)),
                    None => drop(state.subscriptions.remove(&id)),
                }
                Err(ApiRefusal::unavailable("the session has too many statistics open"))
            }
        };
        if outcome.is_ok() {
            // Every client of the session is told the values, whichever has asked.
            for dirty in state.listeners.values_mut() {
                dirty.extend(&followed.references);
            }
        }
        outcome
    }

    fn let_go(&self, references: impl IntoIterator<Item = u64>) {
        for reference in references {
            self.followed.unfollow(reference, &self.reader);
        }
    }

    /// Closes a subscription, if it is there.
    ///
    /// # Errors
    /// If the session is not here any more.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), ApiRefusal> {
        let _one = self.subscribing.lock().await;
        {
            let mut state = self.lock();
            if state.is_over {
                return Err(ApiRefusal::elsewhere());
            }
            let Some(closed) = state.subscriptions.remove(id) else { return Ok(()) };
            let still = state.subscriptions.references();
            let references = closed.iter().filter_map(|statistic| statistic.reference);
            self.let_go(references.filter(|reference| !still.contains(reference)));
        }
        self.write().await
    }

    /// The values of a subscription as they are now, and which of it is counted no longer; of those statistics, or of all. None if there is
    /// no such subscription.
    pub fn peek(&self, id: &str, statistic_ids: &[String], how: ShownStatistic) -> Option<OpenedSubscription> {
        let state = self.lock();
        let statistics = state
            .subscriptions
            .get(id)?
            .iter()
            .filter(|statistic| statistic_ids.is_empty() || statistic_ids.contains(&statistic.asked.statistic_id));
        let mut told = OpenedSubscription { statistics: Vec::new(), refused: Vec::new() };
        for OpenStatistic { asked, reference } in statistics {
            match reference.and_then(|reference| self.followed.known(reference)) {
                Some(KnownReading::Value(reading)) => told.statistics.push(shown(asked, &reading, how)),
                Some(KnownReading::Refused(why, _)) => told.refused.push(refusal_of(&why).about(&asked.statistic_id)),
                None => {}
            }
        }
        Some(told)
    }

    /// Whether that is true of something that is open.
    pub fn has_open(&self, is: impl Fn(&AskedStatistic) -> bool) -> bool {
        self.lock().subscriptions.any(is)
    }

    /// Closes what its person may see no longer, and tells its clients so.
    ///
    /// # Errors
    /// If the session is not here any more.
    pub async fn close_hidden(&self, sight: &AgentSight<'_>) -> Result<(), ApiRefusal> {
        if !self.has_open(|asked| !sight.shows(asked)) {
            return Ok(());
        }
        let _one = self.subscribing.lock().await;
        {
            let mut state = self.lock();
            if state.is_over {
                return Err(ApiRefusal::elsewhere());
            }
            let hidden = state.subscriptions.take_hidden(|asked| sight.shows(asked));
            let still = state.subscriptions.references();
            let references = hidden.iter().filter_map(|(_, statistic)| statistic.reference);
            self.let_go(references.filter(|reference| !still.contains(reference)));
            self.tell_hidden(&mut state, &hidden);
        }
        self.write().await
    }

    fn tell_hidden(&self, state: &mut SessionState, hidden: &[(String, OpenStatistic)]) {
        let told = hidden.iter().map(|(id, statistic)| {
            let mut update = gone(&statistic.asked, &for_supervisors(&statistic.asked), self.parts.now());
            update["subscriptionId"] = json!(id);
            update
        });
        let told = json!({"data": {"statistics": told.collect::<Vec<Value>>()}});
        let clients: Vec<ClientId> = state.listeners.keys().cloned().collect();
        for client in clients {
            // One that does not read sees that they are not among its values.
            if state.hub.has_room(&client) {
                self.tell(state, &client, &self.parts.channels.updates, &told);
            }
        }
        self.carry(state);
    }

    /// Opens what had no room where the session was taken over, once there is some.
    pub(super) fn open_the_rest(&self, state: &mut SessionState, now: Timestamp) {
        if now.since(state.opened_at) < OPENED_EACH {
            return;
        }
        state.opened_at = now;
        let mut opened = Vec::new();
        for statistic in state.subscriptions.unopened() {
            // Where one has none, others have none.
            let Ok(reference) = self.followed.follow(&statistic.asked.request, &self.reader) else { break };
            statistic.reference = Some(reference);
            opened.push(reference);
        }
        for dirty in state.listeners.values_mut() {
            dirty.extend(&opened);
        }
    }
}
