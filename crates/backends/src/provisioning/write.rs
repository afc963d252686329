//! Objects to rows.

use std::collections::HashSet;

use super::applications::put_application;
use super::dialling::{put_dial_rule, put_schedule};
use super::gathered::GatheredRows;
use super::people::{people_put, put_person, respell};
use super::sign_in::{later_names, privilege_names, put_client, put_hosts, rules_text, stored_rules};
use super::{Statement, Turn, annexes, cleared, documents, prompt_rows, query};
use contracts::provisioning::{
    Dn, DnKind, DtmfForm, FeatureCode, Location, Object, ObjectKey, ObjectKind, Place, Secret, Tenant, Trunk,
};
use infra::{ObjectChange, Result, Revision, StoreError};
use model::TenantId;

/// Writes changes and notes them under `revision`. An object for which `is_new` there is no row of yet: nothing is removed before it.
pub(super) async fn changes(
    db: &mut dyn Turn,
    tenant: &TenantId,
    revision: Revision,
    changes: Vec<ObjectChange>,
    is_new: &(dyn Fn(&ObjectKey) -> bool + Sync),
) -> Result<()> {
    let number = i64::try_from(revision.0).unwrap_or(i64::MAX);
    // The tenant's row first: every other row names it. Deletions come before the rest, and a unique value is released before it is
    // given again: a DN may move from one place to another in one update.
    let rank = |change: &ObjectChange| match change {
        ObjectChange::Put(Object::Tenant(_)) => 0,
        ObjectChange::Delete(_) => 1,
        ObjectChange::Put(_) | ObjectChange::Annex(..) => 2,
    };
    // Rows that wait together are of different objects: an object that is put with its annex is noted with that.
    let (annexed, mut changes) = annexes::apart(changes);
    changes.sort_by_key(rank);
    let people = people_put(&changes);
    let deleted: HashSet<ObjectKey> = changes.iter().filter_map(deleted_name).collect();
    let cleared = cleared::before_puts(db, tenant, &changes, is_new).await?;
    let coming = changes.iter().filter(|change| matches!(change, ObjectChange::Put(_))).map(ObjectChange::key);
    let coming: HashSet<ObjectKey> = coming.filter(|key| is_new(key)).collect();
    annexes::delete_left(db, tenant, &coming).await?;
    let is_new = |key: &ObjectKey| is_new(key) && !deleted.contains(&key.folded());
    let mut rows = GatheredRows::of(db);
    for change in changes {
        let key = match change {
            ObjectChange::Put(object) => {
                let key = object.key();
                let is_alone = is_new(&key) || cleared.contains(&key.folded());
                if !is_alone {
                    rows.flush().await?;
                }
                put(&mut rows, tenant, number, &object, is_alone).await?;
                key
            }
            ObjectChange::Delete(key) => {
                annexes::delete(&mut rows, tenant, &key).await?;
                let is_respelled = match people.get(&key) {
                    Some(name) => respell(&mut rows, tenant, &key.id, name).await?,
                    None => false,
                };
                if !is_respelled {
                    delete(&mut rows, tenant, &key).await?;
                }
                key
            }
            ObjectChange::Annex(..) => continue,
        };
        if !annexed.contains_key(&key) {
            note(&mut rows, tenant, key, number).await?;
        }
    }
    for (key, annex) in annexed {
        annexes::put(&mut rows, tenant, &key, &annex, is_new(&key)).await?;
        note(&mut rows, tenant, key, number).await?;
    }
    rows.flush().await?;
    let moved = "UPDATE tenant SET revision = ? WHERE id = ?";
    let touched = run(db, query(moved).bind(number).bind(tenant.as_str())).await?;
    if touched == 0 { Err(StoreError::Invalid(format!("tenant {tenant} does not exist"))) } else { Ok(()) }
}

/// The name that is free now, in any spelling.
fn deleted_name(change: &ObjectChange) -> Option<ObjectKey> {
    match change {
        ObjectChange::Delete(key) => Some(key.folded()),
        ObjectChange::Put(_) | ObjectChange::Annex(..) => None,
    }
}

