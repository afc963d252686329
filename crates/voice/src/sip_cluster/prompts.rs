//! The prompts and codecs that a tenant has chosen, from config's copy.

use media::codec::Codec;
use net::configuration::Configuration;

use super::node::calls::prompts::{ReadPrompts, SwitchPrompts};

/// Reads it from config's copy; until config has answered there is no choice.
pub(super) fn from(configuration: Configuration) -> ReadPrompts {
    Box::new(move |tenant| {
        let config = configuration.tenant(tenant);
        let chosen = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        config.as_deref().and_then(|config| config.tenant()).map_or_else(SwitchPrompts::default, |tenant| {
            SwitchPrompts {
                hold_music: chosen(Some(&tenant.hold_music)),
                confirmation: chosen(tenant.confirmation_prompt.as_ref()),
                refusal: chosen(tenant.refusal_prompt.as_ref()),
                country: tenant.country_prefix.clone(),
                codecs: tenant.codecs.iter().filter_map(|name| Codec::from_name(name)).collect(),
            }
        })
    })
}
