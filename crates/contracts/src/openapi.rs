//! OpenAPI documents (3.1) of what roles answer over HTTP. The schemas come from the types that are serialised, so answers and document
//! cannot differ.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

/// A document under construction.
pub struct OpenApi {
    title: &'static str,
    schemas: SchemaGenerator,
    paths: Map<String, Json>,
    refusals: &'static [(&'static str, &'static str)],
    problem_members: Map<String, Json>,
    shapes: Map<String, Json>,
    proofs: Map<String, Json>,
}

/// What is read by a GET.
#[derive(Clone, Copy, Debug)]
pub struct Get {
    /// The path; its parameters in braces.
    pub path: &'static str,
    /// The name of the operation, for generated clients.
    pub id: &'static str,
    /// What it answers, in a line.
    pub summary: &'static str,
    /// The scope that it needs.
    pub scope: &'static str,
    /// Parameters of the query: name, JSON type and meaning.
    pub query: &'static [(&'static str, &'static str, &'static str)],
}

/// The method of a request with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST: answers 201 or 202.
    Post,
    /// PUT.
    Put,
}

/// A kind of server-sent event: its name and the schema of its data.
pub type EventSchema = (&'static str, fn(&mut SchemaGenerator) -> Schema);

impl OpenApi {
    /// A document without paths.
    pub fn new(title: &'static str) -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.meta_schema = None;
            settings.definitions_path = "/components/schemas".into();
        });
        Self {
            title,
            schemas: settings.into_generator(),
            paths: Map::new(),
            refusals: &[],
            problem_members: Map::new(),
            shapes: Map::new(),
            proofs: Map::new(),
        }
    }

    /// Says with which further statuses every operation may refuse, and what each means.
    #[must_use]
    pub fn refusing(self, refusals: &'static [(&'static str, &'static str)]) -> Self {
        Self { refusals, ..self }
    }

    /// Says with which further status an operation that is there may refuse, and what that means. The method is written small.
    #[must_use]
    pub fn refusal(mut self, (path, method): (&str, &str), status: &str, meaning: &str) -> Self {
        if let Some(operation) = self.paths.get_mut(path).and_then(|methods| methods.get_mut(method)) {
            operation["responses"][status] = problem(meaning);
        }
        self
    }

    /// Says that the answers of a GET that is there have a version, and that a request which names it spares one (RFC 9110 section 13.1.2).
    #[must_use]
    pub fn versioned(mut self, get: &Get) -> Self {
        let Some(operation) = self.paths.get_mut(get.path).and_then(|methods| methods.get_mut("get")) else {
            return self;
        };
        let text = json!({"type": "string"});
        let headers = json!({"ETag": {"description": "the version", "schema": text}});
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            let meaning = "versions that the caller has already: 304 if the present one is among them";
            parameters.push(json!({
                "name": "If-None-Match", "in": "header", "required": false, "description": meaning, "schema": text,
            }));
        }
        operation["responses"]["200"]["headers"] = headers.clone();
        operation["responses"]["304"] = json!({"description": "the caller has it already", "headers": headers});
        self
    }

    /// Adds a member that problems may have besides (RFC 9457 section 3.2).
    #[must_use]
    pub fn problem_member<T: JsonSchema>(mut self, name: &str, meaning: &str) -> Self {
        let mut schema = self.schemas.subschema_for::<T>();
        schema.insert("description".to_owned(), meaning.into());
        self.problem_members.insert(name.to_owned(), schema.to_value());
        self
    }

    /// Adds a JSON document.
    #[must_use]
    pub fn document<T: JsonSchema>(mut self, get: &Get) -> Self {
        let schema = self.schemas.subschema_for::<T>();
        self.path(get, &json!({"application/json": {"schema": schema}}))
    }

    /// Adds a stream of server-sent events. The schema is that of one event, whose fields are those of an object: so OpenAPI 3.2 has it as
    /// `itemSchema`, and so tools read `schema` in 3.1, which has no words for the items of a stream.
    #[must_use]
    pub fn stream(mut self, get: &Get, events: &[EventSchema]) -> Self {
        let kinds: Vec<Json> =
            events.iter().map(|(name, schema)| event_schema(name, &schema(&mut self.schemas).to_value())).collect();
        let event = json!({"description": "one event of the stream", "oneOf": kinds});
        self.path(get, &json!({"text/event-stream": {"schema": event}}))
    }

    /// Adds a text of that media type.
    #[must_use]
    pub fn text(self, get: &Get, media_type: &str) -> Self {
        self.path(get, &json!({media_type: {"schema": {"type": "string"}}}))
    }

    /// Says that the answer of a GET that is there comes as a text of that media type too.
    #[must_use]
    pub fn also_text(mut self, get: &Get, media_type: &str) -> Self {
        if let Some(operation) = self.paths.get_mut(get.path).and_then(|methods| methods.get_mut("get")) {
            operation["responses"]["200"]["content"][media_type] = json!({"schema": {"type": "string"}});
        }
        self
    }

    /// Adds an operation whose description is whole already. The method is written small.
    #[must_use]
    pub fn operation(mut self, (path, method): (&str, &str), operation: Json) -> Self {
        let methods = self.paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        methods[method] = operation;
        self
    }

    /// Adds a shape to which such operations refer by its name.
    #[must_use]
    pub fn shape(mut self, name: &str, schema: Json) -> Self {
        self.shapes.insert(name.to_owned(), schema);
        self
    }

    /// Adds a way besides the caller token by which somebody proves to be who asks (a security scheme).
    #[must_use]
    pub fn proof(mut self, name: &str, scheme: Json) -> Self {
        self.proofs.insert(name.to_owned(), scheme);
        self
    }

    /// Adds a POST of a text of that media type with a JSON answer.
    #[must_use]
    pub fn posted_text<A: JsonSchema>(mut self, request: &Get, media_type: &str) -> Self {
        let answered = self.schemas.subschema_for::<A>();
        let mut operation = operation(request, &json!({"application/json": {"schema": answered}}));
        let content = json!({media_type: {"schema": {"type": "string"}}});
        operation["requestBody"] = json!({"required": true, "content": content});
        self.add(request.path, "post", operation)
    }

    /// Adds a request with a JSON body and a JSON answer.
    #[must_use]
    pub fn body<B: JsonSchema, A: JsonSchema>(mut self, method: Method, request: &Get) -> Self {
        let sent = self.schemas.subschema_for::<B>();
        let answered = self.schemas.subschema_for::<A>();
        let mut operation = operation(request, &json!({"application/json": {"schema": answered}}));
        operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": sent}}});
        operation["responses"]["413"] = problem("the body is too large");
        operation["responses"]["415"] = problem("the body is not JSON, or does not say so by Content-Type");
        operation["responses"]["422"] = problem("a field has a fault, which the problem names");
        if method == Method::Post
            && let Some(responses) = operation["responses"].as_object_mut()
            && let Some(answer) = responses.shift_remove("200")
        {
            // 201 or 202.
            responses.shift_insert(0, "2XX".to_owned(), answer);
        }
        self.add(request.path, if method == Method::Post { "post" } else { "put" }, operation)
    }

    /// Adds a DELETE without an answer's body.
    #[must_use]
    pub fn removal(self, request: &Get) -> Self {
        let mut operation = operation(request, &json!({}));
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.shift_remove("200");
            responses.shift_insert(0, "204".to_owned(), json!({"description": "it is removed"}));
        }
        self.add(request.path, "delete", operation)
    }

    /// The document.
    pub fn into_json(mut self) -> Json {
        let mut schemas = self.schemas.take_definitions(true);
        let mut problems = problem_schema();
        if let Some(members) = problems["properties"].as_object_mut() {
            members.extend(self.problem_members);
        }
        schemas.insert("Problem".into(), problems);
        schemas.extend(self.shapes);
        let mut proofs = security_schemes();
        if let Some(known) = proofs.as_object_mut() {
            known.extend(self.proofs);
        }
        json!({
            "openapi": "3.1.0",
            "info": info(self.title),
            "security": [{"callerToken": []}],
            "paths": self.paths,
            "components": {"securitySchemes": proofs, "schemas": schemas},
        })
    }

    fn path(self, get: &Get, content: &Json) -> Self {
        self.add(get.path, "get", operation(get, content))
    }

    fn add(mut self, path: &str, method: &str, mut operation: Json) -> Self {
        for (status, meaning) in self.refusals {
            operation["responses"][*status] = problem(meaning);
        }
        let methods = self.paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        methods[method] = operation;
        self
    }
}