/// Notes the revision that has changed an object last.
pub(super) async fn note(db: &mut dyn Turn, tenant: &TenantId, key: ObjectKey, revision: i64) -> Result<()> {
    let sql = "INSERT INTO change (tenant, kind, id, revision) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, kind, id) DO UPDATE SET revision = excluded.revision";
    run(db, query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(key.id).bind(revision)).await.map(drop)
}

/// Writes an object. Of one that is new, or was cleared away, there are no rows that would have to go first.
async fn put(db: &mut dyn Turn, tenant: &TenantId, revision: i64, object: &Object, is_new: bool) -> Result<()> {
    let t = tenant.as_str();
    match object {
        Object::Tenant(o) if o.id != t => {
            return Err(StoreError::Invalid(format!("the object is tenant {}, not {t}", o.id)));
        }
        Object::Tenant(o) => put_tenant(db, o, revision).await?,
        Object::Skill(o) => {
            let sql = "INSERT INTO skill (tenant, name) VALUES (?, ?) ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name";
            run(db, query(sql).bind(t).bind(&o.name)).await?;
        }
        Object::Prompt(o) => {
            let sql = "INSERT INTO prompt (tenant, name, file, audio) VALUES (?, ?, ?, ?)
                 ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, file = excluded.file,
                 audio = excluded.audio";
            run(db, query(sql).bind(t).bind(&o.name).bind(&o.file).bind(prompt_rows::stored(&o.audio))).await?;
        }
        Object::Application(o) => put_application(db, t, o).await?,
        Object::Dn(o) => put_dn(db, t, o, is_new).await?,
        Object::Place(o) => put_place(db, t, o, is_new).await?,
        Object::Person(o) => put_person(db, t, o, is_new).await?,
        Object::Number(o) => {
            let sql = "INSERT INTO number (tenant, number, name, dn, schedule, closed_dn) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (tenant, number) DO UPDATE SET name = excluded.name, dn = excluded.dn,
                 schedule = excluded.schedule, closed_dn = excluded.closed_dn";
            let put = query(sql).bind(t).bind(&o.number).bind(&o.name).bind(&o.dn).bind(&o.schedule).bind(&o.closed_dn);
            run(db, put).await?;
        }
        Object::Trunk(o) => put_trunk(db, t, o).await?,
        Object::FeatureCode(o) => put_feature_code(db, t, o).await?,
        Object::Schedule(o) => put_schedule(db, t, o).await?,
        Object::DialRule(o) => put_dial_rule(db, t, o).await?,
        Object::Client(o) => put_client(db, t, o, is_new).await?,
        Object::AgentGroup(_)
        | Object::ActionCode(_)
        | Object::List(_)
        | Object::BusinessAttribute(_)
        | Object::PlaceGroup(_)
        | Object::CapacityRule(_)
        | Object::Switch(_)
        | Object::AgentLogin(_)
        | Object::DnGroup(_)
        | Object::TrunkGroup(_)
        | Object::CallingList(_)
        | Object::Campaign(_)
        | Object::CampaignGroup(_)
        | Object::IvrProfile(_)
        | Object::StatisticDefinition(_)
        | Object::Transaction(_)
        | Object::AccessGroup(_)
        | Object::Role(_)
        | Object::Folder(_) => documents::put(db, t, object, is_new).await?,
    }
    Ok(())
}

