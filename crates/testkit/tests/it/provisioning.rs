//! Single objects of a tenant's configuration: by gRPC on 8888, by the command line, in tables of people; and who has done what.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use prost::Message as _;
use serde_json::{Value, json};
use testkit::facts::{Fact, Watch, bearing, connect, runtime, tenant_role};
use testkit::{Installation, wait};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// A password that is given in clear: it must not come out again.
const PASSWORD: &str = "correct-horse-battery-staple";
const TENANT: &str = "example";
const SOON: Duration = Duration::from_secs(45);

pub(crate) type Client = ProvisioningClient<Channel>;

/// Runs a command of the binary on the site's data.
fn run(site: &Installation, arguments: &[&str]) -> Result<Output> {
    Ok(std::process::Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .env("LOGNAME", "tester")
        .output()?)
}

/// What a command that succeeds prints.
fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = run(site, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The exit code and the message of a command that fails.
fn refusal(site: &Installation, arguments: &[&str]) -> Result<(i32, String)> {
    let output = run(site, arguments)?;
    let code = output.status.code().context("it was killed")?;
    ensure!(code != 0, "{arguments:?} succeeds");
    Ok((code, String::from_utf8(output.stderr)?))
}

pub(crate) fn token(site: &Installation, subject: &str, scopes: &[&str]) -> Result<String> {
    let mut arguments = vec!["token", "--tenant", TENANT, "--sub", subject];
    arguments.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
    Ok(said(site, &arguments)?.trim().to_owned())
}

pub(crate) fn put(kind: &str, id: &str, expected: Option<u64>, json: &str, fields: &[&str]) -> v1::ChangeObject {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    v1::ChangeObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
        expected_revision: expected,
        action: Some(Action::Put(v1::PutObject { json: json.to_owned(), fields })),
    }
}

fn delete(kind: &str, id: &str) -> v1::ChangeObject {
    v1::ChangeObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
        expected_revision: None,
        action: Some(Action::Delete(v1::DeleteObject {})),
    }
}

pub(crate) fn batch(changes: Vec<v1::ChangeObject>) -> v1::ChangeObjectsRequest {
    v1::ChangeObjectsRequest { changes, ..v1::ChangeObjectsRequest::default() }
}

pub(crate) async fn change(
    client: &mut Client,
    token: &str,
    asked: v1::ChangeObjectsRequest,
) -> Result<Result<v1::ChangeObjectsResponse, Status>> {
    Ok(client.change(bearing(asked, token)?).await.map(tonic::Response::into_inner))
}

async fn get(client: &mut Client, token: &str, kind: &str, id: &str) -> Result<v1::StoredObject> {
    let asked = v1::GetObjectRequest { kind: kind.to_owned(), id: id.to_owned(), fields: Vec::new() };
    Ok(client.get(bearing(asked, token)?).await?.into_inner())
}

fn faults(status: &Status) -> Result<Vec<v1::ObjectFault>> {
    let bytes = status.metadata().get_bin("trunkline-faults-bin").context("no faults")?.to_bytes()?;
    Ok(v1::ObjectFaults::decode(bytes)?.faults)
}

