//! What must hold for transactions.

use contracts::provisioning::ObjectKind;

use super::Rules;
use super::lookup::sections_faults;

/// The most bytes of the names, keys and values of a transaction.
const TRANSACTION_BYTES_MAX: usize = 64 << 10;

impl Rules<'_> {
    pub(super) fn transactions(&mut self) {
        let objects = self.objects;
        for transaction in &objects.transactions {
            let name = &transaction.name;
            for rule in sections_faults(&transaction.sections, transaction.bytes(), TRANSACTION_BYTES_MAX) {
                self.fault(ObjectKind::Transaction, name, format!("transactions.{name}.sections"), rule);
            }
        }
    }
}