async fn put_tenant(db: &mut dyn Turn, o: &Tenant, revision: i64) -> Result<()> {
    let sql = "INSERT INTO tenant (id, revision, name, realm, hold_music, no_answer_s, wrap_up_s, confirmation_prompt,
             refusal_prompt, country_prefix, national_prefix, international_prefix, time_zone, no_answer_action,
             legal_guard_s, logout_on_out_of_service, auto_logout_min, auto_logout_ready, untimed_wrap_up_s,
             timed_acw_in_idle, acw_in_idle_force_ready, login_password, outgoing_max, location, require_second_factor,
             sign_in, strict_action_codes, later_second_factor)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, realm = excluded.realm, hold_music = excluded.hold_music,
             no_answer_s = excluded.no_answer_s, wrap_up_s = excluded.wrap_up_s,
             confirmation_prompt = excluded.confirmation_prompt, refusal_prompt = excluded.refusal_prompt,
             country_prefix = excluded.country_prefix, national_prefix = excluded.national_prefix,
             international_prefix = excluded.international_prefix, time_zone = excluded.time_zone,
             no_answer_action = excluded.no_answer_action, legal_guard_s = excluded.legal_guard_s,
             logout_on_out_of_service = excluded.logout_on_out_of_service, auto_logout_min = excluded.auto_logout_min,
             auto_logout_ready = excluded.auto_logout_ready, untimed_wrap_up_s = excluded.untimed_wrap_up_s,
             timed_acw_in_idle = excluded.timed_acw_in_idle,
             acw_in_idle_force_ready = excluded.acw_in_idle_force_ready, login_password = excluded.login_password,
             outgoing_max = excluded.outgoing_max, location = excluded.location,
             require_second_factor = excluded.require_second_factor, sign_in = excluded.sign_in,
             strict_action_codes = excluded.strict_action_codes, later_second_factor = excluded.later_second_factor";
    let stored = stored_rules(db, &o.id).await?;
    let agents = &o.agents;
    let put = query(sql)
        .bind(&o.id)
        .bind(revision)
        .bind(&o.name)
        .bind(&o.realm)
        .bind(&o.hold_music)
        .bind(o.no_answer_s)
        .bind(o.wrap_up_s)
        .bind(&o.confirmation_prompt)
        .bind(&o.refusal_prompt)
        .bind(&o.country_prefix)
        .bind(&o.national_prefix)
        .bind(&o.international_prefix)
        .bind(&o.time_zone)
        .bind(agents.no_answer_action.as_str())
        .bind(agents.legal_guard_s)
        .bind(u32::from(agents.logout_on_out_of_service))
        .bind(agents.auto_logout_min)
        .bind(u32::from(agents.auto_logout_ready))
        .bind(agents.untimed_wrap_up_s)
        .bind(u32::from(agents.timed_acw_in_idle))
        .bind(u32::from(agents.acw_in_idle_force_ready))
        .bind(agents.login_password.as_str())
        .bind(o.outgoing_max)
        .bind(&json(o.location.as_ref()))
        .bind(privilege_names(&o.require_second_factor))
        .bind(&rules_text(&o.sign_in, stored.as_deref()))
        .bind(u32::from(agents.strict_action_codes))
        .bind(&later_names(&o.require_second_factor));
    run(db, put).await?;
    run(db, query("DELETE FROM tenant_codec WHERE tenant = ?").bind(&o.id)).await?;
    for (place, codec) in (0_i64..).zip(&o.codecs) {
        let sql = "INSERT INTO tenant_codec (tenant, place, codec) VALUES (?, ?, ?)";
        run(db, query(sql).bind(&o.id).bind(place).bind(codec)).await?;
    }
    put_hosts(db, &o.id, &o.sign_in.hosts).await
}

