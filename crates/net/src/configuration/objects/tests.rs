use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use contracts::configuration::Listed;

use super::*;

/// Three pages of one object each; the version changes once, after this number of pages.
struct Changing {
    after: usize,
    given: AtomicUsize,
}

impl Pages for Changing {
    async fn page(&self, _: &str, _: Option<&str>, from: &str) -> Result<Changes, CallError> {
        let given = self.given.fetch_add(1, Relaxed);
        let version = if given < self.after { "1-1" } else { "1-2" };
        let (id, next) = match from {
            "" => ("a", Some("b")),
            "b" => ("b", Some("c")),
            _ => ("c", None),
        };
        let listed = Listed { kind: ObjectKind::Skill, id: id.to_owned(), object: serde_json::json!({ "name": id }) };
        let (version, next) = (version.to_owned(), next.map(ToOwned::to_owned));
        Ok(Changes { version, whole: true, objects: vec![listed], gone: Vec::new(), next })
    }
}

#[tokio::test]
async fn pages_of_two_versions_are_never_put_together() {
    for after in 0..4 {
        let pages = Changing { after, given: AtomicUsize::new(0) };
        let all = all_pages(&pages, "acme", None).await.unwrap();
        let ids: Vec<&str> = all.objects.iter().map(|listed| listed.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"], "a change after {after} pages");
        assert_eq!(all.version, if after < 3 { "1-2" } else { "1-1" }, "a change after {after} pages");
    }
}
