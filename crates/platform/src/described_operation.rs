//! Operations of APIs whose bodies are forms, pages or documents of others' standards: no type of ours has their shape, so that what OpenAPI
//! documents say of them stands in tables.

use contracts::openapi::OpenApi;
use serde_json::{Map, Value, json};

/// A media type, and the name of a shape of the document.
pub(crate) type Content = (&'static str, &'static str);
/// A status, what it means, and what comes with it.
pub(crate) type Answered = (&'static str, &'static str, Option<Content>);
/// The name of a parameter or a member, and what it means.
pub(crate) type Named = (&'static str, &'static str);

/// An operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DescribedOperation {
    /// Written small.
    pub method: &'static str,
    /// The whole path, with its parameters in braces.
    pub path: &'static str,
    /// For generated clients; a document has it once.
    pub id: &'static str,
    pub summary: &'static str,
    /// Parameters of the query; each may be left out.
    pub query: &'static [Named],
    pub body: Option<Content>,
    /// What a request shows, by the names of the document's security schemes: one of them. Without any, nothing is asked for.
    pub proofs: &'static [&'static str],
    /// Its answers, besides those that all operations of the document have.
    pub answers: &'static [Answered],
}

impl DescribedOperation {
    /// A GET for which nothing is asked.
    pub const fn get(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        answers: &'static [Answered],
    ) -> Self {
        Self { method: "get", path, id, summary, query: &[], body: None, proofs: &[], answers }
    }

    /// Another method for which nothing is asked.
    pub const fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// With a body.
    pub const fn taking(self, body: Content) -> Self {
        Self { body: Some(body), ..self }
    }

    /// With parameters of the query.
    pub const fn asking(self, query: &'static [Named]) -> Self {
        Self { query, ..self }
    }

    /// For those who show one of these.
    pub const fn proved_by(self, proofs: &'static [&'static str]) -> Self {
        Self { proofs, ..self }
    }

    fn as_json(&self, common: &[Answered]) -> Value {
        let in_path = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path =
            in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
        let in_query = self.query.iter().map(|(name, meaning)| {
            json!({"name": name, "in": "query", "required": false, "description": meaning, "schema": {"type": "string"}})
        });
        let parameters: Vec<Value> = in_path.chain(in_query).collect();
        let mut responses = Map::new();
        for (status, meaning, content) in self.answers.iter().chain(common) {
            let answered = responses.entry(*status).or_insert_with(|| json!({ "description": meaning }));
            if let Some((media_type, shape)) = content {
                answered["content"][*media_type] = json!({ "schema": shape_of(shape) });
            }
        }
        let security: Vec<Value> = self.proofs.iter().map(|proof| json!({ *proof: [] })).collect();
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": responses,
            "security": security,
        });
        if let Some((media_type, shape)) = self.body {
            let content = json!({ media_type: { "schema": shape_of(shape) } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        operation
    }
}

fn shape_of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The document with these operations, of which each may be answered by what is common to all too. Of two answers with the same status the
/// meaning is that of the first, and either content may come.
pub(crate) fn described(api: OpenApi, operations: &[DescribedOperation], common: &[Answered]) -> OpenApi {
    operations.iter().fold(api, |api, one| api.operation((one.path, one.method), one.as_json(common)))
}

/// The shape of an object of texts; those of `needed` cannot be left out.
pub(crate) fn object_of_texts(members: &[Named], needed: &[&str]) -> Value {
    let members: Map<String, Value> = members
        .iter()
        .map(|(name, meaning)| ((*name).to_owned(), json!({ "type": "string", "description": meaning })))
        .collect();
    json!({ "type": "object", "properties": members, "required": needed })
}

/// What is wrong with operations that stand in a table: an id that is taken, or an answer or a body whose shape the document has not.
#[cfg(test)]
pub(crate) fn faults(document: &Value) -> Vec<String> {
    let (mut ids, mut faults) = (std::collections::BTreeSet::new(), Vec::new());
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            if id.is_empty() || !ids.insert(id.to_owned()) {
                faults.push(format!("{method} {path}: the id {id:?} is none, or is taken"));
            }
            if operation["responses"].as_object().is_none_or(Map::is_empty) {
                faults.push(format!("{method} {path} has no answer"));
            }
            for proof in operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object) {
                let unknown = proof.keys().find(|name| document["components"]["securitySchemes"][*name].is_null());
                faults.extend(unknown.map(|name| format!("{method} {path}: nothing says what {name} is")));
            }
        }
    }
    let text = document.to_string();
    let referred = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    let missing = referred.filter(|name| document["components"]["schemas"][*name].is_null());
    faults.extend(missing.map(|name| format!("there is no shape {name}")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Content = ("application/x-www-form-urlencoded", "Form");
    const PAGE: Content = ("text/html", "Page");
    const PROBLEM: Content = ("application/problem+json", "Problem");

    #[test]
    fn an_operation_says_what_it_takes_and_how_it_answers() {
        const OPERATION: DescribedOperation = DescribedOperation::get(
            "/a/{id}",
            "change",
            "Change it",
            &[("200", "the page", Some(PAGE)), ("303", "on", None)],
        )
        .by("post")
        .taking(FORM)
        .asking(&[("x", "which")])
        .proved_by(&["callerToken"]);
        let api = described(OpenApi::new("A"), &[OPERATION], &[("200", "again", Some(PROBLEM)), ("503", "busy", None)]);
        let api = api.shape("Form", object_of_texts(&[("x", "which")], &["x"])).shape("Page", json!({}));
        let document = api.into_json();
        assert_eq!(faults(&document), Vec::<String>::new());
        let operation = &document["paths"]["/a/{id}"]["post"];
        assert_eq!(
            (&operation["parameters"][0]["in"], &operation["parameters"][1]["name"]),
            (&json!("path"), &json!("x"))
        );
        let responses = operation["responses"].as_object().unwrap();
        assert_eq!(responses.keys().collect::<Vec<_>>(), ["200", "303", "503"]);
        assert_eq!(responses["200"]["description"], "the page");
        assert_eq!(responses["200"]["content"].as_object().map(Map::len), Some(2), "either may come");
        assert!(responses["303"].get("content").is_none());
        let form = &operation["requestBody"]["content"][FORM.0]["schema"]["$ref"];
        assert_eq!(form, "#/components/schemas/Form");
        assert_eq!(document["components"]["schemas"]["Form"]["required"], json!(["x"]));
    }

    #[test]
    fn what_a_document_lacks_is_told() {
        const TWICE: DescribedOperation = DescribedOperation::get("/a", "same", "It", &[("200", "it", Some(PAGE))]);
        const OTHER: DescribedOperation =
            DescribedOperation { path: "/b", proofs: &["nothing"], answers: &[], ..TWICE };
        let told = faults(&described(OpenApi::new("A"), &[TWICE, OTHER], &[]).into_json());
        let has = |part: &str| told.iter().any(|fault| fault.contains(part));
        assert!(has("is taken") && has("no answer") && has("what nothing is") && has("no shape Page"), "{told:?}");
    }
}
