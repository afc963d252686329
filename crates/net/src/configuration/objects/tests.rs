use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::configuration::TenantConfig;

/// A tenant that changes while it is read: objects with the revisions that wrote them, and removed ones.
struct Changing {
    objects: Mutex<BTreeMap<u8, (u64, bool)>>,
    revision: Mutex<u64>,
    /// What changes after each page: an object, and whether it is there then.
    coming: Mutex<Vec<Option<(u8, bool)>>>,
}

const PAGE: usize = 2;

impl Pages for Changing {
    async fn page(&self, _: &str, version: Option<&str>, from: &str) -> Result<Changes, CallError> {
        let mut objects = self.objects.lock().unwrap();
        let mut revision = self.revision.lock().unwrap();
        let since: Option<u64> = version.map(|version| version.split_once('-').unwrap().1.parse().unwrap());
        let after = from.parse::<u8>().ok();
        let is_wanted = |(number, (at, is_there)): &(&u8, &(u64, bool))| {
            after.is_none_or(|after| **number > after) && since.map_or(*is_there, |since| *at > since)
        };
        let all: Vec<_> =
            objects.iter().filter(is_wanted).map(|(number, (_, is_there))| (*number, *is_there)).collect();
        let listed = |number: u8| {
            let object = serde_json::json!({ "name": number.to_string() });
            Listed { kind: ObjectKind::Skill, id: number.to_string(), object }
        };
        let page = all.get(..PAGE.min(all.len())).unwrap_or_default();
        let next = if all.len() > PAGE { page.last().map(|(number, _)| number.to_string()) } else { None };
        let put = page.iter().filter(|(_, is_there)| *is_there).map(|(number, _)| listed(*number));
        let gone = page.iter().filter(|(_, is_there)| !*is_there).map(|(number, _)| listed(*number));
        let (objects_told, gone) = (put.collect(), gone.collect());
        let changes =
            Changes { version: format!("1-{revision}"), whole: since.is_none(), objects: objects_told, gone, next };
        if let Some(Some((number, is_there))) = self.coming.lock().unwrap().pop() {
            *revision += 1;
            objects.insert(number, (*revision, is_there));
        }
        Ok(changes)
    }
}

proptest! {
    #[test]
    fn what_changes_while_pages_are_read_is_not_missed(
        there in prop::collection::btree_set(0_u8..30, 0..12),
        coming in prop::collection::vec(prop::option::of((0_u8..30, any::<bool>())), 0..12),
    ) {
        let objects = there.into_iter().map(|number| (number, (1, true))).collect();
        let pages = Changing { objects: Mutex::new(objects), revision: Mutex::new(1), coming: Mutex::new(coming) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let all = runtime.block_on(all_pages(&pages, "acme", None)).unwrap();
        let read = TenantConfig::after(None, all.clone());
        // What came with the last page or later is not in it.
        let at: u64 = all.version.split_once('-').unwrap().1.parse().unwrap();
        let objects = pages.objects.lock().unwrap();
        for (number, (revision, is_there)) in objects.iter().filter(|(_, (revision, _))| *revision <= at) {
            let found = read.get(ObjectKind::Skill, &number.to_string()).is_some();
            prop_assert_eq!(found, *is_there, "{} of revision {} at {}", number, revision, at);
        }
    }
}

/// A replica that is cut off from the cache: it has one version, and tells all of it to whoever has another one.
struct CutOff;

impl Pages for CutOff {
    async fn page(&self, _: &str, _: Option<&str>, _: &str) -> Result<Changes, CallError> {
        let object = serde_json::json!({ "name": "sales" });
        let skill = Listed { kind: ObjectKind::Skill, id: "sales".to_owned(), object };
        Ok(Changes { version: "2-9".to_owned(), whole: true, objects: vec![skill], gone: Vec::new(), next: None })
    }
}

#[tokio::test]
async fn a_replica_that_is_behind_takes_nothing_back() {
    for held in ["2-10", "3-1"] {
        let read = all_pages(&CutOff, "acme", Some(held)).await.unwrap();
        assert_eq!((read.version.as_str(), read.whole, read.objects.len()), (held, false, 0));
    }
    for held in [None, Some("2-8"), Some("1-20")] {
        let read = all_pages(&CutOff, "acme", held).await.unwrap();
        assert_eq!((read.version.as_str(), read.whole, read.objects.len()), ("2-9", true, 1), "{held:?}");
    }
}
