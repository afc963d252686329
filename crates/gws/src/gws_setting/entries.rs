//! Entries as they are asked for, and as they stand in the tables: what is compared and sorted by has columns, the rest is a document.

use infra::bounds::TARGET_DOCUMENT_MAX;
use infra::{Favourite, RecentTarget, TargetName};
use model::Timestamp;
use net::http::Problem;

use crate::setting_api::{FavouriteEntry, KeptTarget, RecentEntry};

fn name_of(target: &KeptTarget) -> TargetName {
    TargetName { target_type: target.target_type.clone(), id: target.id.clone() }
}

/// A document for the table, unless it is too large there.
fn document(entry: &impl serde::Serialize) -> Result<String, Problem> {
    let document = serde_json::to_string(entry).map_err(|_| Problem::internal())?;
    if document.len() > TARGET_DOCUMENT_MAX {
        return Err(Problem::unprocessable(format!("target: it has more than {TARGET_DOCUMENT_MAX} bytes")));
    }
    Ok(document)
}

/// A favourite for the table.
///
/// # Errors
/// 422 with the field and the rule.
pub(super) fn favourite(entry: &FavouriteEntry) -> Result<Favourite, Problem> {
    if let Some(fault) = entry.fault() {
        return Err(Problem::unprocessable(fault));
    }
    let at = Timestamp::from_millis(entry.at);
    Ok(Favourite { target: name_of(&entry.target), at, document: document(entry)? })
}

/// A favourite from the table; none if it cannot be read.
pub(super) fn favourite_entry(kept: &Favourite) -> Option<FavouriteEntry> {
    let entry: FavouriteEntry = serde_json::from_str(&kept.document).ok()?;
    Some(FavouriteEntry { at: kept.at.as_millis(), ..entry })
}

/// A recent for the table.
///
/// # Errors
/// 422 with the field and the rule.
pub(super) fn recent(entry: &RecentEntry) -> Result<RecentTarget, Problem> {
    if let Some(fault) = entry.fault() {
        return Err(Problem::unprocessable(fault));
    }
    let (at, is_missed) = (Timestamp::from_millis(entry.at), entry.is_missed);
    Ok(RecentTarget { target: name_of(&entry.target), at, is_missed, document: document(entry)? })
}

/// A recent from the table; none if it cannot be read.
pub(super) fn recent_entry(kept: &RecentTarget) -> Option<RecentEntry> {
    let entry: RecentEntry = serde_json::from_str(&kept.document).ok()?;
    Some(RecentEntry { at: kept.at.as_millis(), is_missed: kept.is_missed, ..entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: &str) -> KeptTarget {
        KeptTarget {
            target_type: "agent".to_owned(),
            id: id.to_owned(),
            last_name: Some("Größe \"x\"".to_owned()),
            ..KeptTarget::default()
        }
    }

    #[test]
    fn entries_come_back_as_they_were_kept_and_columns_count() {
        let saved = FavouriteEntry { target: target("7"), category: "team".to_owned(), at: 5 };
        let kept = favourite(&saved).unwrap();
        assert_eq!((kept.target.target_type.as_str(), kept.target.id.as_str()), ("agent", "7"));
        assert_eq!(favourite_entry(&kept), Some(saved));
        let noted =
            RecentEntry { target: target("7"), media: "voice".to_owned(), at: 5, is_missed: true, call_type: None };
        let kept = recent(&noted).unwrap();
        assert_eq!(recent_entry(&kept), Some(noted.clone()));
        let acknowledged = RecentTarget { is_missed: false, ..kept };
        assert_eq!(recent_entry(&acknowledged), Some(RecentEntry { is_missed: false, ..noted }));
    }

    #[test]
    fn what_is_faulty_or_too_large_is_refused_and_what_cannot_be_read_is_left_out() {
        let nobody = FavouriteEntry { target: target(""), ..FavouriteEntry::default() };
        assert_eq!(favourite(&nobody).unwrap_err().status, 422);
        // Each quote has two bytes in the document.
        let quotes = vec!["\"".repeat(255); 10];
        let target = KeptTarget { numbers: quotes.clone(), email_addresses: quotes, ..target("7") };
        let large = recent(&RecentEntry { target, ..RecentEntry::default() }).unwrap_err();
        assert_eq!((large.status, large.detail.unwrap().starts_with("target: ")), (422, true));
        let target = TargetName { target_type: "agent".to_owned(), id: "7".to_owned() };
        let damaged = Favourite { target, at: Timestamp::ZERO, document: "[".to_owned() };
        assert_eq!(favourite_entry(&damaged), None);
    }
}