/// An operation, as a GET has it.
fn operation(get: &Get, content: &Json) -> Json {
    let in_path = get.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = get.query.iter().map(|(name, kind, meaning)| {
            json!({"name": name, "in": "query", "required": false, "description": meaning, "schema": {"type": kind}})
        });
    let parameters: Vec<Json> = in_path.chain(in_query).collect();
    let answer = json!({"description": get.summary, "content": content});
    json!({
        "operationId": get.id,
        "summary": get.summary,
        "description": format!("Needs the scope `{}`.", get.scope),
        "parameters": parameters,
        "responses": {
            "200": answer,
            "400": problem("the request cannot be read: its path, its query or its body"),
            "401": problem("no valid token"),
            "403": problem("another tenant, or a missing scope"),
            "404": problem("it does not exist"),
            "429": problem("this tenant or caller has used its share: repeat after Retry-After"),
            "503": problem("not ready yet, or too many requests are in progress: repeat after Retry-After"),
        },
    })
}

/// A server-sent event of that name (WHATWG HTML, section 9.2). Its data are a text, and the text is JSON.
fn event_schema(name: &str, data: &Json) -> Json {
    json!({
        "type": "object",
        "properties": {
            "event": {"type": "string", "const": name},
            "id": {"type": "string", "description": "the position, where the event has one"},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
        },
        "required": ["event", "data"],
    })
}

