//! Schedules and rules about dialled numbers to rows.

use contracts::provisioning::{DialAction, DialRule, Schedule, Spender};
use infra::Result;

use super::{Turn, query};

pub(super) async fn put_schedule(db: &mut dyn Turn, tenant: &str, o: &Schedule) -> Result<()> {
    let sql = "INSERT INTO schedule (tenant, name, time_zone) VALUES (?, ?, ?)
         ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone";
    db.run(query(sql).bind(tenant).bind(&o.name).bind(&o.time_zone)).await?;
    db.run(query("DELETE FROM schedule_line WHERE tenant = ? AND name = ?").bind(tenant).bind(&o.name)).await?;
    let open = o.open.iter().map(|line| ("open", line));
    let exceptions = o.exceptions.iter().map(|line| ("exception", line));
    for (place, (kind, line)) in (0_i64..).zip(open.chain(exceptions)) {
        let sql = "INSERT INTO schedule_line (tenant, name, place, kind, line) VALUES (?, ?, ?, ?, ?)";
        db.run(query(sql).bind(tenant).bind(&o.name).bind(place).bind(kind).bind(line)).await?;
    }
    Ok(())
}

pub(super) async fn put_dial_rule(db: &mut dyn Turn, tenant: &str, o: &DialRule) -> Result<()> {
    let (mut reason, mut shows, mut add, mut remove) = (None, None, None, None);
    let (mut spender, mut most) = (None, (None, None));
    let (mut cost, mut schedule) = (None, None);
    match &o.action {
        DialAction::Emergency { .. } => {}
        DialAction::Block { reason: why } => reason = Some(why.as_str()),
        DialAction::Translate { remove: first, add: before }
        | DialAction::Send { remove: first, add: before, .. }
        | DialAction::Receive { remove: first, add: before, .. } => {
            (remove, add) = (Some(*first), Some(before.as_str()));
        }
        DialAction::Route { cost: of, schedule: when, .. } => (cost, schedule) = (Some(*of), when.as_deref()),
        DialAction::CallerId { shows: number, .. } => shows = Some(number.as_str()),
        DialAction::Limit { per, calls, minutes } => {
            // The release before knows no agents.
            let known = if *per == Spender::Agent { Spender::Phone } else { *per };
            (spender, most) = (Some(known.as_str()), (*calls, *minutes));
        }
    }
    let sql =
        "INSERT INTO dial_rule (tenant, name, place, pattern, action, reason, remove_first, add_before, shows, trunk,
         spender, calls_a_day, minutes_a_day, cost, schedule, by_agent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, place = excluded.place,
         pattern = excluded.pattern, action = excluded.action, reason = excluded.reason,
         remove_first = excluded.remove_first, add_before = excluded.add_before, shows = excluded.shows,
         trunk = excluded.trunk, spender = excluded.spender, calls_a_day = excluded.calls_a_day,
         minutes_a_day = excluded.minutes_a_day, cost = excluded.cost, schedule = excluded.schedule,
         by_agent = excluded.by_agent";
    let by_agent = matches!(o.action, DialAction::Limit { per: Spender::Agent, .. });
    let put = query(sql)
        .bind(tenant)
        .bind(&o.name)
        .bind(o.place)
        .bind(&o.pattern)
        .bind(o.action.as_str())
        .bind(reason)
        .bind(remove)
        .bind(add)
        .bind(shows)
        .bind(o.action.trunk())
        .bind(spender)
        .bind(most.0)
        .bind(most.1)
        .bind(cost)
        .bind(schedule)
        .bind(u32::from(by_agent));
    db.run(put).await.map(drop)
}
