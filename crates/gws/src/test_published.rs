//! The published operations, as `data/published-operations.tsv` has them, held against what an API says of itself.

use serde_json::Value;

const OPERATIONS: &str = include_str!("../../../data/published-operations.tsv");

/// An operation that is not served: method, path, name, and how its refusal begins.
pub(crate) type NotServed<'a> = (&'a str, &'a str, &'a str, &'a str);

/// A row of the file.
struct PublishedOperation {
    of: &'static str,
    method: &'static str,
    path: &'static str,
    name: &'static str,
    answer: &'static str,
}

fn operations(api: &str) -> Vec<PublishedOperation> {
    let rows = OPERATIONS.lines().filter(|line| !line.starts_with('#')).skip(1);
    let read = |row: &'static str| {
        let cells: Vec<&'static str> = row.split('\t').collect();
        let &[of, named, method, path, name, answer] = cells.as_slice() else { panic!("{row}: it has not six cells") };
        (named == api).then_some(PublishedOperation { of, method, path, name, answer })
    };
    rows.filter_map(read).collect()
}

fn is_name(part: &str) -> bool {
    part.starts_with('{')
}

/// Whether an operation of that template answers a published path: a name stands for any part.
fn answers(template: &str, path: &str) -> bool {
    let (own, asked): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    own.len() == asked.len() && own.iter().zip(&asked).all(|(own, asked)| own == asked || is_name(own))
}

/// Whether two paths are the same but for the names of their parts.
fn is_same(template: &str, path: &str) -> bool {
    answers(template, path)
        && template.split('/').zip(path.split('/')).all(|(own, asked)| is_name(own) == is_name(asked))
}

/// The name under which a document describes an operation; empty where it has another path there, which stands for several.
fn described<'d>(document: &'d Value, prefix: &str, operation: &PublishedOperation) -> Option<&'d str> {
    let method = operation.method.to_ascii_lowercase();
    let mut of_others = None;
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        let below = path.strip_prefix(prefix).unwrap_or_default();
        let Some(id) = methods[method.as_str()]["operationId"].as_str() else { continue };
        if is_same(below, operation.path) {
            return Some(id);
        }
        if answers(below, operation.path) {
            of_others = Some("");
        }
    }
    of_others
}

/// In what the file, the document of an API and the list of what is not served there do not agree.
pub(crate) fn faults(api: &str, prefix: &str, document: &Value, not_served: &[NotServed<'_>]) -> Vec<String> {
    let published = operations(api);
    let mut faults = Vec::new();
    for operation in &published {
        let PublishedOperation { method, path, name, answer, .. } = operation;
        let described = described(document, prefix, operation);
        match described {
            None if *answer == "served" || answer.starts_with("service ") => {
                faults.push(format!("{method} {path} is served, and no document says so"));
            }
            Some(_) if answer.starts_with(|first: char| first.is_ascii_digit()) => {
                faults.push(format!("{method} {path} is described, and not served"));
            }
            Some(id) if !id.is_empty() && id != *name => faults.push(format!("{method} {path} is {name}, not {id}")),
            _ => {}
        }
        let listed = not_served.iter().find(|(known, at, ..)| known == method && at == path);
        match (listed, answer.strip_prefix("503 ")) {
            (None, None) => {}
            (Some((.., listed, words)), Some(answer)) if listed == name && words.starts_with(answer) => {}
            _ => faults.push(format!("{method} {path}: {listed:?} is not {name}, {answer}")),
        }
    }
    for (method, path, ..) in not_served {
        if !published.iter().any(|operation| operation.method == *method && operation.path == *path) {
            faults.push(format!("{method} {path} is not published"));
        }
    }
    faults
}

/// How many operations client libraries have.
pub(crate) fn of_client(api: &str) -> usize {
    operations(api).iter().filter(|operation| operation.of == "client").count()
}

#[test]
fn paths_are_told_apart_by_their_parts() {
    assert!(is_same("/users/{user}", "/users/{dbid}") && !is_same("/users/{user}", "/users/me"));
    assert!(answers("/statistic-definitions/{type}/{object}", "/statistic-definitions/Agent/{object}"));
    assert!(!answers("/users/me", "/users/{dbid}") && !answers("/users", "/users/{dbid}"));
}
