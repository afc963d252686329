//! Adds to what is spent in a day on calls outside. Key: the view `spending` of a tenant, `spending:<phone>` of a phone, `spending@<agent>` of
//! an agent; it has the sums of one day, the latest.

use contracts::v1;
use infra::{KeptView, Result, ViewStore};
use model::Timestamp;
use prost::Message as _;

use crate::sip_cluster::node::spending::{Added, Amount, Amounts, Spender};

/// How often the sums are read again because another node has changed them meanwhile.
const TRIES_MAX: usize = 8;

/// Adds amounts to a spender's day. Amounts whose answer is lost may have been added: who adds them again counts them twice, so that a limit
/// is reached too early rather than never.
pub async fn add(views: &dyn ViewStore, spender: &Spender, amounts: &Amounts) -> Added {
    try_to_add(views, spender, amounts).await.unwrap_or_else(|error| {
        let (tenant, phone, agent) = (&spender.tenant, &spender.phone, &spender.agent);
        tracing::debug!(%tenant, ?phone, ?agent, %error, "what is spent on calls outside was not stored");
        Added::Unknown
    })
}

async fn try_to_add(views: &dyn ViewStore, spender: &Spender, amounts: &Amounts) -> Result<Added> {
    let view = match (&spender.agent, &spender.phone) {
        (Some(agent), _) => format!("spending@{agent}"),
        (None, Some(phone)) => format!("spending:{phone}"),
        (None, None) => "spending".to_owned(),
    };
    for _ in 0..TRIES_MAX {
        let kept = views.load(&spender.tenant, &view).await?;
        let mut sums = kept.as_ref().map(read).unwrap_or_default();
        if sums.day_ends > spender.day_ends {
            // A call of yesterday that still goes on.
            return Ok(Added::DayOver);
        }
        if sums.day_ends < spender.day_ends {
            sums = Sums { day_ends: spender.day_ends, amounts: Amounts::new() };
        }
        for (rule, amount) in amounts {
            let sum = sums.amounts.entry(rule.clone()).or_default();
            sum.calls = sum.calls.saturating_add(amount.calls);
            sum.seconds = sum.seconds.saturating_add(amount.seconds);
        }
        let seen = kept.as_ref().map(|kept| kept.position.as_str());
        let version = seen.and_then(|seen| seen.parse::<u64>().ok()).unwrap_or_default() + 1;
        let next = KeptView { position: version.to_string(), state: write(&sums).into() };
        if views.replace(&spender.tenant, &view, seen, next).await? {
            return Ok(Added::Sums(sums.amounts));
        }
    }
    // Other nodes have been faster each time.
    Ok(Added::Unknown)
}

#[derive(Default)]
struct Sums {
    day_ends: Timestamp,
    amounts: Amounts,
}

/// Sums that cannot be read begin anew.
fn read(kept: &KeptView) -> Sums {
    let record = v1::SpendingRecord::decode(kept.state.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, "what was spent on calls outside cannot be read: it is counted anew");
        v1::SpendingRecord::default()
    });
    let amount = |spent: v1::SpentRecord| (spent.rule, Amount { calls: spent.calls, seconds: spent.seconds });
    Sums {
        day_ends: Timestamp::from_micros(record.day_ends_us),
        amounts: record.spent.into_iter().map(amount).collect(),
    }
}

fn write(sums: &Sums) -> Vec<u8> {
    let spent = |(rule, amount): (&String, &Amount)| v1::SpentRecord {
        rule: rule.clone(),
        calls: amount.calls,
        seconds: amount.seconds,
    };
    let record =
        v1::SpendingRecord { day_ends_us: sums.day_ends.as_micros(), spent: sums.amounts.iter().map(spent).collect() };
    record.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stores;

    #[tokio::test]
    async fn nodes_add_to_the_sums_of_one_day() {
        let stores = test_stores::stores(test_stores::HandClock::new());
        let spender = |day_ends: u64| Spender {
            tenant: model::TenantId::parse("case").expect("a tenant"),
            phone: Some(model::Dn::parse("7101").expect("a DN")),
            agent: None,
            day_ends: Timestamp::from_micros(day_ends),
        };
        let amounts = |calls, seconds| Amounts::from([("premium".to_owned(), Amount { calls, seconds })]);
        let add =
            async |day_ends: u64, amount: Amounts| super::add(&*stores.spendings, &spender(day_ends), &amount).await;
        let sums = |calls, seconds| Added::Sums(amounts(calls, seconds));
        assert_eq!(add(1, amounts(2, 0)).await, sums(2, 0));
        assert_eq!(add(1, amounts(1, 30)).await, sums(3, 30));
        assert_eq!(add(2, amounts(1, 0)).await, sums(1, 0), "a new day");
        assert_eq!(add(1, amounts(0, 2)).await, Added::DayOver);
        assert_eq!(add(2, amounts(1, 0)).await, sums(2, 0));
        futures::join!(add(2, amounts(1, 0)), add(2, amounts(1, 0)));
        assert_eq!(add(2, amounts(0, 0)).await, sums(4, 0));
        let of_agent = Spender { agent: model::AgentId::parse("7101").ok(), phone: None, ..spender(2) };
        let own = super::add(&*stores.spendings, &of_agent, &amounts(1, 0)).await;
        assert_eq!(own, sums(1, 0), "an agent is not the phone of that number");
    }
}
