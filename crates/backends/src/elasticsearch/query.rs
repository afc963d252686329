//! Queries, as JSON put together from values: what somebody has typed is a value in them, and never a query.

use infra::search::SearchTerm;
use infra::{TargetSearch, bounds};
use model::TenantId;
use serde_json::{Value, json};

use super::indices::ANY;

/// The kinds of documents.
pub(super) const TARGET: &str = "target";
pub(super) const NOTED: &str = "collection";

/// The search, within the tenant and nowhere else: its filter stands around all that is searched for.
pub(super) fn search(tenant: &TenantId, asked: &TargetSearch) -> Value {
    let mut filter = vec![json!({"term": {"tenant": tenant.as_str()}}), json!({"term": {"kind": TARGET}})];
    if let Some(types) = &asked.types {
        filter.push(json!({"terms": {"type": types}}));
    }
    if let Some(within) = &asked.within {
        filter.push(json!({"terms": {"groups": within}}));
    }
    let must_not: Vec<Value> = match asked.without.as_slice() {
        [] => Vec::new(),
        without => vec![json!({"terms": {"groups": without}})],
    };
    let mut query = json!({"bool": {"filter": filter, "must_not": must_not}});
    if !asked.terms.is_empty() {
        let fields = fields_of(asked);
        let terms: Vec<Value> = asked.terms.iter().map(|term| fitting(term, asked.is_exact, &fields)).collect();
        query["bool"]["must"] = json!([{"dis_max": {"queries": terms}}]);
    }
    let (first, second) = if asked.is_descending { ("asc", "desc") } else { ("desc", "asc") };
    let mut body = json!({
        "size": asked.limit.min(bounds::SEARCH_BATCH_MAX),
        "track_total_hits": true,
        "_source": ["shown", "sort", "key"],
        "query": query,
        "sort": [{"_score": first}, {"sort": second}, {"key": second}],
        "timeout": "1500ms",
    });
    // Sorting by other fields leaves scores out of the answer.
    body["track_scores"] = json!(true);
    if let Some(after) = &asked.after {
        body["search_after"] = json!([f64::from(after.rank), after.sorted_by, after.key]);
    }
    body
}

/// The fields that are searched: the texts of all stand together once more.
fn fields_of(asked: &TargetSearch) -> Vec<&'static str> {
    if asked.fields.is_empty() { vec![ANY] } else { asked.searched_fields() }
}

/// A clause for each field and each spelling.
fn clauses(kind: &str, of: &str, fields: &[&str], spelt: &[String]) -> Vec<Value> {
    let clause = |field: &&str, text: &String| json!({kind: {(format!("{of}.{field}")): text}});
    fields.iter().flat_map(|field| spelt.iter().map(move |text| clause(field, text))).collect()
}

/// One of them; nothing fits none, though OpenSearch itself takes that for everything.
fn any(clauses: Vec<Value>) -> Value {
    if clauses.is_empty() {
        return json!({"match_none": {}});
    }
    json!({"bool": {"should": clauses, "minimum_should_match": 1}})
}

/// What fits a term, with its rank as the score.
fn fitting(term: &SearchTerm, is_exact: bool, fields: &[&str]) -> Value {
    let whole = || any(clauses("term", "whole", fields, &term.whole));
    let filter: Vec<Value> = match is_exact {
        true => vec![whole()],
        false => term.words.iter().map(|spelt| any(clauses("prefix", "parts", fields, spelt))).collect(),
    };
    let begins = |of: &str| any(term.words.iter().flat_map(|spelt| clauses("prefix", of, fields, spelt)).collect());
    let ranked = |filter: Value, boost: u8| json!({"constant_score": {"filter": filter, "boost": boost}});
    let ranks = [ranked(whole(), 3), ranked(begins("whole"), 2), ranked(begins("words"), 1)];
    json!({"bool": {"filter": filter, "should": [{"dis_max": {"queries": ranks}}], "minimum_should_match": 0}})
}

/// The documents of a tenant that were written by earlier builds; all of them without one.
pub(super) fn old_documents(tenant: &TenantId, build: Option<u64>) -> Value {
    let mut filter = vec![json!({"term": {"tenant": tenant.as_str()}})];
    if let Some(build) = build {
        filter.push(json!({"range": {"build": {"lt": build}}}));
    }
    json!({
        "size": bounds::SEARCH_BATCH_MAX,
        "_source": false,
        "seq_no_primary_term": true,
        "query": {"bool": {"filter": filter, "must_not": [{"term": {"kind": NOTED}}]}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_searched_for_stands_within_the_filter_for_the_tenant() {
        let acme = TenantId::parse("acme").unwrap();
        let typed = "\"}]}},{\"match_all\":{}}, tenant:globex";
        let asked = TargetSearch { terms: TargetSearch::terms_of(typed).unwrap(), limit: 5, ..TargetSearch::default() };
        let body = search(&acme, &asked);
        let read: Value = serde_json::from_str(&body.to_string()).unwrap();
        assert_eq!(read["query"]["bool"]["filter"][0], json!({"term": {"tenant": "acme"}}));
        let parts: Vec<&String> = read.as_object().unwrap().keys().collect();
        assert_eq!(parts, ["size", "track_total_hits", "_source", "query", "sort", "timeout", "track_scores"]);
        assert_eq!(read["query"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_text_of_as_many_words_as_there_may_be_has_few_enough_clauses() {
        let acme = TenantId::parse("acme").unwrap();
        let words = "äö ".repeat(bounds::SEARCH_WORDS_MAX);
        let asked = TargetSearch { terms: TargetSearch::terms_of(&words).unwrap(), ..TargetSearch::default() };
        let text = search(&acme, &asked).to_string();
        assert!(text.matches("prefix").count() + text.matches("\"term\"").count() < 200, "{text}");
    }
}
