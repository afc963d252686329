//! When people work: the service `Schedules`.

use std::collections::HashSet;

use contracts::provisioning::{AgentGroup, Object, ObjectKey, ObjectKind, folded_name};
use contracts::v1;
use contracts::v1::schedules_server::Schedules;
use infra::{ChangeNote, StoreError, StoredShift};
use model::{TenantId, Timestamp};
use routing::SkillExpression;
use tonic::{Request, Response, Status};

use super::persons::person;
use super::refusals::{ends, unread};
use super::{LINES_MAX, ObjectServer};
use crate::objects::{CallerRights, IndexedTenant};
use crate::shifts::{
    self, KnownNames, NO_ZONE, PlannedDays, SPAN_DAYS_MAX, Shift, ShiftFault, ShiftTable, TABLE_BYTES_MAX, TableFormat,
    TableTaken,
};

/// The most people whose shifts are read at once: a supervisor looks after fewer.
const PEOPLE_MAX: usize = 500;
/// The most shifts of an answer: those of as many people for ten days.
const READ_MAX: usize = 5_000;
/// The longest name of a time zone, in bytes.
const ZONE_BYTES_MAX: usize = 64;

#[tonic::async_trait]
impl Schedules for ObjectServer {
    async fn import_shifts(
        &self,
        request: Request<v1::ImportShiftsRequest>,
    ) -> Result<Response<v1::ImportShiftsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, "")?;
        self.needs_unlimited(&tenant, person(&request)?, "shifts").await?;
        let asked = request.into_inner();
        let format = TableFormat::parse(&asked.format);
        let format = format.ok_or_else(|| Status::invalid_argument("format: it must be csv or json"))?;
        if asked.table.len() > TABLE_BYTES_MAX {
            return Err(Status::invalid_argument(format!("table: it has more than {TABLE_BYTES_MAX} bytes")));
        }
        at_most_people(&asked.people)?;
        let _turn = self.batches.take(&tenant).await.ok_or_else(ends)?;
        let (zone, names) = self.readable(&tenant).await?.look(known).await.ok_or_else(ends)?;
        let zone = Some(asked.zone.clone()).filter(|zone| !zone.is_empty()).unwrap_or(zone);
        if zone.len() > ZONE_BYTES_MAX {
            return Err(Status::invalid_argument("zone: there is no such time zone"));
        }
        let days = PlannedDays::of(&asked.from, &asked.to, &zone).map_err(Status::invalid_argument)?;
        let v1::ImportShiftsRequest { table: text, people, validate_only: is_trial, .. } = asked;
        let table = ShiftTable { text, format, days, people, names, is_trial };
        let answer = self.shifts_replaced(&tenant, table, &note).await?;
        if !is_trial && answer.faults.is_empty() {
            let v1::ImportShiftsResponse { added, changed, removed, .. } = answer;
            tracing::info!(%tenant, by = note.by, added, changed, removed, "a table of shifts was imported");
        }
        Ok(Response::new(answer))
    }

    async fn read_shifts(
        &self,
        request: Request<v1::ReadShiftsRequest>,
    ) -> Result<Response<v1::ReadShiftsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let asker = person(&request)?;
        let v1::ReadShiftsRequest { mut people, from_ms, to_ms } = request.into_inner();
        at_most_people(&people)?;
        let (from, to) = span(from_ms, to_ms)?;
        if let Some(user) = asker {
            if people.is_empty() {
                people.push(user.clone());
            }
            people = self.shown_shifts(&tenant, user, people).await?;
            if people.is_empty() {
                return Ok(Response::new(v1::ReadShiftsResponse::default()));
            }
        }
        let found = self.shifts.shifts_of(&tenant, &people, (from, to), READ_MAX + 1).await.map_err(unread)?;
        let more = found.len() > READ_MAX;
        let shifts = readable(&tenant, found.into_iter().take(READ_MAX));
        Ok(Response::new(v1::ReadShiftsResponse { shifts, more }))
    }
}

