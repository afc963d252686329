//! Whether there is a tenant, whether the objects exist that its objects name, and passwords of phones that are soon guessed.

use std::collections::HashSet;

use contracts::provisioning::{DnKind, TenantObjects};

use tenant::file::{PHONE_PASSWORD_LEAST, short_passwords};

use crate::command::doctor::finding::{Finding, some_of};
use crate::command::doctor::situation::{Situation, TenantSituation};

/// Checks that there is a tenant, that the objects that its objects name exist, and that passwords of phones are not short.
pub fn tenants(situation: &Situation) -> Vec<Finding> {
    let stored = match &situation.tenants {
        Ok(stored) => stored,
        Err(reason) => {
            let remedy = if !situation.knows_its_stores() {
                "mend the settings that are named above first"
            } else if situation.servers.is_empty() {
                "see whether the file is whole: `sqlite3 FILE 'pragma integrity_check'`; else bring a backup"
            } else {
                "see what is said of PostgreSQL above, and in its own log"
            };
            return vec![Finding::error("configuration", format!("the tenants cannot be read: {reason}"), remedy)];
        }
    };
    if situation.is_earlier {
        let what = "it is of an earlier release: the tenants in it were not looked at, and nothing was changed";
        let remedy = "the next start brings it up to date; keep a copy of the file for the way back";
        let file = situation.data_dir.join("configuration.sqlite");
        return vec![Finding::notice(file.display().to_string(), what, remedy)];
    }
    if stored.is_empty() {
        let what = "there is no tenant: every call is refused";
        let remedy = "`trunkline tenant import FILE`, or start with `trunkline up --example`";
        return vec![Finding::warning(situation.data_dir.display().to_string(), what, remedy)];
    }
    let of_one = |one: &TenantSituation| {
        let tenant = one.tenant.as_str();
        dangling(tenant, &one.objects).into_iter().chain(soon_guessed(tenant, &one.objects)).collect::<Vec<_>>()
    };
    stored.iter().flat_map(of_one).collect()
}

/// Phones whose passwords are short.
fn soon_guessed(tenant: &str, objects: &TenantObjects) -> Option<Finding> {
    let phones: Vec<String> = short_passwords(objects).map(str::to_owned).collect();
    if phones.is_empty() {
        return None;
    }
    let what = format!(
        "passwords of phones have fewer than {PHONE_PASSWORD_LEAST} characters, and are soon guessed: {}",
        some_of(&phones)
    );
    let remedy = "give them longer ones in Agent Setup or the tenant's file, and in the phones";
    Some(Finding::warning(format!("tenant {tenant}"), what, remedy))
}

/// References to missing objects.
fn dangling(tenant: &str, objects: &TenantObjects) -> Vec<Finding> {
    let dns: HashSet<&str> = objects.dns.iter().map(|dn| dn.number.as_str()).collect();
    let applications: HashSet<&str> = objects.applications.iter().map(|one| one.name.as_str()).collect();
    let places: HashSet<&str> = objects.places.iter().map(|place| place.name.as_str()).collect();
    let mut missing: Vec<(String, String)> = Vec::new();
    for number in objects.numbers.iter().filter(|number| !dns.contains(number.dn.as_str())) {
        missing.push((format!("number {}", number.number), format!("DN {}", number.dn)));
    }
    for dn in &objects.dns {
        let DnKind::RoutePoint { application, default_dn, .. } = &dn.kind else { continue };
        if !applications.contains(application.as_str()) {
            missing.push((format!("route point {}", dn.number), format!("application {application}")));
        }
        if let Some(default) = default_dn.as_deref().filter(|default| !dns.contains(default)) {
            missing.push((format!("route point {}", dn.number), format!("DN {default}")));
        }
    }
    for place in &objects.places {
        for dn in place.dns.iter().filter(|dn| !dns.contains(dn.as_str())) {
            missing.push((format!("place {}", place.name), format!("DN {dn}")));
        }
    }
    for person in &objects.people {
        let place = person.agent.as_ref().and_then(|agent| agent.default_place.as_deref());
        if let Some(place) = place.filter(|place| !places.contains(place)) {
            missing.push((format!("person {}", person.user_name), format!("place {place}")));
        }
    }
    let finding = |(who, what): (String, String)| {
        let remedy = "correct the tenant's file and import it: `trunkline tenant export`, `trunkline tenant import`";
        Finding::error(format!("tenant {tenant}, {who}"), format!("there is no {what}"), remedy)
    };
    missing.into_iter().map(finding).collect()
}
