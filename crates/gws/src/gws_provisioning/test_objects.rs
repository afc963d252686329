//! A configuration for tests.

use std::sync::Mutex;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::requester::RequesterGrant;
use serde_json::{Value, json};

use super::configuration_client::{ConfigurationSide, Told};
use super::found_object::FoundObject;
use super::remembered_numbers::RememberedNumbers;
use super::requesting_person::RequestingPerson;
use crate::sessions::answers::ApiRefusal;

/// A configuration that has these objects and notes what was posted.
#[derive(Default)]
pub(super) struct KnownObjects {
    /// The answers, by what is asked for; a question goes on behind `?`.
    pub answers: Vec<(&'static str, Value)>,
    /// What was posted.
    pub posted: Mutex<Vec<(String, Value)>>,
    /// Numbers of people that are remembered.
    pub numbers: Option<RememberedNumbers>,
}

impl ConfigurationSide for KnownObjects {
    fn get(&self, _: &RequestingPerson, below: &str) -> BoxFuture<'static, Told<Value>> {
        let path = below.split('?').next().unwrap_or_default();
        let known = self.answers.iter().find(|(asked, _)| *asked == path || *asked == below);
        let told = known.map(|(_, answer)| answer.clone());
        let told = told.ok_or_else(|| ApiRefusal::not_found(format!("there is no {below}")));
        futures::future::ready(told).boxed()
    }

    fn numbers(&self) -> Option<&RememberedNumbers> {
        self.numbers.as_ref()
    }

    fn post(&self, _: &RequestingPerson, below: &str, body: &Value) -> BoxFuture<'static, Told<Value>> {
        self.posted.lock().unwrap().push((below.to_owned(), body.clone()));
        let changes = body["changes"].as_array().cloned().unwrap_or_default();
        let objects: Vec<Value> =
            changes.iter().map(|one| json!({"kind": one["kind"], "id": one["id"], "dbid": 7})).collect();
        futures::future::ready(Ok(json!({ "objects": objects, "rows": 1, "faults": [] }))).boxed()
    }
}

/// Somebody of acme.
pub(super) fn ada() -> RequestingPerson {
    let tenant = TenantId::parse("acme").unwrap();
    RequestingPerson { tenant, subject: "person/ada".to_owned(), grant: RequesterGrant::default(), client: None }
}

/// Somebody who takes calls.
pub(super) fn ann() -> FoundObject {
    FoundObject {
        kind: "person".to_owned(),
        id: "ann".to_owned(),
        number: 17,
        revision: 3,
        document: json!({
            "user_name": "ann", "first_name": "Ann", "last_name": "Adams", "email": null, "disabled": false,
            "privileges": ["agent"], "user_properties": {"provisioning": {"callRecording": "true"}},
            "agent": {
                "id": "1001", "login_code": "1001", "default_place": "P1", "wrap_up_s": 5, "capacity_rule": null,
                "skills": [{"skill": "French", "level": 4}],
            },
        }),
    }
}
