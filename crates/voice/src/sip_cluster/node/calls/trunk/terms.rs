//! What holds in dialogs with a trunk's carrier in the place of what holds in all.

use model::TenantId;
use model::plan::Caller;
use sip::agent::DialogTerms;

use super::audio::trunk_of_caller;
use crate::sip_cluster::node::Node;

impl Node {
    /// What holds in the dialog with who calls.
    pub(in crate::sip_cluster::node::calls) fn terms_of_caller(
        &self,
        tenant: &TenantId,
        caller: &Caller,
    ) -> DialogTerms {
        self.dialog_terms(tenant, trunk_of_caller(caller))
    }

    /// What holds in a dialog that begins with a trunk's carrier, or with a phone.
    pub(in crate::sip_cluster::node::calls) fn dialog_terms(
        &self,
        tenant: &TenantId,
        trunk: Option<&str>,
    ) -> DialogTerms {
        let Some(trunk) = trunk else { return DialogTerms::default() };
        let rules = (self.trunks)(tenant, trunk);
        DialogTerms { session_expires_s: rules.session_expires_s, hides_100rel: rules.hides_100rel }
    }
}
