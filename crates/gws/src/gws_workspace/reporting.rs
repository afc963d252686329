//! The statistics that a session has open at `/reporting`: what is subscribed to, what is known of it, and what its clients are told.
//! Without I/O: whoever has the session asks for the values and says them here.

mod record;
mod wanted;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use wanted::{CountedBy, OpenedStatistic, WantedStatistic, statistics_of};

use crate::whose_numbers::{self, NumbersSight};

/// The most statistics that a session has open.
pub(super) const STATISTICS_MAX: usize = 100;
/// The most different time profiles of their definitions, beside the day: a tenant has few for all its clients.
const PROFILES_MAX: usize = 16;

/// A value as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadValue {
    /// When it was true, as gws-statistics says it.
    pub timestamp: Value,
    /// The value.
    pub value: Value,
}

/// What gws-statistics has said of some statistics. Of one that is in none of these no value is known yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ReadStatistics {
    /// Values.
    pub values: HashMap<WantedStatistic, Arc<ReadValue>>,
    /// Why others have none.
    pub refused: HashMap<WantedStatistic, String>,
    /// Those about which nobody has answered.
    pub unread: HashSet<WantedStatistic>,
}

/// Why statistics are not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReportingFault {
    /// There would be too many.
    #[error("statistics: a session has {} at most", STATISTICS_MAX)]
    Statistics,
    /// They would count over too many different times.
    #[error("statistics: the definitions of a session have {} different time profiles at most", PROFILES_MAX)]
    Profiles,
    /// There is no room in the record.
    #[error("statistics: the definitions of a session have {} bytes at most", record::BYTES_MAX)]
    Bytes,
}

/// What a session has open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SessionReporting {
    subscriptions: BTreeMap<String, Vec<OpenedStatistic>>,
    known: HashMap<WantedStatistic, Arc<ReadValue>>,
    /// Why some that were opened have no value any more.
    refused: HashMap<WantedStatistic, String>,
    /// Whether values do not come now.
    is_away: bool,
    /// Whether clients are to be told everything, since they may not have been told of a change.
    owes_all: bool,
}

impl SessionReporting {
    /// Opens a subscription, with the values that are known of it.
    ///
    /// # Errors
    /// If that is too much for a session; nothing is opened then.
    pub fn open(
        &mut self,
        id: String,
        statistics: Vec<OpenedStatistic>,
        read: &ReadStatistics,
    ) -> Result<Value, ReportingFault> {
        let wanted: Vec<WantedStatistic> = statistics.iter().map(|opened| opened.wanted.clone()).collect();
        self.insert(&id, statistics)?;
        for statistic in wanted {
            if let Some(value) = read.values.get(&statistic) {
                self.refused.remove(&statistic);
                self.known.insert(statistic, value.clone());
            }
        }
        Ok(self.shown(&id).unwrap_or_default())
    }

    fn insert(&mut self, id: &str, statistics: Vec<OpenedStatistic>) -> Result<(), ReportingFault> {
        let count: usize = self.subscriptions.values().map(Vec::len).sum();
        if count + statistics.len() > STATISTICS_MAX {
            return Err(ReportingFault::Statistics);
        }
        let of_all = self.wanted().chain(statistics.iter().map(|opened| &opened.wanted));
        let profiles: HashSet<String> = of_all.filter_map(WantedStatistic::own_profile).collect();
        if profiles.len() > PROFILES_MAX {
            return Err(ReportingFault::Profiles);
        }
        self.subscriptions.insert(id.to_owned(), statistics);
        if record::is_too_long(&self.subscriptions) {
            self.subscriptions.remove(id);
            return Err(ReportingFault::Bytes);
        }
        Ok(())
    }

    /// Opens what was kept, too. Clients are told all of it. What has been opened since counts more, where there is no room for both.
    pub fn join(&mut self, kept: Self) {
        for (id, statistics) in kept.subscriptions {
            if !self.subscriptions.contains_key(&id) {
                // What has no room is not opened again.
                let _ = self.insert(&id, statistics);
            }
        }
        self.owes_all = true;
    }

    /// Closes a subscription. Returns whether there was one.
    pub fn close(&mut self, id: &str) -> bool {
        let is_closed = self.subscriptions.remove(id).is_some();
        self.forget_closed();
        is_closed
    }

    /// Closes what may not be seen. Returns the message for the clients, if there was something.
    pub fn close_hidden(&mut self, sight: &NumbersSight<'_>) -> Option<Value> {
        let mut told = Vec::new();
        for (id, statistics) in &mut self.subscriptions {
            let is_hidden = |opened: &mut OpenedStatistic| {
                let WantedStatistic { object_type, object_id, .. } = &opened.wanted;
                !sight.shows(object_type, object_id)
            };
            let hidden = statistics.extract_if(.., is_hidden).map(|opened| {
                let mut shown = opened.written();
                shown["message"] = json!(whose_numbers::for_supervisors(&opened.wanted.object_id));
                shown
            });
            let hidden: Vec<Value> = hidden.collect();
            if !hidden.is_empty() {
                told.push(json!({"subscriptionId": id, "statistics": hidden}));
            }
        }
        self.subscriptions.retain(|_, statistics| !statistics.is_empty());
        self.forget_closed();
        (!told.is_empty()).then(|| json!({"messageType": "StatisticsChanged", "subscriptions": told}))
    }