async fn put_dn(db: &mut dyn Turn, tenant: &str, o: &Dn, is_new: bool) -> Result<()> {
    let (kind, password, no_answer_s, application, default_dn) = match &o.kind {
        DnKind::Extension { password, no_answer_s, .. } => {
            ("extension", Some(password.reveal()), *no_answer_s, None, None)
        }
        DnKind::RoutePoint { application, default_dn, .. } => {
            ("route_point", None, None, Some(application.as_str()), default_dn.as_deref())
        }
        DnKind::VirtualQueue => ("virtual_queue", None, None, None, None),
        DnKind::Echo => ("echo", None, None, None, None),
        DnKind::Announcement { .. } => ("announcement", None, None, None, None),
    };
    let (service_level_s, short_abandon_s, wrap_up_s) = match o.kind {
        DnKind::RoutePoint { service_level_s, short_abandon_s, wrap_up_s, .. } => {
            (Some(service_level_s), Some(short_abandon_s), wrap_up_s)
        }
        _ => (None, None, None),
    };
    let (call_waiting, outgoing_max, direct_media, encryption) = match o.kind {
        DnKind::Extension { call_waiting, outgoing_max, direct_media, encryption, .. } => {
            (Some(u32::from(call_waiting)), outgoing_max, Some(u32::from(direct_media)), Some(encryption.as_str()))
        }
        _ => (None, None, None, None),
    };
    let sql = "INSERT INTO dn (tenant, number, type, password, no_answer_s, application, default_dn, service_level_s,
             short_abandon_s, wrap_up_s, call_waiting, outgoing_max, direct_media, encryption, location, switch)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, number) DO UPDATE SET type = excluded.type, password = excluded.password,
             no_answer_s = excluded.no_answer_s, application = excluded.application, default_dn = excluded.default_dn,
             service_level_s = excluded.service_level_s, short_abandon_s = excluded.short_abandon_s,
             wrap_up_s = excluded.wrap_up_s, call_waiting = excluded.call_waiting,
             outgoing_max = excluded.outgoing_max, direct_media = excluded.direct_media,
             encryption = excluded.encryption, location = excluded.location, switch = excluded.switch";
    let location = match &o.kind {
        DnKind::Extension { location, .. } => location.as_deref(),
        _ => None,
    };
    let put = query(sql)
        .bind(tenant)
        .bind(&o.number)
        .bind(kind)
        .bind(password)
        .bind(no_answer_s)
        .bind(application)
        .bind(default_dn)
        .bind(service_level_s)
        .bind(short_abandon_s)
        .bind(wrap_up_s)
        .bind(call_waiting)
        .bind(outgoing_max)
        .bind(direct_media)
        .bind(encryption)
        .bind(&json(location))
        .bind(&o.switch);
    run(db, put).await?;
    if !is_new {
        run(db, query("DELETE FROM dn_prompt WHERE tenant = ? AND number = ?").bind(tenant).bind(&o.number)).await?;
    }
    let DnKind::Announcement { prompts } = &o.kind else { return Ok(()) };
    for (place, prompt) in (0_i64..).zip(prompts) {
        let sql = "INSERT INTO dn_prompt (tenant, number, place, prompt) VALUES (?, ?, ?, ?)";
        run(db, query(sql).bind(tenant).bind(&o.number).bind(place).bind(prompt)).await?;
    }
    Ok(())
}

async fn put_place(db: &mut dyn Turn, tenant: &str, o: &Place, is_new: bool) -> Result<()> {
    let sql = "INSERT INTO place (tenant, name, location, capacity_rule) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, location = excluded.location,
         capacity_rule = excluded.capacity_rule";
    let put = query(sql).bind(tenant).bind(&o.name).bind(&json(o.location.as_ref())).bind(&o.capacity_rule);
    run(db, put).await?;
    if !is_new {
        run(db, query("DELETE FROM place_dn WHERE tenant = ? AND name = ?").bind(tenant).bind(&o.name)).await?;
    }
    for (place, dn) in (0_i64..).zip(&o.dns) {
        let sql = "INSERT INTO place_dn (tenant, name, place, dn) VALUES (?, ?, ?, ?)";
        run(db, query(sql).bind(tenant).bind(&o.name).bind(place).bind(dn)).await?;
    }
    Ok(())
}

/// As it is stored.
fn json(location: Option<&Location>) -> Option<String> {
    // Texts under fixed keys can always be written.
    location.and_then(|location| serde_json::to_string(location).ok())
}

