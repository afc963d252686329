//! gws-statistics, as it is reached (gws-30): the values of statistics as they are now. What is asked for again soon stays open there, so
//! that statistics over a time go on.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{CallError, Client};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::{Value, json};

use super::behind::{StatisticsAway, StatisticsSide};
use super::metrics::{AskOutcome, Metrics};
use super::reporting::{ReadStatistics, ReadValue, WantedStatistic};

/// The most statistics of one question, and the most bytes of their requests: gws-statistics takes bodies of 1 MiB.
const ASKED_AT_ONCE_MAX: usize = 500;
const QUESTION_BYTES_MAX: usize = 255 << 10;
/// The longest id of a statistic in a question: its place.
const LONGEST_ID: &str = "499";
/// What gws-statistics answers to a question with which something is wrong: its shape, its size. A fault of one statistic is told of that
/// one alone.
const FAULTY: [u16; 3] = [400, 413, 422];
/// After so many questions without an answer nobody is asked any more.
const UNANSWERED_MAX: usize = 2;
/// Time for an answer, and how long one replica may be silent while another has not been asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const SILENT_MAX: Duration = Duration::from_secs(1);

/// The client.
#[derive(Clone)]
pub(super) struct StatisticsClient {
    client: Client,
    metrics: Metrics,
}