impl ObjectServer {
    /// Reads a table, and puts its shifts in the place of those of its days.
    async fn shifts_replaced(
        &self,
        tenant: &TenantId,
        table: ShiftTable,
        note: &ChangeNote,
    ) -> Result<v1::ImportShiftsResponse, Status> {
        // Nobody waits for a large table but who has sent it.
        let reading = tokio::task::spawn_blocking(move || {
            let read = table.shifts();
            (table, read)
        });
        let (table, (count, shifts)) = reading.await.map_err(|_| ends())?;
        let shifts = match shifts {
            Ok(shifts) => shifts,
            Err(faults) => return Ok(faulty(count, faults)),
        };
        match table.put(&*self.shifts, tenant, shifts, note).await.map_err(unwritten)? {
            TableTaken::Replaced(counts) => Ok(v1::ImportShiftsResponse {
                shifts: u32::try_from(count).unwrap_or(u32::MAX),
                added: counts.added,
                changed: counts.changed,
                removed: counts.removed,
                unchanged: counts.unchanged,
                ..Default::default()
            }),
            TableTaken::Faulty(faults) => Ok(faulty(count, faults)),
            TableTaken::TooMany => {
                let most = infra::bounds::SHIFTS_OF_TENANT_MAX;
                Err(Status::resource_exhausted(format!("the tenant would have more than {most} shifts")))
            }
        }
    }