    fn forget_closed(&mut self) {
        let left: Vec<&OpenedStatistic> = self.subscriptions.values().flatten().collect();
        let is_left = |statistic: &WantedStatistic| left.iter().any(|opened| opened.wanted == *statistic);
        self.known.retain(|statistic, _| is_left(statistic));
        self.refused.retain(|statistic, _| is_left(statistic));
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// What is open, a statistic as often as it was opened.
    pub fn wanted(&self) -> impl Iterator<Item = &WantedStatistic> {
        self.subscriptions.values().flatten().map(|opened| &opened.wanted)
    }

    /// The ids of the subscriptions.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.keys().map(String::as_str)
    }

    /// A subscription with its values: of a statistic that has none yet, nothing; of one that has none any more, why.
    pub fn shown(&self, id: &str) -> Option<Value> {
        let opened = self.subscriptions.get(id)?;
        let statistics: Vec<Value> = opened.iter().filter_map(|one| self.statistic(one)).collect();
        Some(json!({"subscriptionId": id, "statistics": statistics}))
    }

    fn statistic(&self, opened: &OpenedStatistic) -> Option<Value> {
        let mut shown = opened.written();
        if let Some(why) = self.refused.get(&opened.wanted) {
            shown["message"] = why.as_str().into();
            return Some(shown);
        }
        let read = self.known.get(&opened.wanted)?;
        shown["timestamp"] = read.timestamp.clone();
        // Published clients take no null.
        if !read.value.is_null() {
            shown["value"] = read.value.clone();
        }
        Some(shown)
    }

    /// Takes what was read. Returns the messages for the clients: whether values come, where that is news, and those that have changed; all
    /// of them where somebody has begun to listen.
    pub fn take(&mut self, read: &ReadStatistics, tells_all: bool) -> Vec<Value> {
        let is_away = self.wanted().any(|statistic| read.unread.contains(statistic));
        let was_away = std::mem::replace(&mut self.is_away, is_away);
        let mut messages = Vec::new();
        if was_away != is_away {
            messages.push(service_state(is_away));
        }
        let tells_all = std::mem::take(&mut self.owes_all) || tells_all;
        let mut changed: HashSet<&WantedStatistic> = HashSet::new();
        for OpenedStatistic { wanted: statistic, .. } in self.subscriptions.values().flatten() {
            let is_news = if let Some(value) = read.values.get(statistic) {
                let was_refused = self.refused.remove(statistic).is_some();
                let before = match self.known.get_mut(statistic) {
                    Some(known) => Some(std::mem::replace(known, value.clone())),
                    None => self.known.insert(statistic.clone(), value.clone()),
                };
                was_refused || before.is_none_or(|before| before.value != value.value)
            } else if let Some(why) = read.refused.get(statistic) {
                self.known.remove(statistic);
                self.refused.insert(statistic.clone(), why.clone()).as_ref() != Some(why)
            } else {
                false
            };
            if is_news {
                changed.insert(statistic);
            }
        }
        let is_told = |opened: &&OpenedStatistic| tells_all || changed.contains(&opened.wanted);
        let told = self.subscriptions.iter().filter_map(|(id, opened)| {
            let statistics: Vec<Value> = opened.iter().filter(is_told).filter_map(|one| self.statistic(one)).collect();
            (!statistics.is_empty()).then(|| json!({"subscriptionId": id, "statistics": statistics}))
        });
        let told: Vec<Value> = told.collect();
        if !told.is_empty() {
            messages.push(json!({"messageType": "StatisticsChanged", "subscriptions": told}));
        }
        messages
    }

    /// Nobody answers. Returns what the clients are told of it, if that is news.
    pub fn lose(&mut self) -> Option<Value> {
        let is_news = !std::mem::replace(&mut self.is_away, true);
        is_news.then(|| service_state(true))
    }

    /// A message has reached not all who listen: they are told everything next time.
    pub fn owe_all(&mut self) {
        self.owes_all = true;
    }

    /// What is open, as it is kept.
    pub fn kept(&self) -> Vec<u8> {
        record::written(&self.subscriptions)
    }

    /// What was kept.
    pub fn of_kept(kept: &[u8]) -> Option<Self> {
        Some(Self { subscriptions: record::read(kept)?, ..Self::default() })
    }
}

fn service_state(is_away: bool) -> Value {
    let state = if is_away { "UNAVAILABLE" } else { "AVAILABLE" };
    json!({"messageType": "ServiceStateChanged", "serviceName": "STATS", "serviceState": state})
}

#[cfg(test)]
mod tests;