async fn put_trunk(db: &mut dyn Turn, tenant: &str, o: &Trunk) -> Result<()> {
    let sql =
        "INSERT INTO trunk (tenant, name, contact, prefix, caller_id, priority, weight, try_s, user_name, password,
             calls_max, early_speech, direct_media, options, registers, encryption, calls_per_second, drain,
             asserts_identity, auth_user, domain, diversion, user_to_user, stir_certificate_url, stir_private_key,
             stir_certificate, stir_verify, stir_authorities, tells_location, codecs, dtmf,
             session_expires_s, reliable, inbound_user, inbound_password)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, contact = excluded.contact,
         prefix = excluded.prefix, caller_id = excluded.caller_id, priority = excluded.priority,
         weight = excluded.weight, try_s = excluded.try_s, user_name = excluded.user_name,
         password = excluded.password, calls_max = excluded.calls_max,
         early_speech = excluded.early_speech, direct_media = excluded.direct_media, options = excluded.options,
         registers = excluded.registers, encryption = excluded.encryption,
         calls_per_second = excluded.calls_per_second, drain = excluded.drain,
         asserts_identity = excluded.asserts_identity, auth_user = excluded.auth_user, domain = excluded.domain,
         diversion = excluded.diversion, user_to_user = excluded.user_to_user,
         stir_certificate_url = excluded.stir_certificate_url, stir_private_key = excluded.stir_private_key,
         stir_certificate = excluded.stir_certificate, stir_verify = excluded.stir_verify,
         stir_authorities = excluded.stir_authorities, tells_location = excluded.tells_location,
         codecs = excluded.codecs, dtmf = excluded.dtmf,
         session_expires_s = excluded.session_expires_s, reliable = excluded.reliable,
         inbound_user = excluded.inbound_user, inbound_password = excluded.inbound_password";
    let sign = o.stir.sign.as_ref();
    let put = query(sql)
        .bind(tenant)
        .bind(&o.name)
        .bind(&o.contact)
        .bind(&o.prefix)
        .bind(&o.caller_id)
        .bind(o.priority)
        .bind(o.weight)
        .bind(o.try_s)
        .bind(&o.user)
        .bind(o.password.as_ref().map(Secret::reveal))
        .bind(o.calls_max)
        .bind(u32::from(o.early_speech))
        .bind(u32::from(o.direct_media))
        .bind(u32::from(o.options))
        .bind(u32::from(o.register))
        .bind(o.encryption.as_str())
        .bind(o.calls_per_second)
        .bind(u32::from(o.drain))
        .bind(u32::from(o.asserts_identity))
        .bind(&o.auth_user)
        .bind(&o.domain)
        .bind(o.diversion.as_str())
        .bind(u32::from(o.user_to_user))
        .bind(sign.map(|sign| sign.certificate_url.as_str()))
        .bind(sign.and_then(|sign| sign.private_key.as_ref()).map(Secret::reveal))
        .bind(sign.and_then(|sign| sign.certificate.as_deref()))
        .bind(o.stir.verify.as_str())
        .bind(o.stir.authorities.as_deref())
        .bind(u32::from(o.location))
        .bind(Some(o.codecs.join(" ")).filter(|names| !names.is_empty()).as_deref())
        .bind(o.dtmf.map(DtmfForm::as_str))
        .bind(o.session_expires_s)
        .bind(o.reliable.map(u32::from))
        .bind(&o.inbound_user)
        .bind(o.inbound_password.as_ref().map(Secret::reveal));
    run(db, put).await?;
    run(db, query("DELETE FROM trunk_source WHERE tenant = ? AND name = ?").bind(tenant).bind(&o.name)).await?;
    for (place, source) in (0_i64..).zip(&o.allow) {
        let sql = "INSERT INTO trunk_source (tenant, name, place, source) VALUES (?, ?, ?, ?)";
        run(db, query(sql).bind(tenant).bind(&o.name).bind(place).bind(source)).await?;
    }
    put_certificate_names(db, tenant, o).await?;
    put_header_rules(db, tenant, o).await
}

async fn put_certificate_names(db: &mut dyn Turn, tenant: &str, o: &Trunk) -> Result<()> {
    let sql = "DELETE FROM trunk_certificate_name WHERE tenant = ? AND name = ?";
    run(db, query(sql).bind(tenant).bind(&o.name)).await?;
    for (place, name) in (0_i64..).zip(&o.certificate_names) {
        let sql = "INSERT INTO trunk_certificate_name (tenant, name, place, certificate_name) VALUES (?, ?, ?, ?)";
        run(db, query(sql).bind(tenant).bind(&o.name).bind(place).bind(name)).await?;
    }
    Ok(())
}

