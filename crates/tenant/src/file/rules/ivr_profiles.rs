//! What must hold for profiles of services that talk with callers by themselves.

use contracts::provisioning::{FaultCode, IvrProfile, IvrServiceType, ObjectKind};
use identity::provider::url;

use super::{BrokenRule, Rules};

impl Rules<'_> {
    pub(super) fn ivr_profiles(&mut self) {
        let objects = self.objects;
        for profile in &objects.ivr_profiles {
            let page = profile.initial_page_url.as_deref();
            let application = profile.application.as_deref();
            let (is_pages, is_application) =
                (profile.service_type == IvrServiceType::VoiceXml, profile.service_type == IvrServiceType::Scxml);
            self.goes_with_type(profile, "initial_page_url", page, is_pages);
            self.goes_with_type(profile, "application", application, is_application);
            if let Some(why) = page.filter(|_| is_pages).and_then(url::page_fault) {
                self.ivr_fault(profile, "initial_page_url", BrokenRule::new(FaultCode::Url, why).naming("why", why));
            }
            let unknown = application.filter(|name| is_application && !self.applications.contains(*name));
            if let Some(name) = unknown {
                self.ivr_fault(profile, "application", BrokenRule::unknown(ObjectKind::Application, name));
            }
        }
    }

    /// A field that stands there where the type needs it, and nowhere else.
    fn goes_with_type(&mut self, profile: &IvrProfile, key: &str, value: Option<&str>, is_needed: bool) {
        let of = profile.service_type.as_str();
        match (value, is_needed) {
            (None, true) => {
                let words = format!("it is needed beside service_type {of}");
                self.ivr_fault(profile, key, BrokenRule::needed_with("service_type", words));
            }
            (Some(_), false) => {
                let words = format!("it has no meaning beside service_type {of}");
                let rule = BrokenRule::new(FaultCode::OnlyWith, words).naming("field", "service_type");
                self.ivr_fault(profile, key, rule);
            }
            _ => {}
        }
    }

    fn ivr_fault(&mut self, profile: &IvrProfile, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::IvrProfile, &profile.name, format!("ivr_profiles.{}.{key}", profile.name), rule);
    }
}