    /// Those of these people whose shifts a person sees; or the refusal of one whose are not shown, who may be there or not.
    async fn shown_shifts(&self, tenant: &TenantId, user: String, people: Vec<String>) -> Result<Vec<String>, Status> {
        let asker = user.clone();
        let shown = move |held: &IndexedTenant, rights: &CallerRights| shown_people(held, rights, &asker, people);
        self.look_as(tenant, user, shown)
            .await?
            .map_err(|name| Status::permission_denied(format!("people: the shifts of {name:.64} are not shown to you")))
    }
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn at_most_people(people: &[String]) -> Result<(), Status> {
    if people.len() > PEOPLE_MAX {
        return Err(Status::invalid_argument(format!("people: there are more than {PEOPLE_MAX}")));
    }
    Ok(())
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn span(from_ms: u64, to_ms: u64) -> Result<(Timestamp, Timestamp), Status> {
    let most = u64::try_from(SPAN_DAYS_MAX).unwrap_or_default() * 86_400_000;
    if to_ms.checked_sub(from_ms).is_none_or(|length| length > most) {
        return Err(Status::invalid_argument(format!("to_ms: it must be at most {SPAN_DAYS_MAX} days after from_ms")));
    }
    Ok((Timestamp::from_millis(from_ms), Timestamp::from_millis(to_ms)))
}

/// A person may have gone since the table was read: then nothing was replaced.
fn unwritten(error: StoreError) -> Status {
    match error {
        StoreError::Invalid(reason) => Status::failed_precondition(format!("nothing was replaced: {reason}")),
        error => unread(error),
    }
}

/// The tenant's time zone, and the names that its shifts may have.
fn known(held: &IndexedTenant) -> (String, KnownNames) {
    let users = held.people().map(|person| person.user_name.as_str());
    let reasons = held.of_kind(ObjectKind::ActionCode).filter_map(|(_, object)| match &**object {
        Object::ActionCode(code) => Some(code),
        _ => None,
    });
    let zone = held.of_kind(ObjectKind::Tenant).find_map(|(_, object)| match &**object {
        Object::Tenant(tenant) => tenant.time_zone.clone(),
        _ => None,
    });
    (zone.unwrap_or_else(|| NO_ZONE.to_owned()), KnownNames::of(users, reasons))
}

fn faulty(count: usize, faults: Vec<ShiftFault>) -> v1::ImportShiftsResponse {
    let more_faults = u32::try_from(faults.len().saturating_sub(LINES_MAX)).unwrap_or(u32::MAX);
    let told = faults.into_iter().take(LINES_MAX).map(|ShiftFault { line, field, rule }| v1::ShiftFault {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        field,
        rule,
    });
    let shifts = u32::try_from(count).unwrap_or(u32::MAX);
    v1::ImportShiftsResponse { shifts, faults: told.collect(), more_faults, ..Default::default() }
}

/// Those that can be read: one that cannot is no reason to hide the others.
fn readable(tenant: &TenantId, stored: impl Iterator<Item = StoredShift>) -> Vec<v1::Shift> {
    let read = stored.filter_map(|stored| {
        let (id, user) = (stored.id.clone(), stored.user.clone());
        let read = Shift::of_stored(stored);
        read.inspect_err(|error| tracing::warn!(%tenant, %id, %user, %error, "a shift cannot be read: left out")).ok()
    });
    read.map(wire_shift).collect()
}

fn wire_shift(shift: Shift) -> v1::Shift {
    let activity = |one: shifts::Activity| v1::ShiftActivity {
        r#type: one.activity_type.as_str().to_owned(),
        begin_ms: one.begin.as_millis(),
        end_ms: one.end.as_millis(),
        reason: one.reason.unwrap_or_default(),
    };
    v1::Shift {
        id: shift.id,
        person: shift.person,
        begin_ms: shift.begin.as_millis(),
        end_ms: shift.end.as_millis(),
        zone: shift.zone,
        activities: shift.activities.into_iter().map(activity).collect(),
    }
}

// === who sees whose ===

/// Those of these people whose shifts a person sees: of whom the person sees, of their own, and of agents in groups that the person
/// manages. Of others the same is said as of nobody: to who reads the whole tenant, that they have no shifts; to anybody else, the name of
/// the first.
fn shown_people(
    held: &IndexedTenant,
    rights: &CallerRights,
    user: &str,
    people: Vec<String>,
) -> Result<Vec<String>, String> {
    let sees = |name: &String| {
        let key = ObjectKey { kind: ObjectKind::Person, id: name.clone() };
        held.found(&key).is_some_and(|found| rights.may_see(found))
    };
    let (mut shown, others): (Vec<String>, Vec<String>) = people.into_iter().partition(sees);
    let (managed, hidden) = managed_apart(held, user, others);
    shown.extend(managed);
    match hidden.into_iter().next() {
        Some(name) if !rights.reads_whole_tenant() => Err(name),
        _ => Ok(shown),
    }
}

/// Those of these people who are the person or agents of groups that the person manages, and the others.
fn managed_apart(held: &IndexedTenant, user: &str, people: Vec<String>) -> (Vec<String>, Vec<String>) {
    let own = folded_name(user);
    let managed = managed_groups(held, &own);
    people.into_iter().partition(|name| {
        let folded = folded_name(name);
        folded == own || managed.iter().any(|group| group.has(held, &folded))
    })
}

/// A group whose shifts are shown.
struct ManagedGroup {
    agents: HashSet<String>,
    expression: Option<SkillExpression>,
}

/// Those that a person manages, by the folded name.
fn managed_groups(held: &IndexedTenant, user: &str) -> Vec<ManagedGroup> {
    let groups = held.of_kind(ObjectKind::AgentGroup).filter_map(|(_, object)| match &**object {
        Object::AgentGroup(group) => Some(group.as_ref()),
        _ => None,
    });
    let managed = groups.filter(|group| group.managers.iter().any(|name| folded_name(name) == user));
    managed.map(ManagedGroup::of).collect()
}

impl ManagedGroup {
    fn of(group: &AgentGroup) -> Self {
        let expression = group.expression.as_deref().and_then(|text| SkillExpression::parse(text).ok());
        Self { agents: group.agents.iter().map(|name| folded_name(name)).collect(), expression }
    }

    /// Whether somebody is in it: by name, or by skills.
    fn has(&self, held: &IndexedTenant, user: &str) -> bool {
        if self.agents.contains(user) {
            return true;
        }
        let agent = held.person(user).and_then(|person| person.agent.as_ref());
        let (Some(expression), Some(agent)) = (&self.expression, agent) else { return false };
        expression.matches(|name| {
            let level = agent.skills.iter().find(|has| has.skill == name).map(|has| i64::from(has.level));
            level.unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use contracts::provisioning::{Agent, Person, SkillLevel};
    use infra::{HistoryPoint, Revision, VersionedObjects};

    use super::super::test_hiding_tenant::hiding_tenant;
    use super::*;

    fn agent(user: &str, level: u16) -> Person {
        let skills = vec![SkillLevel { skill: "Sales".to_owned(), level }];
        let agent = Agent {
            id: user.to_owned(),
            login_code: user.to_owned(),
            pin: None,
            default_place: None,
            wrap_up_s: None,
            legal_guard_s: None,
            no_answer_action: None,
            skills,
            capacity_rule: None,
        };
        Person { user_name: user.to_owned(), agent: Some(agent), ..Person::default() }
    }

    /// Sue manages the group that Ada is in by name, and the one of all who sell well.
    fn tenant() -> IndexedTenant {
        let text = include_str!("../../../../../data/example-tenant.yaml");
        let mut objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        objects.people = vec![agent("ada", 0), agent("bob", 7), agent("cid", 1), agent("sue", 0)];
        let group = |name: &str, agents: &[&str], expression: Option<&str>| AgentGroup {
            name: name.to_owned(),
            agents: agents.iter().map(|user| (*user).to_owned()).collect(),
            expression: expression.map(str::to_owned),
            managers: vec!["Sue".to_owned()],
        };
        objects.agent_groups = vec![group("Day", &["ADA"], None), group("Sellers", &[], Some("Sales >= 5"))];
        let point = HistoryPoint::unstamped(Revision(1));
        IndexedTenant::of(VersionedObjects { point, objects, revisions: HashMap::new() })
    }

    fn hidden(user: &str, people: &[&str]) -> Option<String> {
        let people: Vec<String> = people.iter().map(|name| (*name).to_owned()).collect();
        managed_apart(&tenant(), user, people).1.into_iter().next()
    }

    #[test]
    fn shifts_are_shown_of_whom_somebody_sees_and_who_is_hidden_is_like_nobody() {
        let held = hiding_tenant();
        let shown = |user: &str, people: &[&str]| {
            let people = people.iter().map(|name| (*name).to_owned()).collect();
            shown_people(&held, &CallerRights::of(&held, user), user, people)
        };
        for user in ["dora", "rita"] {
            for hidden in ["lea", "nobody"] {
                assert_eq!(shown(user, &["root", hidden]), Ok(vec!["root".to_owned()]), "{user}: {hidden}");
            }
        }
        assert_eq!(shown("root", &["lea"]), Ok(vec!["lea".to_owned()]));
        assert_eq!(shown("fred", &["lea", "fred"]), Ok(vec!["lea".to_owned(), "fred".to_owned()]));
        for hidden in ["root", "nobody"] {
            assert_eq!(shown("fred", &["lea", hidden]), Err(hidden.to_owned()));
        }
    }

    #[test]
    fn whoever_manages_groups_sees_their_agents_and_nobody_else() {
        assert_eq!(hidden("sue", &["sue", "ada", "bob"]), None);
        assert_eq!(hidden("sue", &["ada", "cid"]).as_deref(), Some("cid"));
        assert_eq!(hidden("ada", &["ada"]), None);
        assert_eq!(hidden("ada", &["bob"]).as_deref(), Some("bob"));
    }

    #[test]
    fn names_and_the_zone_of_a_tenant_are_known() {
        let (zone, names) = known(&tenant());
        assert!(jiff::tz::TimeZone::get(&zone).is_ok(), "{zone}");
        assert_eq!(names.people.get("ada").map(String::as_str), Some("ada"));
    }

    #[test]
    fn a_span_has_an_end_and_is_no_longer_than_it_may_be() {
        let day = 86_400_000;
        assert!(span(day, 3 * day).is_ok());
        assert!(span(3 * day, day).is_err() && span(0, 63 * day).is_err());
    }

    #[test]
    fn a_stored_shift_that_cannot_be_read_hides_no_other() {
        let stored = |id: &str, document: &str| StoredShift {
            id: id.to_owned(),
            user: "ada".to_owned(),
            begin: Timestamp::from_millis(1),
            end: Timestamp::from_millis(2),
            document: document.to_owned(),
        };
        let three = [stored("1", r#"{"zone":"UTC"}"#), stored("2", "{"), stored("3", r#"{"zone":"UTC"}"#)];
        let shown = readable(&TenantId::parse("acme").unwrap(), three.into_iter());
        assert_eq!(shown.iter().map(|shift| shift.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    }

    #[test]
    fn of_many_faults_the_first_are_told_and_the_others_counted() {
        let fault = |line| ShiftFault { line, field: String::new(), rule: "wrong".to_owned() };
        let answer = faulty(7, (1..=LINES_MAX + 3).map(fault).collect());
        assert_eq!((answer.faults.len(), answer.more_faults, answer.shifts), (LINES_MAX, 3, 7));
    }
}
