//! Named properties that routing and reporting look up, by what they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lookup::bytes_of_sections;
use super::wire_names::wire_names;

/// Properties under a name, by section and key. What they mean depends on the type; a list is a kind of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionObject {
    /// Its name; no two have the same, of whatever type.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub transaction_type: TransactionType,
    /// What programs call it; none: its name.
    #[serde(default)]
    pub alias: Option<String>,
    /// Its properties: values of each section, by their keys.
    #[serde(default)]
    pub sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl TransactionObject {
    /// Bytes of the names of its sections, of its keys and of its values.
    pub fn bytes(&self) -> usize {
        bytes_of_sections(&self.sections)
    }
}

wire_names! {
    /// What a transaction is.
    TransactionType {
        /// Data of a call.
        CallData "call_data",
        /// A business attribute.
        BusinessAttribute "business_attribute",
        /// A business situation.
        BusinessSituation "business_situation",
        /// A business rule.
        BusinessRule "business_rule",
        /// A filter of statistics.
        StatisticFilter "statistic_filter",
        /// A time range of statistics.
        TimeRange "time_range",
        /// A time profile of statistics.
        TimeProfile "time_profile",
        /// A type of statistics.
        StatisticType "statistic_type",
        /// A metric of statistics.
        StatisticMetric "statistic_metric",
        /// A macro.
        Macro "macro",
    }
}