impl StatisticsClient {
    /// By the role's connection to gws-statistics.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(ctx, "gws-30")?, metrics })
    }

    async fn ask(&self, path: &str, body: &Value) -> Result<Value, PartFault> {
        let asked = self.client.post(path).json(body).deadline(ANSWER_WITHIN).idempotent().silent_max(SILENT_MAX);
        let told = asked.fetch::<Value>().await;
        self.metrics.statistics_asks.inc(match &told {
            Ok(_) => AskOutcome::Taken,
            Err(CallError::Refused(problem)) if problem.status < 500 => AskOutcome::Refused,
            Err(_) => AskOutcome::Unanswered,
        });
        told.map_err(|error| match error {
            CallError::Refused(problem) if FAULTY.contains(&problem.status) => {
                PartFault::Refused(problem.detail.unwrap_or(problem.title))
            }
            error => {
                tracing::debug!(%error, "gws-statistics tells no values");
                PartFault::Unanswered
            }
        })
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PartFault {
    /// Something is wrong with it, and is when it is asked again.
    Refused(String),
    /// Not now.
    Unanswered,
}

/// Parts of what is wanted, each of which is one question.
fn parts(wanted: &[WantedStatistic]) -> Vec<&[WantedStatistic]> {
    let (mut parts, mut begun, mut bytes) = (Vec::new(), 0, 0);
    for (at, statistic) in wanted.iter().enumerate() {
        let more = statistic.asked(LONGEST_ID).to_string().len() + 1;
        if at > begun && (at - begun == ASKED_AT_ONCE_MAX || bytes + more > QUESTION_BYTES_MAX) {
            parts.push(&wanted[begun..at]);
            (begun, bytes) = (at, 0);
        }
        bytes += more;
    }
    if begun < wanted.len() {
        parts.push(&wanted[begun..]);
    }
    parts
}

/// Asks part by part. What is refused is no silence: the parts after it are asked for, too.
async fn read_all<A: Future<Output = Result<Value, PartFault>>>(
    wanted: &[WantedStatistic],
    ask: impl Fn(Value) -> A,
) -> ReadStatistics {
    let mut read = ReadStatistics::default();
    let mut unanswered = 0;
    for part in parts(wanted) {
        let told = if unanswered < UNANSWERED_MAX { ask(question(part)).await } else { Err(PartFault::Unanswered) };
        match told {
            Ok(told) => take(&mut read, part, &told),
            Err(PartFault::Refused(why)) => read.refused.extend(part.iter().map(|one| (one.clone(), why.clone()))),
            Err(PartFault::Unanswered) => {
                unanswered += 1;
                read.unread.extend(part.iter().cloned());
            }
        }
    }
    read
}

/// The body of a question: each statistic under its place among them.
fn question(wanted: &[WantedStatistic]) -> Value {
    let statistics: Vec<Value> = wanted.iter().enumerate().map(|(at, one)| one.asked(&at.to_string())).collect();
    json!({"statistics": statistics})
}

/// Takes an answer to it. What is not known yet is neither a value nor refused.
fn take(read: &mut ReadStatistics, wanted: &[WantedStatistic], told: &Value) {
    if told["isAvailable"] == false {
        read.unread.extend(wanted.iter().cloned());
        return;
    }
    let meant = |id: &Value| {
        let at: usize = id.as_str()?.parse().ok()?;
        wanted.get(at).cloned()
    };
    let entries = |list: &str| told[list].as_array().into_iter().flatten();
    read.values.extend(entries("values").filter_map(|entry| {
        let value = ReadValue { timestamp: entry["timestamp"].clone(), value: entry["value"].clone() };
        Some((meant(&entry["statisticId"])?, Arc::new(value)))
    }));
    let is_pending = |id: &Value| entries("pending").any(|pending| pending == id);
    read.refused.extend(entries("refused").filter(|entry| !is_pending(&entry["statisticId"])).filter_map(|entry| {
        let message = entry["message"].as_str().unwrap_or("it is refused");
        Some((meant(&entry["statisticId"])?, message.to_owned()))
    }));
}

impl StatisticsSide for StatisticsClient {
    fn values(
        &self,
        tenant: TenantId,
        wanted: Vec<WantedStatistic>,
    ) -> BoxFuture<'static, Result<ReadStatistics, StatisticsAway>> {
        let client = self.clone();
        async move {
            let tenant = utf8_percent_encode(tenant.as_str(), NON_ALPHANUMERIC);
            let path = format!("/statistics/v3/{tenant}/values");
            let (client, path) = (&client, path.as_str());
            let read = read_all(&wanted, |body| async move { client.ask(path, &body).await }).await;
            let is_away = !wanted.is_empty() && read.unread.len() == wanted.len();
            if is_away { Err(StatisticsAway) } else { Ok(read) }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{HashMap, HashSet};

    use super::super::reporting::CountedBy;
    use super::*;

    fn many(count: usize) -> Vec<WantedStatistic> {
        (0..count).map(|n| WantedStatistic::named("Agent", &n.to_string(), "CallsHandled")).collect()
    }

    /// An answer with a value for each statistic of a question.
    fn answer(question: &Value) -> Value {
        let asked = question["statistics"].as_array().unwrap();
        let value = |one: &Value| json!({"statisticId": one["statisticId"], "timestamp": 1, "value": one["objectId"]});
        json!({"values": asked.iter().map(value).collect::<Vec<_>>(), "isAvailable": true, "pending": []})
    }

    #[test]
    fn a_question_has_as_many_statistics_and_bytes_as_are_taken() {
        let lengths = |wanted: &[WantedStatistic]| parts(wanted).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&many(1_001)), [500, 500, 1]);
        assert!(lengths(&[]).is_empty());
        let definition = CountedBy::Definition(json!({"filter": "x".repeat(2_000)}).to_string());
        let long =
            |n: usize| WantedStatistic { object_id: n.to_string(), counted: definition.clone(), ..many(1).remove(0) };
        let wanted: Vec<WantedStatistic> = (0..400).map(long).collect();
        assert_eq!(lengths(&wanted).iter().sum::<usize>(), 400);
        for part in parts(&wanted) {
            assert!(question(part).to_string().len() <= 256 << 10);
        }
    }

    /// However many are faulty, and wherever they are: all others have their values, by as few questions.
    #[tokio::test]
    async fn faulty_statistics_are_refused_alone() {
        let (wanted, questions) = (many(2_500), RefCell::new(0));
        let is_faulty = |one: &Value| one.as_str().is_some_and(|id| id.ends_with('7'));
        let read = read_all(&wanted, |question| {
            *questions.borrow_mut() += 1;
            let mut told = answer(&question);
            let values = told["values"].as_array_mut().unwrap();
            let (faulty, good): (Vec<Value>, Vec<Value>) =
                std::mem::take(values).into_iter().partition(|one| is_faulty(&one["value"]));
            let refused = |one: &Value| json!({"statisticId": one["statisticId"], "message": "bad"});
            told["refused"] = faulty.iter().map(refused).collect();
            told["values"] = json!(good);
            std::future::ready(Ok(told))
        });
        let read = read.await;
        assert_eq!((read.values.len(), read.refused.len(), read.unread.len()), (2_250, 250, 0));
        assert_eq!((read.refused[&wanted[7]].as_str(), *questions.borrow()), ("bad", 5));
    }

    #[tokio::test]
    async fn a_question_that_is_refused_is_not_one_without_an_answer() {
        let (wanted, asked) = (many(2_500), RefCell::new(0));
        let read = read_all(&wanted, |question| {
            *asked.borrow_mut() += 1;
            let refused = || PartFault::Refused("bad".to_owned());
            std::future::ready((*asked.borrow() > 3).then(|| answer(&question)).ok_or_else(refused))
        });
        let read = read.await;
        assert_eq!((read.refused.len(), read.values.len(), read.unread.len()), (1_500, 1_000, 0));
    }

    #[tokio::test]
    async fn what_one_question_has_told_stays_where_another_has_no_answer() {
        let (wanted, asked) = (many(2_500), RefCell::new(0));
        let read = read_all(&wanted, |question| {
            *asked.borrow_mut() += 1;
            let told = (*asked.borrow() == 1).then(|| answer(&question));
            std::future::ready(told.ok_or(PartFault::Unanswered))
        });
        let read = read.await;
        assert_eq!((read.values.len(), read.unread.len(), *asked.borrow()), (500, 2_000, 3));
    }

    #[test]
    fn what_is_not_known_yet_is_not_refused_and_old_values_are_none() {
        let wanted = many(2);
        let mut read = ReadStatistics::default();
        let pending = json!({
            "isAvailable": true, "values": [], "pending": ["0"],
            "refused": [{"statisticId": "0", "message": "not yet"}, {"statisticId": "1", "message": "no"}],
        });
        take(&mut read, &wanted, &pending);
        assert_eq!(read.refused, HashMap::from([(wanted[1].clone(), "no".to_owned())]));
        assert!(read.unread.is_empty());
        let mut read = ReadStatistics::default();
        let old = json!({"isAvailable": false, "values": [{"statisticId": "0", "value": 3}]});
        take(&mut read, &wanted, &old);
        assert!(read.values.is_empty());
        assert_eq!(read.unread, HashSet::from_iter(wanted));
    }

    #[test]
    fn each_value_is_that_of_the_statistic_that_was_asked_for_under_its_id() {
        let wanted = [
            WantedStatistic::named("Agent", "1001", "CallsHandled"),
            WantedStatistic::named("Queue", "sales", "CurrentCallsWaiting"),
            WantedStatistic::named("Agent", "0", "CallsHandled"),
        ];
        assert_eq!(question(&wanted)["statistics"][1]["statisticId"], "1");
        assert_eq!(question(&wanted)["statistics"][1]["objectType"], "Queue");
        let mut read = ReadStatistics::default();
        let told = json!({
            "values": [{"statisticId": "1", "timestamp": 5, "value": 3}, {"statisticId": "9", "value": 1}],
            "refused": [{"statisticId": "2", "message": "there is no agent 0"}, {"message": "x"}],
        });
        take(&mut read, &wanted, &told);
        let value = Arc::new(ReadValue { timestamp: json!(5), value: json!(3) });
        assert_eq!(read.values, HashMap::from([(wanted[1].clone(), value)]));
        assert_eq!(read.refused, HashMap::from([(wanted[2].clone(), "there is no agent 0".to_owned())]));
    }
}
