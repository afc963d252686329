//! What the OpenAPI documents of the published APIs have in common.

use serde_json::{Map, Value, json};

use crate::session_cookie::ServiceCookie;

/// The document of an API, without its operations.
pub(crate) struct ApiFrame {
    /// What it is called, behind the name of the product.
    pub title: &'static str,
    /// What its paths begin with.
    pub path: &'static str,
    /// The cookie of its sessions.
    pub cookie: ServiceCookie,
    /// Which token is wanted, and what for.
    pub token: String,
    /// What a request shows: of `session`, `callerToken`, or both.
    pub security: Value,
    /// The shapes to which operations refer.
    pub schemas: Value,
}

impl ApiFrame {
    /// The document with these operations: each with its method, and its path below that of the API.
    pub(crate) fn document(self, operations: impl IntoIterator<Item = (&'static str, &'static str, Value)>) -> Value {
        let mut paths = Map::new();
        for (method, path, operation) in operations {
            let methods = paths.entry(format!("{}{path}", self.path)).or_insert_with(|| json!({}));
            methods[method] = operation;
        }
        let session = json!({"type": "apiKey", "in": "cookie", "name": self.cookie.name()});
        let token = json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": self.token});
        json!({
            "openapi": "3.1.0",
            "info": {"title": format!("Trunkline: {}", self.title), "version": env!("CARGO_PKG_VERSION")},
            "security": [self.security],
            "paths": paths,
            "components": {"securitySchemes": {"session": session, "callerToken": token}, "schemas": self.schemas},
        })
    }
}

/// An operation with the parameters of its path and its answers, each by HTTP status with its meaning.
pub(crate) fn operation(path: &str, id: &str, summary: &str, responses: &[(&str, &str)]) -> Value {
    let parameters: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": text()}))
        .collect();
    let responses: Map<String, Value> =
        responses.iter().map(|(status, meaning)| ((*status).to_owned(), answered(meaning))).collect();
    json!({"operationId": id, "summary": summary, "parameters": parameters, "responses": responses})
}

/// An answer in the API's envelope, which the document calls `Answer`.
pub(crate) fn answered(meaning: &str) -> Value {
    json!({"description": meaning, "content": content(&json!({"$ref": "#/components/schemas/Answer"}))})
}

/// A body of JSON of that shape.
pub(crate) fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

/// A text.
pub(crate) fn text() -> Value {
    json!({"type": "string"})
}

/// Ids that stand more than once.
#[cfg(test)]
pub(crate) fn repeated<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    ids.filter(|id| !seen.insert(*id)).collect()
}
