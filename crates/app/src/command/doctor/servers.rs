//! The servers of the stores.

use backends::redis::Unusable;

use super::finding::Finding;
use super::situation::Situation;

/// Reports whether each answers, its identity, and how it persists its data.
pub fn servers(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, asked) in &situation.servers {
        match asked {
            Ok(examined) => found.extend(examined.warnings.iter().map(|warning| {
                Finding::warning(
                    place.clone(),
                    warning.clone(),
                    "change it there; docs/production.md says what matters and why",
                )
            })),
            Err(Unusable::Away(reason)) => found.push(Finding::error(
                place.clone(),
                format!("it does not answer: {reason}"),
                "start it, or set where it is in section stores of the settings",
            )),
            Err(Unusable::Wrong(reason)) => {
                found.push(Finding::error(
                    place.clone(),
                    reason.clone(),
                    "set it right in section stores of the settings",
                ));
            }
        }
    }
    found
}