fn new_person(user: &str) -> String {
    format!(r#"{{"user_name":"{user}","first_name":"New","last_name":"Person","password":"{PASSWORD}"}}"#)
}

/// Two people who are agents of the example.
async fn two_people(client: &mut Client, token: &str) -> Result<[v1::StoredObject; 2]> {
    let filter = [("skill".to_owned(), "Sales".to_owned())].into();
    let asked = v1::ListObjectsRequest { kinds: vec!["person".to_owned()], filter, page_size: 2, ..Default::default() };
    let page = client.list(bearing(asked, token)?).await?.into_inner();
    ensure!(!page.next_page_token.is_empty(), "the example has more than two of them");
    page.objects.try_into().ok().context("a page of two")
}

#[test]
fn who_edits_one_object_is_in_nobodys_way_but_theirs_who_edit_the_same() -> Result<()> {
    let site = Installation::start()?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let eve = token(&site, "tool/eve", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let channel = connect(tenant_role(&site, 8888)).await?;
        let (mut one, mut two) = (Client::new(channel.clone()), Client::new(channel));
        let [first, second] = two_people(&mut one, &boss).await?;
        // Both at once, each ten times, each on the revision of the own object alone.
        let edits = |mut client: Client, token: String, of: v1::StoredObject| async move {
            let mut revision = of.revision;
            for number in 0..10 {
                let json = format!(r#"{{"last_name":"Edit {number}"}}"#);
                let edit = put("person", &of.id, Some(revision), &json, &["last_name"]);
                revision = change(&mut client, &token, batch(vec![edit])).await??.objects[0].revision;
            }
            anyhow::Ok(())
        };
        let both = tokio::join!(
            edits(one.clone(), boss.clone(), first.clone()),
            edits(two.clone(), eve.clone(), second.clone())
        );
        both.0?;
        both.1?;
        let now = get(&mut two, &eve, "person", &first.id).await?;
        ensure!(now.json.contains("Edit 9") && now.revision > first.revision, "{now:?}");

        let late = put("person", &first.id, Some(first.revision), r#"{"last_name":"Late"}"#, &["last_name"]);
        let stale = change(&mut two, &eve, batch(vec![late])).await?.err().context("it is stale")?;
        ensure!(stale.code() == Code::Aborted, "{stale}");
        let told = faults(&stale)?;
        assert_eq!((told[0].id.as_str(), told[0].present_revision), (first.id.as_str(), Some(now.revision)));
        let again = put("person", &first.id, Some(0), &new_person(&first.id), &[]);
        let there = change(&mut one, &boss, batch(vec![again])).await?.err().context("it is there")?;
        ensure!(there.code() == Code::Aborted && there.message().contains("it exists already"), "{there}");
        anyhow::Ok(())
    })
}

#[test]
fn a_batch_is_all_or_none_and_faults_name_object_field_and_rule() -> Result<()> {
    let site = Installation::start()?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let reader = token(&site, "tool/reader", &["config:read"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(&site, 8888)).await?);
        let wrong = vec![
            put("skill", "Patience", Some(0), r#"{"name":"Patience"}"#, &[]),
            put("person", "new", Some(0), &new_person("new"), &[]),
            put("place", "New", Some(0), r#"{"name":"New","dns":["0000"]}"#, &[]),
        ];
        let refused = change(&mut client, &boss, batch(wrong)).await?.err().context("a place without its DN")?;
        ensure!(refused.code() == Code::InvalidArgument, "{refused}");
        let told = faults(&refused)?;
        assert_eq!((told[0].kind.as_str(), told[0].field.as_str()), ("place", "dns"));
        assert_eq!((told[0].code.as_str(), told[0].values["id"].as_str()), ("unknown", "0000"));
        assert_eq!(get(&mut client, &boss, "skill", "Patience").await.err().map(|_| ()), Some(()));

        let sales = change(&mut client, &boss, batch(vec![delete("skill", "Sales")])).await?;
        let referred = sales.err().context("agents have it")?;
        ensure!(referred.code() == Code::FailedPrecondition, "{referred}");
        let told = faults(&referred)?;
        ensure!(told.iter().all(|fault| fault.kind == "person" && fault.field == "agent.skills.Sales"), "{told:?}");

        let skill = || batch(vec![put("skill", "Patience", None, r#"{"name":"Patience"}"#, &[])]);
        let trial = v1::ChangeObjectsRequest { validate_only: true, ..skill() };
        assert_eq!(change(&mut client, &boss, trial).await??.changed, 1);
        let once = || v1::ChangeObjectsRequest { request_id: "once".to_owned(), ..skill() };
        let first = change(&mut client, &boss, once()).await??;
        let second = change(&mut client, &boss, once()).await??;
        ensure!(first.changed == 1 && !first.repeated_request && second.repeated_request, "{first:?} {second:?}");
        assert_eq!((first.revision, first.objects), (second.revision, second.objects));
        let other = v1::ChangeObjectsRequest { request_id: "once".to_owned(), ..batch(vec![delete("person", "x")]) };
        let reused = change(&mut client, &boss, other).await?.err().context("the key is used")?;
        ensure!(reused.code() == Code::InvalidArgument && reused.message().starts_with("request_id: "), "{reused}");

        let code = |answer: Result<v1::ChangeObjectsResponse, Status>| answer.map(drop).map_err(|status| status.code());
        assert_eq!(code(change(&mut client, &reader, skill()).await?), Err(Code::PermissionDenied));
        let mut foreign = bearing(skill(), &boss)?;
        foreign.metadata_mut().insert("trunkline-tenant", "other".parse()?);
        let foreign = client.change(foreign).await.map(tonic::Response::into_inner);
        assert_eq!(code(foreign), Err(Code::PermissionDenied));
        anyhow::Ok(())
    })
}

#[test]
fn groups_codes_lists_and_attributes_are_objects_as_all_others() -> Result<()> {
    let site = Installation::start()?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(&site, 8888)).await?);
        let all = [
            ("agent_group", "Day", r#"{"name":"Day","agents":["new"],"expression":null,"managers":["ada.adler"]}"#),
            ("agent_group", "Old", r#"{"name":"Old","agents":[],"expression":"Patience >= 5","managers":[]}"#),
            ("action_code", "7", r#"{"code":"7","name":"Dentist","order":null}"#),
            ("list", "Tariffs", r#"{"name":"Tariffs","sections":{"gold":{"a":"1"}}}"#),
            ("business_attribute", "Segment", r#"{"name":"Segment","values":[{"value":"gold"}],"default":"gold"}"#),
            ("place_group", "Row", r#"{"name":"Row","places":["P7101"]}"#),
        ];
        let mut puts = vec![
            put("person", "new", Some(0), &new_person("new"), &[]),
            put("skill", "Patience", Some(0), r#"{"name":"Patience"}"#, &[]),
        ];
        puts.extend(all.iter().map(|(kind, id, json)| put(kind, id, Some(0), json, &[])));
        let made = change(&mut client, &boss, batch(puts)).await??;
        for (kind, id, json) in all {
            let held = get(&mut client, &boss, kind, id).await?;
            let (held, given): (Value, Value) = (serde_json::from_str(&held.json)?, serde_json::from_str(json)?);
            ensure!(given["name"] == held["name"] && given["places"] == held["places"], "{kind}: {held}");
            ensure!(given["sections"] == held["sections"] && given["expression"] == held["expression"], "{held}");
        }

        for (kind, id, by, field) in [
            ("person", "new", "Day", "agents"),
            ("skill", "Patience", "Old", "expression"),
            ("place", "P7101", "Row", "places"),
        ] {
            let refused = change(&mut client, &boss, batch(vec![delete(kind, id)])).await?;
            let refused = refused.err().with_context(|| format!("{by} names {id}"))?;
            ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
            let told = faults(&refused)?;
            ensure!(told.iter().any(|fault| fault.id == by && fault.field == field), "{told:?}");
        }
        let wrong = put("agent_group", "Old", None, r#"{"expression":"Patience >="}"#, &["expression"]);
        let refused = change(&mut client, &boss, batch(vec![wrong])).await?.err().context("it ends early")?;
        let told = faults(&refused)?;
        assert_eq!((told[0].kind.as_str(), told[0].field.as_str()), ("agent_group", "expression"));

        change(&mut client, &boss, batch(vec![delete("agent_group", "Day")])).await??;
        let (kind, id) = ("agent_group".to_owned(), "Day".to_owned());
        let back = v1::RestoreObjectRequest { kind, id, revision: made.revision, ..Default::default() };
        client.restore(bearing(back, &boss)?).await?;
        ensure!(get(&mut client, &boss, "agent_group", "Day").await?.json.contains("ada.adler"));
        anyhow::Ok(())
    })
}

/// An object of each kind that came last, in an order in which each names what is there already.
const FURTHER: [(&str, &str, &str); 10] = [
    ("capacity_rule", "Blended", r#"{"name":"Blended","media":{"voice":1,"chat":3}}"#),
    ("dn_group", "Doors", r#"{"name":"Doors","type":"routing_points","members":[{"dn":"9000","weight":2}]}"#),
    (
        "calling_list",
        "Autumn",
        r#"{"name":"Autumn","fields":[{"name":"p","type":"phone"}],"schedule":"evenings","treatments":[{"result":"busy","action":"retry","after_min":9}]}"#,
    ),
    ("campaign", "Fall", r#"{"name":"Fall","calling_lists":[{"calling_list":"Autumn","weight":1}]}"#),
    (
        "campaign_group",
        "Fall by day",
        r#"{"name":"Fall by day","campaign":"Fall","agent_group":"Callers","mode":"predictive","pacing":"waiting_s","target":20,"route_point":"9000"}"#,
    ),
    (
        "ivr_profile",
        "Menu",
        r#"{"name":"Menu","service_type":"scxml","application":"menu","policies":{"calls_max":5}}"#,
    ),
    (
        "statistic_definition",
        "Calls",
        r#"{"name":"Calls","category":"TotalNumber","subject":"DNAction","objects":["Agent"],"main":["CallInbound"]}"#,
    ),
    ("transaction", "Soon", r#"{"name":"Soon","type":"time_range","sections":{"range":{"to":"20"}}}"#),
    ("switch", "North", r#"{"name":"North","default":false,"access_codes":[{"switch":"Main","code":"8"}]}"#),
    ("agent_login", "Night-1", r#"{"code":"Night-1","person":"ada.adler","wrap_up_s":20,"disabled":false}"#),
];

#[test]
fn objects_of_the_kinds_that_came_last_are_made_read_refused_and_deleted() -> Result<()> {
    let site = Installation::start()?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(&site, 8888)).await?);
        let schedule = r#"{"name":"evenings","time_zone":null,"open":["Mon-Fri 17:00-20:00"],"exceptions":[]}"#;
        let mut puts = vec![
            put("schedule", "evenings", Some(0), schedule, &[]),
            put("agent_group", "Callers", Some(0), r#"{"name":"Callers"}"#, &[]),
        ];
        puts.extend(FURTHER.iter().map(|(kind, id, json)| put(kind, id, Some(0), json, &[])));
        puts.push(put("place", "P7101", None, r#"{"capacity_rule":"Blended"}"#, &["capacity_rule"]));
        puts.push(put(
            "person",
            "ada.adler",
            None,
            r#"{"agent":{"capacity_rule":"Blended"}}"#,
            &["agent.capacity_rule"],
        ));
        puts.push(put("dn", "7101", None, r#"{"switch":"North"}"#, &["switch"]));
        let made = change(&mut client, &boss, batch(puts)).await??;
        for (kind, id, json) in FURTHER {
            let held: Value = serde_json::from_str(&get(&mut client, &boss, kind, id).await?.json)?;
            let given: Value = serde_json::from_str(json)?;
            for (key, value) in given.as_object().context("a document")? {
                // What was left out stands there too.
                let is_held = match (value, &held[key]) {
                    (Value::Object(given), held) => given.iter().all(|(key, value)| held[key] == *value),
                    (given, held) => given == held,
                };
                ensure!(is_held, "{kind}: {key} of {held}");
            }
            let again = put(kind, &id.to_uppercase(), None, &json.replace(id, &id.to_uppercase()), &[]);
            let taken = change(&mut client, &boss, batch(vec![again])).await?.err().context("the name is taken")?;
            ensure!(faults(&taken)?.iter().any(|fault| fault.code == "name_taken"), "{kind}: {taken}");
        }
        ensure!(get(&mut client, &boss, "person", "ada.adler").await?.json.contains("Blended"));
        refuses_what_is_named_and_what_is_wrong(&mut client, &boss).await?;

        let place = put("place", "P7101", None, r#"{"capacity_rule":null}"#, &["capacity_rule"]);
        let agent = put("person", "ada.adler", None, r#"{"agent":{"capacity_rule":null}}"#, &["agent.capacity_rule"]);
        let phone = put("dn", "7101", None, r#"{"switch":null}"#, &["switch"]);
        change(&mut client, &boss, batch(vec![place, agent, phone])).await??;
        let gone: Vec<_> = FURTHER.iter().rev().map(|(kind, id, _)| delete(kind, id)).collect();
        change(&mut client, &boss, batch(gone)).await??;
        for (kind, id, _) in FURTHER {
            ensure!(get(&mut client, &boss, kind, id).await.is_err(), "{kind} {id} is still there");
        }
        let (kind, id) = ("dn_group".to_owned(), "Doors".to_owned());
        let back = v1::RestoreObjectRequest { kind, id, revision: made.revision, ..Default::default() };
        client.restore(bearing(back, &boss)?).await?;
        ensure!(get(&mut client, &boss, "dn_group", "Doors").await?.json.contains("9000"));
        anyhow::Ok(())
    })
}

/// What another object names is not deleted, and each broken rule names its object, field and code.
async fn refuses_what_is_named_and_what_is_wrong(client: &mut Client, boss: &str) -> Result<()> {
    for (kind, id, by, field) in [
        ("capacity_rule", "Blended", "P7101", "capacity_rule"),
        ("capacity_rule", "Blended", "ada.adler", "agent.capacity_rule"),
        ("dn", "9000", "Doors", "members"),
        ("dn", "9000", "Fall by day", "route_point"),
        ("schedule", "evenings", "Autumn", "schedule"),
        ("calling_list", "Autumn", "Fall", "calling_lists"),
        ("campaign", "Fall", "Fall by day", "campaign"),
        ("agent_group", "Callers", "Fall by day", "agent_group"),
        ("application", "menu", "Menu", "application"),
        ("switch", "North", "7101", "switch"),
        ("switch", "Main", "North", "access_codes"),
        ("person", "ada.adler", "Night-1", "person"),
    ] {
        let refused = change(client, boss, batch(vec![delete(kind, id)])).await?;
        let refused = refused.err().with_context(|| format!("{by} names {id}"))?;
        ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
        let told = faults(&refused)?;
        ensure!(told.iter().any(|fault| fault.id == by && fault.field == field), "{id}, {by}: {told:?}");
    }
    for (kind, id, json, field, code) in [
        ("capacity_rule", "Blended", r#"{"media":{}}"#, "media", "needed"),
        ("dn_group", "Doors", r#"{"members":[{"dn":"7101"}]}"#, "members", "dn_type"),
        ("calling_list", "Autumn", r#"{"fields":[]}"#, "fields", "needed"),
        ("campaign", "Fall", r#"{"calling_lists":[{"calling_list":"x"}]}"#, "calling_lists", "unknown"),
        ("campaign_group", "Fall by day", r#"{"mode":"preview"}"#, "mode", "only_with"),
        ("ivr_profile", "Menu", r#"{"application":null}"#, "application", "needed_with"),
        ("statistic_definition", "Calls", r#"{"main":[]}"#, "main", "statistic"),
        ("transaction", "Soon", r#"{"type":"list"}"#, "type", "one_of"),
        ("switch", "North", r#"{"access_codes":[{"switch":"x","code":"8"}]}"#, "access_codes", "unknown"),
        ("switch", "North", r#"{"default":true}"#, "default", "held"),
        ("agent_login", "Night-1", r#"{"person":"nobody"}"#, "person", "unknown"),
    ] {
        let changed = put(kind, id, None, json, &[field]);
        let refused = change(client, boss, batch(vec![changed])).await?;
        let refused = refused.err().with_context(|| format!("{kind} {json}"))?;
        let told = faults(&refused)?;
        ensure!(told.iter().any(|fault| fault.kind == kind && fault.id == id && fault.code == code), "{told:?}");
    }
    Ok(())
}

#[test]
fn an_agent_logs_in_with_a_further_code_until_it_is_blocked() -> Result<()> {
    let site = Installation::start()?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let watch = Watch::start(&site, "0-0")?;
    let mut reference = 0;
    let mut logs_in = || -> Result<Fact> {
        reference += 1;
        site.request(&json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentID": "Night-1", "ReferenceID": reference}))?;
        watch.answer_to(reference, SOON)
    };
    let puts = |json: &str, fields: &[&str]| {
        runtime()?.block_on(async {
            let mut client = Client::new(connect(tenant_role(&site, 8888)).await?);
            change(&mut client, &boss, batch(vec![put("agent_login", "Night-1", None, json, fields)])).await??;
            anyhow::Ok(())
        })
    };
    assert_eq!(logs_in()?.name, "EventError");
    puts(r#"{"code":"Night-1","person":"ada.adler"}"#, &[])?;
    let come = wait::until(SOON, || {
        let answer = logs_in()?;
        Ok((answer.name == "EventAgentLogin").then_some(answer))
    })?;
    assert_eq!(come.frame["AgentID"], "1001", "the person is shown as with the id");
    site.request(&json!({"req": "TAgentLogout", "ThisDN": "7101", "ReferenceID": 1_000}))?;
    assert_eq!(watch.answer_to(1_000, SOON)?.brief(), "AgentLogout@7101");
    puts(r#"{"disabled":true}"#, &["disabled"])?;
    wait::until(SOON, || Ok((logs_in()?.name == "EventError").then_some(())))
}

#[test]
fn history_says_who_did_what_and_no_secret_comes_out() -> Result<()> {
    let mut site = Installation::start_with(&["--set", "process.log=debug"])?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let (answers, made) = runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(&site, 8888)).await?);
        let made =
            change(&mut client, &boss, batch(vec![put("person", "new", Some(0), &new_person("new"), &[])])).await??;
        let renamed = put("person", "new", None, r#"{"last_name":"Renamed"}"#, &["last_name"]);
        change(&mut client, &boss, batch(vec![renamed])).await??;
        let weak = put("person", "new", None, r#"{"password":"new"}"#, &["password"]);
        let weak = change(&mut client, &boss, batch(vec![weak])).await?.err().context("a weak password")?;
        ensure!(faults(&weak)?[0].field == "password", "{weak}");
        let asked = v1::ObjectHistoryRequest { kind: "person".to_owned(), id: "new".to_owned(), ..Default::default() };
        let history = client.history(bearing(asked, &boss)?).await?.into_inner();
        let [second, first] = history.entries.as_slice() else { anyhow::bail!("{history:?}") };
        assert_eq!(
            (second.changed_by.as_str(), second.way.as_str(), second.secrets_changed),
            ("tool/boss", "grpc", false)
        );
        ensure!(first.before.is_empty() && first.secrets_changed && second.after.contains("Renamed"), "{history:?}");
        let shown = get(&mut client, &boss, "person", "new").await?;
        let back = v1::RestoreObjectRequest {
            kind: "person".to_owned(),
            id: "new".to_owned(),
            revision: made.revision,
            expected_revision: Some(shown.revision),
            with_documents: false,
            request_id: "back".to_owned(),
        };
        client.restore(bearing(back.clone(), &boss)?).await?;
        let again = client.restore(bearing(back, &boss)?).await?.into_inner();
        ensure!(again.repeated_request && again.changed == 1, "{again:?}");
        let restored = get(&mut client, &boss, "person", "new").await?;
        ensure!(restored.json.contains("Person") && !restored.json.contains("Renamed"), "{restored:?}");
        anyhow::Ok((format!("{history:?}{shown:?}{restored:?}{weak:?}"), made.revision))
    })?;
    let table = "select changed_by || ' ' || way || ' ' || kind from change_log where id = 'new' order by number";
    let rows = if site.is_on_servers() { site.servers()?.psql(table)? } else { sqlite(&site, table)? };
    assert_eq!(rows.lines().collect::<Vec<_>>(), ["tool/boss grpc person"; 3]);
    // The password outlives the restore, and its hash is where it belongs, and nowhere else.
    let kept = "select count(*) from person where user_name = 'new' and password like '$argon2id$%'";
    let kept = if site.is_on_servers() { site.servers()?.psql(kept)? } else { sqlite(&site, kept)? };
    assert_eq!(kept.trim(), "1");
    let by_hand = said(&site, &["tenant", "history", TENANT, "person", "new", "--json"])?;
    // The log comes by a pipe.
    let says_who = || site.log().iter().any(|line| line.contains("objects of the configuration changed"));
    wait::until(SOON, || Ok(says_who().then_some(()))).context("the log does not say who")?;
    let log = site.log().join("\n");
    for (place, text) in [("answers", &answers), ("command", &by_hand), ("log", &log)] {
        ensure!(!text.contains(PASSWORD) && !text.contains("$argon2id$"), "a secret is in the {place}");
    }
    ensure!(made > 0, "a change has no revision");
    Ok(())
}

fn sqlite(site: &Installation, statement: &str) -> Result<String> {
    let file = site.data_dir().join("configuration.sqlite");
    let output = std::process::Command::new("sqlite3").arg("-readonly").arg(file).arg(statement).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_command_line_plans_applies_deletes_and_restores() -> Result<()> {
    let site = Installation::start()?;
    let folder = site.data_dir().join("exported");
    said(&site, &["tenant", "export", TENANT, &folder.to_string_lossy()])?;
    let file = folder.join("example.yaml").to_string_lossy().into_owned();
    assert_eq!(said(&site, &["tenant", "plan", &file])?, "0 new, 0 changed, 0 deleted\n");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains("skills: [Sales,"), "{text}");
    std::fs::write(&file, text.replace("skills: [Sales,", "skills: [Patience, Sales,"))?;
    let output = run(&site, &["tenant", "plan", &file])?;
    assert_eq!(String::from_utf8(output.stdout)?, "+ skill Patience\n1 new, 0 changed, 0 deleted\n");
    assert_eq!(output.status.code(), Some(11));
    let applied: Value = serde_json::from_str(&said(&site, &["tenant", "apply", &file, "--json"])?)?;
    assert_eq!(applied["changes"][0]["action"], "new");
    assert_eq!(applied["imported"]["put"], 1);
    let revision = applied["imported"]["revision"].to_string();

    said(&site, &["tenant", "delete", TENANT, "skill", "Patience"])?;
    let (code, gone) = refusal(&site, &["tenant", "show", TENANT, "skill", "Patience"])?;
    ensure!(code == 10 && gone.contains("there is no skill Patience"), "{gone}");
    said(&site, &["tenant", "restore", TENANT, "skill", "Patience", &revision])?;
    let shown: Value = serde_json::from_str(&said(&site, &["tenant", "show", TENANT, "skill", "Patience"])?)?;
    assert_eq!(shown["name"], "Patience");
    let (code, used) = refusal(&site, &["tenant", "delete", TENANT, "skill", "Sales"])?;
    ensure!(code == 6 && used.contains("agent.skills.Sales: there is no skill Sales"), "{used}");

    let history = said(&site, &["tenant", "history", TENANT, "skill", "Patience"])?;
    let ways: Vec<&str> = history.lines().filter_map(|line| line.split_once("by ")).map(|(_, by)| by).collect();
    assert_eq!(ways, ["user/tester (command_line)", "user/tester (command_line)", "user/tester (import)"]);
    let listed = said(&site, &["tenant", "list", TENANT, "--kind", "skill", "--json"])?;
    let names: Vec<Value> = listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(names.len(), 4);
    Ok(())
}

async fn restore(
    client: &mut Client,
    token: &str,
    asked: v1::RestoreSnapshotRequest,
) -> Result<Result<v1::RestoreSnapshotResponse, Status>> {
    Ok(client.restore_snapshot(bearing(asked, token)?).await.map(tonic::Response::into_inner))
}

/// What the history says of snapshots, the latest first: the name, the key of the request, and what was done.
async fn noted_snapshots(client: &mut Client, token: &str) -> Result<Vec<String>> {
    let all = client.history(bearing(v1::ObjectHistoryRequest::default(), token)?).await?.into_inner().entries;
    let snapshots = all.iter().filter(|entry| entry.kind == "snapshot");
    let done = |entry: &v1::ObjectHistoryEntry| match (entry.before.is_empty(), entry.after.is_empty()) {
        (_, true) => "removed",
        (true, false) => "made",
        (false, false) => "restored",
    };
    Ok(snapshots.map(|entry| format!("{} {} {}", entry.id, entry.request_id, done(entry))).collect())
}

#[test]
fn a_tenant_is_kept_under_a_name_and_put_back_by_grpc() -> Result<()> {
    let site = Installation::start()?;
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let reader = token(&site, "tool/eve", &["config:read"])?;
    let key = token(&site, "api-key/x", &["config:write"])?;
    runtime()?.block_on(async {
        let mut client = Client::new(connect(tenant_role(&site, 8888)).await?);
        let named = |name: &str| v1::CreateSnapshotRequest { name: name.to_owned(), ..Default::default() };
        let keyed = v1::CreateSnapshotRequest { request_id: "make".to_owned(), ..named("before") };
        let made = client.create_snapshot(bearing(keyed.clone(), &boss)?).await?.into_inner();
        let again = client.create_snapshot(bearing(keyed, &boss)?).await?.into_inner();
        ensure!(again == made, "{again:?}");
        ensure!(made.name == "before" && made.made_by == "tool/boss" && made.revision > 0, "{made:?}");
        for (name, code) in [("before", Code::AlreadyExists), ("be fore", Code::InvalidArgument)] {
            let refused = client.create_snapshot(bearing(named(name), &boss)?).await.err().context("refused")?;
            ensure!(refused.code() == code, "{name}: {refused}");
        }
        let listed = client.list_snapshots(bearing(v1::ListSnapshotsRequest {}, &reader)?).await?.into_inner();
        ensure!(listed.records == [made.clone()], "{listed:?}");

        let skill = put("skill", "Patience", None, r#"{"name":"Patience"}"#, &[]);
        let changed = change(&mut client, &boss, batch(vec![skill])).await??;
        let trial = v1::RestoreSnapshotRequest {
            name: "before".to_owned(),
            validate_only: true,
            with_documents: true,
            ..v1::RestoreSnapshotRequest::default()
        };
        let would = restore(&mut client, &boss, trial.clone()).await??;
        ensure!(would.changed == 1 && would.revision == changed.revision, "{would:?}");
        let one = would.objects.first().context("the skill")?;
        ensure!(one.id == "Patience" && !one.before.is_empty() && one.after.is_empty(), "{one:?}");
        get(&mut client, &boss, "skill", "Patience").await.context("a trial changes nothing")?;

        let wanted = v1::RestoreSnapshotRequest { validate_only: false, request_id: "back".to_owned(), ..trial };
        for (token, asked, code) in [
            (&reader, wanted.clone(), Code::PermissionDenied),
            (&key, wanted.clone(), Code::PermissionDenied),
            (
                &boss,
                v1::RestoreSnapshotRequest { expected_revision: Some(made.revision), ..wanted.clone() },
                Code::Aborted,
            ),
            (&boss, v1::RestoreSnapshotRequest { name: "nothing".to_owned(), ..wanted.clone() }, Code::NotFound),
        ] {
            let refused = restore(&mut client, token, asked).await?.err().context("it is refused")?;
            ensure!(refused.code() == code, "{code:?}: {refused}");
        }
        let done = restore(&mut client, &boss, wanted.clone()).await??;
        ensure!(done.changed == 1 && done.revision > changed.revision, "{done:?}");
        ensure!(get(&mut client, &boss, "skill", "Patience").await.is_err(), "it is gone again");
        let again = restore(&mut client, &boss, wanted.clone()).await??;
        ensure!(again.repeated_request && again.revision == done.revision && again.changed == 1, "{again:?}");
        let other = v1::RestoreSnapshotRequest { name: "another".to_owned(), ..wanted.clone() };
        let refused = restore(&mut client, &boss, other).await?.err().context("the key is that of another restore")?;
        ensure!(refused.code() == Code::InvalidArgument, "{refused}");
        let anew = v1::RestoreSnapshotRequest { request_id: String::new(), ..wanted.clone() };
        ensure!(restore(&mut client, &boss, anew).await??.changed == 0, "a second time there is nothing to change");
        let history = v1::ObjectHistoryRequest {
            kind: "skill".to_owned(),
            id: "Patience".to_owned(),
            ..v1::ObjectHistoryRequest::default()
        };
        let history = client.history(bearing(history, &boss)?).await?.into_inner();
        let latest = history.entries.first().context("an entry")?;
        ensure!(latest.way == "snapshot" && latest.changed_by == "tool/boss", "{latest:?}");

        let delete = || v1::DeleteSnapshotRequest { name: "before".to_owned(), ..Default::default() };
        for _ in 0..2 {
            let keyed = v1::DeleteSnapshotRequest { request_id: "away".to_owned(), ..delete() };
            client.delete_snapshot(bearing(keyed, &boss)?).await?;
        }
        let gone = client.delete_snapshot(bearing(delete(), &boss)?).await.err().context("it is gone")?;
        ensure!(gone.code() == Code::NotFound, "{gone}");
        let again = restore(&mut client, &boss, wanted).await??;
        ensure!(again.repeated_request && again.revision == done.revision, "{again:?}");
        let noted = noted_snapshots(&mut client, &boss).await?;
        ensure!(noted == ["before away removed", "before back restored", "before make made"], "{noted:?}");
        anyhow::Ok(())
    })
}

#[test]
fn a_table_of_people_is_imported_whole_or_every_faulty_line_is_named() -> Result<()> {
    let site = Installation::start()?;
    let exported = said(&site, &["tenant", "people", "export", TENANT])?;
    let file = site.data_dir().join("people.csv");
    let path = file.to_string_lossy().into_owned();
    std::fs::write(&file, &exported)?;
    let unchanged: Value = serde_json::from_str(&said(&site, &["tenant", "people", "import", TENANT, &path])?)?;
    assert_eq!(unchanged["changed"], 0, "what is exported is what is there");

    std::fs::write(
        &file,
        "user_name,first_name,last_name,disabled,agent_id,skills\n\
         new.one,New,One,,n1,Sales=5\n\
         new.two,New,Two,perhaps,n2,\n\
         new.three,New,Three,,n1,Patience=5\n",
    )?;
    let (code, told) = refusal(&site, &["tenant", "people", "import", TENANT, &path])?;
    assert_eq!(code, 6);
    for line in [
        "line 3, column disabled: it is true or false",
        "line 4, column agent_id: new.one has the id n1 already",
        "line 4, column skills: there is no skill Patience",
    ] {
        ensure!(told.contains(line), "{line} is not in\n{told}");
    }
    ensure!(!said(&site, &["tenant", "people", "export", TENANT])?.contains("new.one"), "all or none");

    let good = format!("user_name;first_name;last_name;password;agent_id\nnew.one;New;One;{PASSWORD};n1\n");
    std::fs::write(&file, good)?;
    let trial: Value =
        serde_json::from_str(&said(&site, &["tenant", "people", "import", TENANT, &path, "--dry-run"])?)?;
    assert_eq!(trial["changed"], 1);
    ensure!(refusal(&site, &["tenant", "show", TENANT, "person", "new.one"])?.0 == 10, "a trial changes nothing");
    said(&site, &["tenant", "people", "import", TENANT, &path])?;
    let shown = said(&site, &["tenant", "show", TENANT, "person", "new.one"])?;
    ensure!(shown.contains("\"n1\"") && !shown.contains(PASSWORD) && !shown.contains("argon2"), "{shown}");
    Ok(())
}
