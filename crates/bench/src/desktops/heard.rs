//! What desktops hear of calls, beside what was published: how late it comes, what comes twice, and what does not come.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::ConnId;
use serde_json::Value;

/// What a desktop is told of a call, once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallNews {
    /// It rings.
    Ringing,
    /// It is answered.
    Established,
    /// It has other data.
    DataChanged,
    /// It is over.
    Released,
}

/// The most faults that are kept in words.
const FAULTS_MAX: usize = 10;

/// All desktops together.
#[derive(Default)]
pub struct HeardNews(Mutex<NewsLedger>);

#[derive(Default)]
struct NewsLedger {
    due: HashMap<(ConnId, CallNews), DueNews>,
    outcome: NewsOutcome,
}

/// Something that was published.
struct DueNews {
    desktop: u32,
    at: Instant,
    is_heard: bool,
}

/// What has become of a load.
#[derive(Default)]
pub struct NewsOutcome {
    /// From each fact to its event at its desktop.
    pub delays: Vec<Duration>,
    /// Events that have not come.
    pub missing: usize,
    /// Events that have come before.
    pub repeated: usize,
    /// Events of calls of others, or of none.
    pub stray: usize,
    /// All that was told, of states of agents too.
    pub messages: usize,
    /// Answers to polls.
    pub polls: usize,
    /// Desktops that hear nothing any more, and why.
    pub faults: Vec<String>,
}

impl HeardNews {
    fn lock(&self) -> MutexGuard<'_, NewsLedger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fact is being published now, of which that desktop is to be told.
    pub fn published(&self, call: ConnId, news: CallNews, desktop: u32) {
        let due = DueNews { desktop, at: Instant::now(), is_heard: false };
        self.lock().due.insert((call, news), due);
    }

    /// A desktop has an answer to its poll, with these data of events.
    pub fn polled<'d>(&self, desktop: u32, data: impl Iterator<Item = &'d Value>) {
        let now = Instant::now();
        let mut news = self.lock();
        news.outcome.polls += 1;
        for told in data {
            news.told(desktop, told, now);
        }
    }

    /// A desktop hears nothing any more.
    pub fn failed(&self, desktop: u32, why: &anyhow::Error) {
        let faults = &mut self.lock().outcome.faults;
        if faults.len() < FAULTS_MAX {
            faults.push(format!("desktop {desktop}: {why:#}"));
        }
    }

    /// How much of what was published has not come yet.
    pub fn missing(&self) -> usize {
        self.lock().missing()
    }

    /// What has become of all since this was asked last.
    pub fn take(&self) -> NewsOutcome {
        let mut news = self.lock();
        let missing = news.missing();
        news.due.clear();
        NewsOutcome { missing, ..std::mem::take(&mut news.outcome) }
    }
}

impl NewsLedger {
    fn missing(&self) -> usize {
        self.due.values().filter(|due| !due.is_heard).count()
    }

    fn told(&mut self, desktop: u32, told: &Value, now: Instant) {
        self.outcome.messages += 1;
        let Some((call, news)) = of_call(told) else { return };
        match self.due.get_mut(&(call, news)) {
            Some(due) if due.desktop == desktop && !due.is_heard => {
                due.is_heard = true;
                self.outcome.delays.push(now - due.at);
            }
            Some(due) if due.desktop == desktop => self.outcome.repeated += 1,
            _ => self.outcome.stray += 1,
        }
    }
}

/// Which call an event tells of, and what; none of anything else, also of what the desktop's session adds by itself.
fn of_call(told: &Value) -> Option<(ConnId, CallNews)> {
    if told.get("messageType")?.as_str()? != "CallStateChanged" {
        return None;
    }
    let call = told.get("call")?;
    let id = call.get("id")?.as_str()?.parse().ok()?;
    let news = match (told.get("notificationType")?.as_str()?, call.get("state")?.as_str()?) {
        ("AttachedDataChanged", _) => CallNews::DataChanged,
        ("StateChange", "Ringing") => CallNews::Ringing,
        ("StateChange", "Established") => CallNews::Established,
        ("StateChange", "Released") => CallNews::Released,
        _ => return None,
    };
    Some((id, news))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(call: u64, state: &str, notification: &str) -> Value {
        let call = json!({"id": ConnId(call).to_string(), "state": state});
        json!({"messageType": "CallStateChanged", "notificationType": notification, "call": call})
    }

    #[test]
    fn each_event_is_counted_once_and_those_of_others_apart() {
        let heard = HeardNews::default();
        heard.published(ConnId(7), CallNews::Ringing, 1);
        heard.published(ConnId(7), CallNews::Established, 1);
        heard.published(ConnId(7), CallNews::DataChanged, 1);
        let ringing = state(7, "Ringing", "StateChange");
        let dn = json!({"messageType": "DnStateChanged", "dn": {}});
        heard.polled(1, [&ringing, &dn].into_iter());
        heard.polled(1, [&ringing].into_iter());
        heard.polled(2, [&ringing].into_iter());
        heard.polled(1, [&state(7, "Established", "AttachedDataChanged")].into_iter());
        heard.polled(1, [&state(8, "Ringing", "StateChange"), &state(7, "Completed", "StateChange")].into_iter());
        assert_eq!(heard.missing(), 1);
        let NewsOutcome { delays, missing, repeated, stray, messages, polls, faults } = heard.take();
        assert_eq!((delays.len(), missing, repeated, stray), (2, 1, 1, 2));
        assert_eq!((messages, polls, faults.len()), (7, 5, 0));
        let after = heard.take();
        assert_eq!((after.delays.len(), after.missing, after.messages), (0, 0, 0));
    }
}
