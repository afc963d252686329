//! Prompts without a sound file that can be played.

use contracts::provisioning::DnKind;

use crate::command::doctor::finding::Finding;
use crate::command::doctor::situation::{Situation, TenantSituation};

/// Reports prompts without a playable sound file.
pub fn prompts(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for one in situation.tenants() {
        for name in prompts_of(one) {
            let folder = situation.data_dir.join("prompts");
            let Some(fault) = voice::media_server::prompt_fault(&folder, &one.tenant, &name) else { continue };
            let of_tenant = folder.join(one.tenant.as_str());
            found.push(Finding::error(
                format!("tenant {}, prompt {name}", one.tenant),
                format!("callers hear silence instead of it: {fault}"),
                format!("put {name}.wav (8 kHz, 16 bit, mono) into {}; no restart is needed", of_tenant.display()),
            ));
        }
    }
    found
}

/// The names of the prompts that a tenant declares or uses, and of which nothing was uploaded.
fn prompts_of(one: &TenantSituation) -> Vec<String> {
    let objects = &one.objects;
    let mut names: Vec<String> = objects.prompts.iter().map(|prompt| prompt.name.clone()).collect();
    for dn in &objects.dns {
        if let DnKind::Announcement { prompts } = &dn.kind {
            names.extend(prompts.iter().cloned());
        }
    }
    names.sort();
    names.dedup();
    // What was uploaded is with the tenant, and not in a folder here.
    names.retain(|name| !objects.prompts.iter().any(|prompt| prompt.name == *name && !prompt.audio.is_empty()));
    names
}