async fn put_header_rules(db: &mut dyn Turn, tenant: &str, o: &Trunk) -> Result<()> {
    run(db, query("DELETE FROM trunk_header WHERE tenant = ? AND name = ?").bind(tenant).bind(&o.name)).await?;
    for (place, rule) in (0_i64..).zip(&o.headers) {
        let sql =
            "INSERT INTO trunk_header (tenant, name, place, direction, action, header, value, pattern, replacement)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let put = query(sql)
            .bind(tenant)
            .bind(&o.name)
            .bind(place)
            .bind(rule.on.as_str())
            .bind(rule.action.as_str())
            .bind(&rule.header)
            .bind(&rule.value)
            .bind(&rule.pattern)
            .bind(&rule.replace);
        run(db, put).await?;
    }
    Ok(())
}

async fn put_feature_code(db: &mut dyn Turn, tenant: &str, o: &FeatureCode) -> Result<()> {
    let sql = "INSERT INTO feature_code (tenant, code, action, ask_pin) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, code) DO UPDATE SET action = excluded.action, ask_pin = excluded.ask_pin";
    run(db, query(sql).bind(tenant).bind(&o.code).bind(o.action.as_str()).bind(o.ask_pin)).await?;
    Ok(())
}

async fn delete(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<()> {
    if documents::are(key.kind) {
        return documents::delete(db, tenant, key).await;
    }
    let statements: &[&'static str] = match key.kind {
        ObjectKind::Tenant => {
            return Err(StoreError::Invalid("a tenant's own record is not deleted with its objects".to_owned()));
        }
        ObjectKind::Skill => &["DELETE FROM skill WHERE tenant = ? AND name = ?"],
        ObjectKind::Prompt => &["DELETE FROM prompt WHERE tenant = ? AND name = ?"],
        ObjectKind::Application => &["DELETE FROM application WHERE tenant = ? AND name = ?"],
        ObjectKind::Dn => {
            &["DELETE FROM dn_prompt WHERE tenant = ? AND number = ?", "DELETE FROM dn WHERE tenant = ? AND number = ?"]
        }
        ObjectKind::Place => {
            &["DELETE FROM place_dn WHERE tenant = ? AND name = ?", "DELETE FROM place WHERE tenant = ? AND name = ?"]
        }
        ObjectKind::Person => &[
            "DELETE FROM person_skill WHERE tenant = ? AND user_name = ?",
            "DELETE FROM person WHERE tenant = ? AND user_name = ?",
        ],
        ObjectKind::Number => &["DELETE FROM number WHERE tenant = ? AND number = ?"],
        ObjectKind::Trunk => &[
            "DELETE FROM trunk_source WHERE tenant = ? AND name = ?",
            "DELETE FROM trunk_certificate_name WHERE tenant = ? AND name = ?",
            "DELETE FROM trunk_header WHERE tenant = ? AND name = ?",
            "DELETE FROM trunk WHERE tenant = ? AND name = ?",
        ],
        ObjectKind::FeatureCode => &["DELETE FROM feature_code WHERE tenant = ? AND code = ?"],
        ObjectKind::Schedule => &[
            "DELETE FROM schedule_line WHERE tenant = ? AND name = ?",
            "DELETE FROM schedule WHERE tenant = ? AND name = ?",
        ],
        ObjectKind::DialRule => &["DELETE FROM dial_rule WHERE tenant = ? AND name = ?"],
        ObjectKind::Client => &[
            "DELETE FROM client_redirect_uri WHERE tenant = ? AND id = ?",
            "DELETE FROM client WHERE tenant = ? AND id = ?",
        ],
        // Those that are documents are removed above.
        kind => return Err(StoreError::Invalid(format!("there is no table of {}", kind.as_str()))),
    };
    for sql in statements {
        run(db, query(sql).bind(tenant.as_str()).bind(&key.id)).await?;
    }
    Ok(())
}

async fn run(db: &mut dyn Turn, statement: Statement) -> Result<u64> {
    db.run(statement).await
}