/// The head of a document.
pub(crate) fn info(title: &str) -> Json {
    json!({"title": title, "version": "v1", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}})
}

/// Every API takes a caller token.
pub(crate) fn security_schemes() -> Json {
    json!({"callerToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}})
}

/// A response that is a problem.
pub(crate) fn problem(meaning: &str) -> Json {
    let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    json!({"description": meaning, "content": content})
}

/// A problem (RFC 9457); where it refuses a request, with the published error number.
pub(crate) fn problem_schema() -> Json {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {
            "type": text, "title": text, "detail": text,
            "status": {"type": "integer"},
            "code": {"type": "integer", "description": "the published error number"},
        },
        "required": ["type", "title", "status"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "its schema alone is read")]
    struct Row {
        /// How many.
        count: u64,
        since: Option<u64>,
    }

    #[test]
    fn a_document_has_the_fields_of_its_type_and_the_parameters_of_its_path() {
        let get = Get {
            path: "/api/{tenant}/rows",
            id: "rows",
            summary: "The rows",
            scope: "rows:read",
            query: &[("limit", "integer", "at most so many")],
        };
        let document = OpenApi::new("Rows").document::<Row>(&get).into_json();
        let operation = &document["paths"]["/api/{tenant}/rows"]["get"];
        assert_eq!(operation["parameters"][0]["name"], "tenant");
        assert_eq!(operation["parameters"][1]["in"], "query");
        let content = &operation["responses"]["200"]["content"]["application/json"];
        assert_eq!(content["schema"]["$ref"], "#/components/schemas/Row");
        let row = &document["components"]["schemas"]["Row"];
        assert_eq!(row["required"], json!(["count", "since"]));
        assert_eq!(row["properties"]["count"]["description"], "How many.");
        assert_eq!(row["properties"]["since"]["type"], json!(["integer", "null"]));
    }

    #[test]
    fn a_stream_has_the_schema_of_each_of_its_events() {
        let get = Get { path: "/rows", id: "rows", summary: "The rows", scope: "rows:read", query: &[] };
        let events: [EventSchema; 2] =
            [("row", |schemas| schemas.subschema_for::<Row>()), ("end", |schemas| schemas.subschema_for::<u64>())];
        let document = OpenApi::new("Rows").stream(&get, &events).into_json();
        let content = &document["paths"]["/rows"]["get"]["responses"]["200"]["content"]["text/event-stream"];
        let kinds = content["schema"]["oneOf"].as_array().unwrap();
        let names: Vec<&Json> = kinds.iter().map(|kind| &kind["properties"]["event"]["const"]).collect();
        assert_eq!(names, ["row", "end"]);
        let data = &kinds[0]["properties"]["data"];
        assert_eq!((&data["type"], &data["contentMediaType"]), (&json!("string"), &json!("application/json")));
        assert_eq!(data["contentSchema"]["$ref"], "#/components/schemas/Row");
        assert_eq!(kinds[0]["required"], json!(["event", "data"]));
        assert!(document["components"]["schemas"]["Row"].is_object(), "what they refer to is there");
    }

    #[test]
    fn further_refusals_and_members_of_problems_are_told() {
        let get = Get { path: "/rows", id: "rows", summary: "The rows", scope: "rows:read", query: &[] };
        let api = OpenApi::new("Rows").refusing(&[("409", "it has changed")]);
        let document = api.problem_member::<Option<u64>>("revision", "which it is").document::<Row>(&get).into_json();
        let refused = &document["paths"]["/rows"]["get"]["responses"]["409"];
        assert_eq!(refused["description"], "it has changed");
        let problem = &document["components"]["schemas"]["Problem"];
        assert_eq!(problem["properties"]["revision"]["description"], "which it is");
        assert_eq!(problem["required"], json!(["type", "title", "status"]));
    }

    #[test]
    fn an_answer_with_a_version_is_told_with_what_spares_it() {
        let rows = Get { path: "/rows", id: "rows", summary: "The rows", scope: "rows:read", query: &[] };
        let other = Get { path: "/other", ..rows };
        let api = OpenApi::new("Rows").document::<Row>(&rows).document::<Row>(&other);
        let document = api.versioned(&rows).into_json();
        let operation = &document["paths"]["/rows"]["get"];
        assert_eq!(
            (&operation["parameters"][0]["name"], &operation["parameters"][0]["in"]),
            (&json!("If-None-Match"), &json!("header"))
        );
        let responses = &operation["responses"];
        assert!(responses["200"]["headers"]["ETag"].is_object() && responses["304"].get("content").is_none());
        assert!(document["paths"]["/other"]["get"]["responses"].get("304").is_none());
    }

    #[test]
    fn an_operation_that_is_described_elsewhere_stands_beside_the_others_with_its_shape_and_its_proof() {
        let rows = Get { path: "/rows", id: "rows", summary: "The rows", scope: "rows:read", query: &[] };
        let api = OpenApi::new("Rows").document::<Row>(&rows).also_text(&rows, "text/csv");
        let api = api.operation(("/rows", "post"), json!({"operationId": "addRow"}));
        let document =
            api.shape("Form", json!({"type": "object"})).proof("client", json!({"type": "http"})).into_json();
        let methods = &document["paths"]["/rows"];
        assert_eq!(
            (&methods["get"]["operationId"], &methods["post"]["operationId"]),
            (&json!("rows"), &json!("addRow"))
        );
        let contents = methods["get"]["responses"]["200"]["content"].as_object().unwrap();
        assert_eq!(contents.keys().collect::<Vec<_>>(), ["application/json", "text/csv"]);
        let components = &document["components"];
        assert!(components["schemas"]["Form"].is_object() && components["schemas"]["Problem"].is_object());
        let proofs = &components["securitySchemes"];
        assert!(proofs["callerToken"].is_object() && proofs["client"].is_object());
    }

    #[test]
    fn an_operation_has_refusals_of_its_own() {
        let rows = Get { path: "/rows", id: "rows", summary: "The rows", scope: "rows:read", query: &[] };
        let other = Get { path: "/other", ..rows };
        let api = OpenApi::new("Rows").document::<Row>(&rows).document::<Row>(&other);
        let document = api.refusal((rows.path, "get"), "409", "there are too many").into_json();
        assert_eq!(document["paths"]["/rows"]["get"]["responses"]["409"]["description"], "there are too many");
        assert!(document["paths"]["/other"]["get"]["responses"].get("409").is_none());
    }
}
