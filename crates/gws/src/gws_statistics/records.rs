//! A session of the Statistics API, as it is kept: sealed, since it says whose numbers somebody looks at.

use std::collections::HashMap;

use contracts::v1;
use infra::SignInKind;
use model::{TenantId, Timestamp};
use prost::Message as _;

use super::asked::AskedStatistic;
use crate::sessions::record::{RECORD_BYTES_MAX, SessionRecord};

/// The form of the record that is written.
const VERSION: u32 = 1;

/// A session in the store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeptSession {
    /// The person or program.
    pub subject: String,
    /// The run of the replica that has it.
    pub holder: String,
    /// When it was used last.
    pub used_at: Timestamp,
    /// What is open, by subscription.
    pub subscriptions: Vec<(String, Vec<AskedStatistic>)>,
}

impl SessionRecord for KeptSession {
    const KIND: SignInKind = SignInKind::Statistics;
    const LISTED_AS: &'static str = "statistics";
    const SEALED_AS: &'static str = "statistics session";

    fn owner(&self) -> &str {
        &self.subject
    }

    fn holder(&self) -> &str {
        &self.holder
    }

    fn used_at(&self) -> Timestamp {
        self.used_at
    }

    fn held_by(self, holder: String, goes_on_at: Option<Timestamp>) -> Self {
        Self { holder, used_at: goes_on_at.unwrap_or(self.used_at), ..self }
    }

    fn encoded(&self) -> Option<Vec<u8>> {
        let record = self.record();
        (record.encoded_len() <= RECORD_BYTES_MAX).then(|| record.encode_to_vec())
    }

    fn decoded(_: &TenantId, plain: &[u8]) -> Option<Self> {
        Self::of_record(v1::StatisticsSessionRecord::decode(plain).ok()?)
    }
}

impl KeptSession {
    /// Whether the store takes it.
    pub fn fits(&self) -> bool {
        self.record().encoded_len() <= RECORD_BYTES_MAX
    }

    fn record(&self) -> v1::StatisticsSessionRecord {
        let mut texts = SharedTexts::default();
        let subscriptions = self.subscriptions.iter().map(|(id, statistics)| v1::StatisticsSubscriptionRecord {
            id: id.clone(),
            statistics: statistics.iter().map(|asked| recorded(asked, &mut texts)).collect(),
        });
        let subscriptions = subscriptions.collect();
        v1::StatisticsSessionRecord {
            version: VERSION,
            subject: self.subject.clone(),
            holder: self.holder.clone(),
            used_at_us: self.used_at.as_micros(),
            texts: texts.all,
            subscriptions,
        }
    }

    fn of_record(record: v1::StatisticsSessionRecord) -> Option<Self> {
        if record.version != VERSION {
            return None;
        }
        let texts = record.texts;
        let subscriptions = record.subscriptions.into_iter().map(|subscription| {
            let statistics = subscription.statistics.into_iter().map(|recorded| asked(recorded, &texts));
            Some((subscription.id, statistics.collect::<Option<Vec<_>>>()?))
        });
        let subscriptions = subscriptions.collect::<Option<Vec<_>>>()?;
        let used_at = Timestamp::from_micros(record.used_at_us);
        Some(Self { subject: record.subject, holder: record.holder, used_at, subscriptions })
    }
}

/// Texts, each once.
#[derive(Default)]
struct SharedTexts {
    all: Vec<String>,
    places: HashMap<String, u32>,
}

impl SharedTexts {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

fn recorded(asked: &AskedStatistic, texts: &mut SharedTexts) -> v1::SubscribedStatisticRecord {
    let request = &asked.request;
    v1::SubscribedStatisticRecord {
        id: asked.statistic_id.clone(),
        name: texts.place(&request.name),
        object_type: texts.place(&request.object_type),
        object_id: texts.place(&request.object_id),
        definition: request.definition.clone(),
        notification: request.notification,
    }
}

fn asked(recorded: v1::SubscribedStatisticRecord, texts: &[String]) -> Option<AskedStatistic> {
    let text = |place: u32| texts.get(usize::try_from(place).ok()?).cloned();
    let request = v1::StatisticRequest {
        name: text(recorded.name)?,
        definition: recorded.definition,
        object_type: text(recorded.object_type)?,
        object_id: text(recorded.object_id)?,
        notification: recorded.notification,
    };
    Some(AskedStatistic { statistic_id: recorded.id, request })
}

#[cfg(test)]
mod tests {
    use infra::bounds::SIGN_IN_VALUE_MAX;
    use runtime::installation_key::InstallationKey;
    use serde_json::json;

    use super::super::asked::read_all;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    impl KeptSession {
        /// A session in which nothing is open.
        pub fn of_test(subject: &str, holder: &str, used_at: Timestamp) -> Self {
            let (subject, holder) = (subject.to_owned(), holder.to_owned());
            Self { subject, holder, used_at, subscriptions: Vec::new() }
        }
    }

    fn asked(count: usize) -> Vec<AskedStatistic> {
        let one = |n: usize| {
            json!({
                "statisticId": format!("b7c1ec50-59d8-4d4e-9c2e-{n:012}"), "objectId": format!("agent-{n}"),
                "objectType": "Agent", "name": "CurrentAgentState",
            })
        };
        read_all(&(0..count).map(one).collect(), "statistics").unwrap()
    }

    #[test]
    fn a_session_is_opened_as_it_was_under_its_own_name_alone() {
        let (key, acme) = (InstallationKey::from_bytes([7; 32]), TenantId::parse("acme").unwrap());
        let mut kept = KeptSession::of_test("person/ann", "a.1", NOW);
        let by_definition = json!([{"objectId": "sales", "objectType": "Queue", "definition": {
            "category": "ServiceFactor1", "mainMask": "CallAnswered", "relMask": "CallEntered", "timeRange": "0-20",
        }}]);
        kept.subscriptions.push(("one".to_owned(), asked(3)));
        kept.subscriptions.push(("two".to_owned(), read_all(&by_definition, "x").unwrap()));
        let sealed = kept.seal(&key, "mine").unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"sales"), "it is not there in clear");
        assert_eq!(KeptSession::open(&key, &acme, "mine", &sealed), Some(kept));
        assert_eq!(KeptSession::open(&key, &acme, "other", &sealed), None);
    }

    #[test]
    fn some_hundred_statistics_fit_and_too_many_do_not() {
        let key = InstallationKey::from_bytes([7; 32]);
        let mut kept = KeptSession::of_test("person/ann", "a.1", NOW);
        kept.subscriptions.push(("one".to_owned(), asked(200)));
        assert!(kept.fits());
        assert!(kept.seal(&key, "mine").unwrap().len() <= SIGN_IN_VALUE_MAX);
        kept.subscriptions.push(("two".to_owned(), asked(400)));
        assert!(!kept.fits() && kept.seal(&key, "mine").is_none());
    }

    #[test]
    fn a_record_of_a_later_form_or_without_its_texts_is_nobodys_session() {
        let mut kept = KeptSession::of_test("person/ann", "a.1", NOW);
        kept.subscriptions.push(("one".to_owned(), asked(1)));
        let later = v1::StatisticsSessionRecord { version: VERSION + 1, ..kept.record() };
        assert_eq!(KeptSession::of_record(later), None);
        let without = v1::StatisticsSessionRecord { texts: Vec::new(), ..kept.record() };
        assert_eq!(KeptSession::of_record(without), None);
    }
}
