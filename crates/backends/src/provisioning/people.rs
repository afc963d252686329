//! People to rows, with what goes with them: skills, the passkeys of a second factor, and what they keep for themselves.

use contracts::provisioning::{BySpelling, Object, ObjectKey, ObjectKind, Person, Secret};
use infra::{ObjectChange, Result};
use model::TenantId;

use super::sign_in::{later_names, privilege_names};
use super::{Turn, query};

/// The user names of the people whom the changes put.
pub(super) fn people_put(changes: &[ObjectChange]) -> BySpelling<String> {
    let put = changes.iter().filter_map(|change| match change {
        ObjectChange::Put(Object::Person(person)) => Some(person.user_name.clone()),
        _ => None,
    });
    put.map(|name| (ObjectKey { kind: ObjectKind::Person, id: name.clone() }, name)).collect()
}

/// Gives a person another spelling of the user name, which the changes put in its place: it stays the same person, with its passkeys
/// and what it keeps for itself. `false` if another one has that spelling already.
pub(super) async fn respell(db: &mut dyn Turn, tenant: &TenantId, from: &str, to: &str) -> Result<bool> {
    let named = query("SELECT user_name FROM person WHERE tenant = ? AND user_name = ?").bind(tenant.as_str()).bind(to);
    for row in db.rows(named).await? {
        if row.text("user_name")? != from {
            return Ok(false);
        }
    }
    let skills = "DELETE FROM person_skill WHERE tenant = ? AND user_name = ?";
    db.run(query(skills).bind(tenant.as_str()).bind(from)).await?;
    for sql in [
        "UPDATE person SET user_name = ?, agent_id = NULL, login_code = NULL WHERE tenant = ? AND user_name = ?",
        "UPDATE passkey SET user_name = ? WHERE tenant = ? AND user_name = ?",
        "UPDATE person_favourite SET user_name = ? WHERE tenant = ? AND user_name = ?",
        "UPDATE person_recent SET user_name = ? WHERE tenant = ? AND user_name = ?",
        "UPDATE shift SET user_name = ? WHERE tenant = ? AND user_name = ?",
        "UPDATE person_setting SET user_name = ? WHERE tenant = ? AND user_name = ?",
        "UPDATE person_contact SET user_name = ? WHERE tenant = ? AND user_name = ?",
    ] {
        db.run(query(sql).bind(to).bind(tenant.as_str()).bind(from)).await?;
    }
    Ok(true)
}

/// Writes a person. Of one that is new, or was cleared away, there are no rows that would have to go first.
pub(super) async fn put_person(db: &mut dyn Turn, tenant: &str, o: &Person, is_new: bool) -> Result<()> {
    let agent = o.agent.as_ref();
    let sql = "INSERT INTO person (tenant, user_name, first_name, last_name, agent_id, login_code, pin, default_place,
             wrap_up_s, legal_guard_s, no_answer_action, email, password, second_factor, privileges, disabled,
             capacity_rule, later_privileges, external_id, change_password)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, user_name) DO UPDATE SET user_name = excluded.user_name, first_name = excluded.first_name,
             last_name = excluded.last_name, agent_id = excluded.agent_id, login_code = excluded.login_code,
             pin = excluded.pin, default_place = excluded.default_place, wrap_up_s = excluded.wrap_up_s,
             legal_guard_s = excluded.legal_guard_s, no_answer_action = excluded.no_answer_action,
             email = excluded.email, password = excluded.password, second_factor = excluded.second_factor,
             privileges = excluded.privileges, disabled = excluded.disabled,
             capacity_rule = excluded.capacity_rule, later_privileges = excluded.later_privileges,
             external_id = excluded.external_id, change_password = excluded.change_password";
    let put = query(sql)
        .bind(tenant)
        .bind(&o.user_name)
        .bind(&o.first_name)
        .bind(&o.last_name)
        .bind(agent.map(|a| a.id.as_str()))
        .bind(agent.map(|a| a.login_code.as_str()))
        .bind(agent.and_then(|a| a.pin.as_ref()).map(contracts::provisioning::Secret::reveal))
        .bind(agent.and_then(|a| a.default_place.as_deref()))
        .bind(agent.and_then(|a| a.wrap_up_s))
        .bind(agent.and_then(|a| a.legal_guard_s))
        .bind(agent.and_then(|a| a.no_answer_action).map(contracts::provisioning::NoAnswerAction::as_str))
        .bind(&o.email)
        .bind(o.password.as_ref().map(Secret::reveal))
        .bind(o.second_factor.as_ref().map(Secret::reveal))
        .bind(privilege_names(&o.privileges))
        .bind(u32::from(o.disabled))
        .bind(agent.and_then(|a| a.capacity_rule.as_deref()))
        .bind(&later_names(&o.privileges))
        .bind(&o.external_id)
        .bind(u32::from(o.change_password));
    if !is_new && o.second_factor.is_none() {
        db.run(query(REMOVE_VOID_PASSKEYS).bind(tenant).bind(&o.user_name)).await?;
    }
    db.run(put).await?;
    if !is_new {
        let clear = "DELETE FROM person_skill WHERE tenant = ? AND user_name = ?";
        db.run(query(clear).bind(tenant).bind(&o.user_name)).await?;
    }
    for (place, level) in (0_i64..).zip(agent.map(|a| a.skills.as_slice()).unwrap_or_default()) {
        let sql = "INSERT INTO person_skill (tenant, user_name, place, skill, level) VALUES (?, ?, ?, ?, ?)";
        let put = query(sql).bind(tenant).bind(&o.user_name).bind(place).bind(&level.skill).bind(level.level);
        db.run(put).await?;
    }
    Ok(())
}

/// The passkeys of a person go with the second factor that is taken away: one of before that comes back, by an import or a snapshot, makes
/// none of them good again. Those of somebody who has none yet stay: the first passkey is kept before the second factor names it.
pub(super) const REMOVE_VOID_PASSKEYS: &str = "DELETE FROM passkey WHERE tenant = ? AND EXISTS (SELECT 1 FROM person
     WHERE person.tenant = passkey.tenant AND person.user_name = passkey.user_name AND person.second_factor IS NOT NULL)
     AND user_name = ?";
