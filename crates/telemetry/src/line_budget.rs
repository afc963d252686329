//! How many bytes of lines a client, its person and its tenant may cause: so many at once, then so many a second.
//!
//! What they have caused waits as in a queue that is emptied at that rate: what matters least is not taken first, as in the queue of lines.

use std::time::Duration;

use model::Timestamp;

use crate::limits::{
    CLIENT_LINES_PER_S, CLIENT_LINES_ROOM, PERSON_LINES_PER_S, PERSON_LINES_ROOM, TENANT_LINES_PER_S, TENANT_LINES_ROOM,
};
use crate::shed::{Importance, QueueFill};

const MICROS_PER_S: u64 = 1_000_000;

/// The budget of a client, of a person, or of a tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineBudget {
    /// What is paid off in a second, in bytes.
    per_s: u64,
    /// What may be owed, in bytes: as [`QueueFill`] says, three quarters of it at most.
    room: usize,
}

/// What a client, a person or a tenant owes of its budget.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineDebt {
    /// When all is paid off.
    paid_at: Timestamp,
}

/// What a client may still cause.
#[derive(Clone, Copy, Debug)]
pub struct LineRoom {
    client: QueueFill,
    person: QueueFill,
    tenant: QueueFill,
}

impl LineRoom {
    /// The room of a client that owes this, and whose person and tenant owe that. A program's is nobody's, who owes nothing.
    pub(crate) fn of(client: LineDebt, person: LineDebt, tenant: LineDebt, now: Timestamp) -> Self {
        Self {
            client: LineBudget::OF_CLIENT.fill(client, now),
            person: LineBudget::OF_PERSON.fill(person, now),
            tenant: LineBudget::OF_TENANT.fill(tenant, now),
        }
    }

    /// Whether lines of that importance, all together of that size in bytes, are within all these budgets.
    pub fn takes(self, importance: Importance, bytes: usize) -> bool {
        [self.client, self.person, self.tenant].iter().all(|fill| fill.takes(importance, bytes))
    }
}

impl LineBudget {
    pub(crate) const OF_CLIENT: Self = Self { per_s: CLIENT_LINES_PER_S, room: CLIENT_LINES_ROOM };
    pub(crate) const OF_PERSON: Self = Self { per_s: PERSON_LINES_PER_S, room: PERSON_LINES_ROOM };
    pub(crate) const OF_TENANT: Self = Self { per_s: TENANT_LINES_PER_S, room: TENANT_LINES_ROOM };

    fn fill(self, debt: LineDebt, now: Timestamp) -> QueueFill {
        let owed = debt.paid_at.since(now).as_micros() * u128::from(self.per_s) / u128::from(MICROS_PER_S);
        let owed = usize::try_from(owed).unwrap_or(usize::MAX);
        QueueFill { own: owed, waiting: owed, room: self.room }
    }

    /// Lines of that size were taken.
    pub(crate) fn charge(self, debt: &mut LineDebt, bytes: usize, now: Timestamp) {
        let micros = (bytes as u64).saturating_mul(MICROS_PER_S).div_ceil(self.per_s);
        debt.paid_at = debt.paid_at.max(now) + Duration::from_micros(micros);
    }
}

impl LineDebt {
    /// Whether nothing is owed.
    pub(crate) fn is_paid(self, now: Timestamp) -> bool {
        self.paid_at <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    /// The room of a client that owes this, and nobody else anything.
    fn room_owing(client: LineDebt, now: Timestamp) -> LineRoom {
        LineRoom::of(client, LineDebt::default(), LineDebt::default(), now)
    }

    #[test]
    fn what_matters_more_is_taken_for_longer() {
        let mut debt = LineDebt::default();
        let mut caused = |importance| {
            while room_owing(debt, NOW).takes(importance, 1_024) {
                LineBudget::OF_CLIENT.charge(&mut debt, 1_024, NOW);
            }
            LineBudget::OF_CLIENT.fill(debt, NOW).own
        };
        let [detail, grave] = [Importance::Detail, Importance::Grave].map(&mut caused);
        assert_eq!((detail, grave), (CLIENT_LINES_ROOM / 3, CLIENT_LINES_ROOM / 4 * 3));
        let later = NOW + Duration::from_secs(60);
        assert!(room_owing(debt, later).takes(Importance::Usual, 1_024), "it is paid off");
        assert!(!debt.is_paid(later) && debt.is_paid(NOW + Duration::from_secs(120)));
    }

    #[test]
    fn a_person_and_a_tenant_have_a_budget_too() {
        let none = LineDebt::default();
        let (mut of_person, mut of_tenant) = (none, none);
        LineBudget::OF_PERSON.charge(&mut of_person, PERSON_LINES_ROOM, NOW);
        LineBudget::OF_TENANT.charge(&mut of_tenant, TENANT_LINES_ROOM, NOW);
        let takes = |person, tenant, now| LineRoom::of(none, person, tenant, now).takes(Importance::Grave, 1);
        assert!(takes(none, none, NOW) && !takes(of_person, none, NOW) && !takes(none, of_tenant, NOW));
        assert!(takes(none, of_tenant, NOW + Duration::from_secs(4)));
        assert!(takes(of_person, none, NOW + Duration::from_secs(30)));
    }

    proptest! {
        #[test]
        fn nobody_causes_more_than_room_and_rate(steps in proptest::collection::vec((0_u64..2_000, 1_usize..500_000), 1..200)) {
            let (mut debt, mut now, mut caused) = (LineDebt::default(), NOW, 0);
            for (millis, bytes) in steps {
                now = now + Duration::from_millis(millis);
                if room_owing(debt, now).takes(Importance::Grave, bytes) {
                    LineBudget::OF_CLIENT.charge(&mut debt, bytes, now);
                    caused += bytes as u64;
                }
            }
            let paid = CLIENT_LINES_PER_S * (now.since(NOW).as_millis() as u64) / 1_000;
            prop_assert!(caused <= CLIENT_LINES_ROOM as u64 + paid + 200, "{caused}");
        }
    }
}
