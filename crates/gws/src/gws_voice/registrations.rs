//! The DNs of a tenant whose whole state is asked for (`TRegisterAddress`): calls and agents come with the tenant's snapshot, but reasons,
//! do-not-disturb and forwarding with the answer to this alone. Each DN is asked for once, when somebody first follows it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::event::ErrorCode;
use model::{Event, EventName, Timestamp};

/// The most DNs of a tenant that are remembered; when there are more, those that are known already are asked for again.
const DNS_MAX: usize = 50_000;
/// How long the answer to a request may take before the DN is asked for again.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pause before a DN is asked for again after a request that did not get through.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a DN counts as one that the tenant does not have.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// A request that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegistrationAsk {
    /// The DN.
    pub dn: String,
    /// The reference, which comes back in the answering event.
    pub reference: u64,
}

/// Why there is nothing to tell of a DN: the published number, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DnFault {
    pub code: u32,
    pub message: String,
}

impl DnFault {
    /// The tenant has no such DN.
    pub fn unknown(dn: &str) -> Self {
        Self { code: u32::from(ErrorCode::DN_NOT_CONFIGURED.0), message: format!("{dn} is no DN of the tenant") }
    }

    /// More is on it than can be told.
    pub fn too_large(dn: &str) -> Self {
        Self { code: u32::from(ErrorCode::OUT_OF_SERVICE.0), message: format!("too much is on {dn} to tell it") }
    }
}

/// How a request has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AskFailure {
    /// A repeat would be refused too.
    Refused(DnFault),
    /// It did not get through.
    Passing,
}

/// What is known of a DN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DnStanding {
    /// The picture has its whole state.
    Known,
    /// It is asked for.
    Asked,
    /// There is no such DN, or nothing can be said of it.
    Unknown(DnFault),
}

enum DnEntry {
    Known,
    Asked { reference: u64, since: Timestamp, progress: AskProgress },
    Unknown { fault: DnFault, until: Timestamp },
}

#[derive(Clone, Copy)]
enum AskProgress {
    /// It waits in the queue.
    Queued,
    Sent(Timestamp),
    /// It did not get through; it is queued again then.
    Pausing(Timestamp),
}

/// The DNs, and the requests to come.
pub(super) struct DnRegistrations {
    dns: HashMap<String, DnEntry>,
    queue: VecDeque<String>,
    next_reference: u64,
}

impl DnRegistrations {
    /// No DN is known. The references of its requests count on from that number.
    pub fn new(first_reference: u64) -> Self {
        Self { dns: HashMap::new(), queue: VecDeque::new(), next_reference: first_reference }
    }

    /// What is known of a DN, which is asked for if nothing is.
    pub fn want(&mut self, dn: &str, now: Timestamp) -> DnStanding {
        match self.dns.get(dn) {
            Some(DnEntry::Known) => return DnStanding::Known,
            Some(DnEntry::Asked { .. }) => return DnStanding::Asked,
            Some(DnEntry::Unknown { fault, until }) if now < *until => return DnStanding::Unknown(fault.clone()),
            Some(DnEntry::Unknown { .. }) | None => {}
        }
        if self.dns.len() >= DNS_MAX {
            self.dns.retain(|_, entry| matches!(entry, DnEntry::Asked { .. }));
        }
        if self.dns.len() >= DNS_MAX {
            let message = format!("more than {DNS_MAX} DNs are asked for at once");
            return DnStanding::Unknown(DnFault { code: u32::from(ErrorCode::OUT_OF_SERVICE.0), message });
        }
        let reference = self.reference();
        let asked = DnEntry::Asked { reference, since: now, progress: AskProgress::Queued };
        self.dns.insert(dn.to_owned(), asked);
        self.queue.push_back(dn.to_owned());
        DnStanding::Asked
    }

    /// A number that is not 0, which means none.
    fn reference(&mut self) -> u64 {
        let reference = self.next_reference.max(1);
        self.next_reference = reference.wrapping_add(1);
        reference
    }

    /// Whether a request is to be made.
    pub fn has_next(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next request to make.
    pub fn next(&mut self, now: Timestamp) -> Option<RegistrationAsk> {
        while let Some(dn) = self.queue.pop_front() {
            if let Some(DnEntry::Asked { reference, progress, .. }) = self.dns.get_mut(&dn)
                && matches!(progress, AskProgress::Queued)
            {
                *progress = AskProgress::Sent(now);
                return Some(RegistrationAsk { reference: *reference, dn });
            }
        }
        None
    }

    /// A request has failed. True: its DN is settled.
    pub fn failed(&mut self, ask: &RegistrationAsk, failure: AskFailure, now: Timestamp) -> bool {
        let Some(entry) = self.dns.get_mut(&ask.dn) else { return false };
        let DnEntry::Asked { reference, progress, .. } = entry else { return false };
        if *reference != ask.reference {
            return false;
        }
        match failure {
            AskFailure::Refused(fault) => {
                *entry = DnEntry::Unknown { fault, until: now + UNKNOWN_FOR };
                true
            }
            AskFailure::Passing => {
                *progress = AskProgress::Pausing(now + AGAIN_AFTER);
                false
            }
        }
    }

    /// Takes in a fact. The DN that it settles, if there is one.
    pub fn told(&mut self, event: &Event, now: Timestamp) -> Option<String> {
        if !matches!(event.name, EventName::Registered | EventName::Error) {
            return None;
        }
        let dn = event.this_dn.as_ref()?.as_str();
        let entry = self.dns.get_mut(dn)?;
        let DnEntry::Asked { reference, progress, .. } = entry else { return None };
        if event.name == EventName::Registered {
            // Also one that another replica has asked for: it has the whole state.
            *entry = DnEntry::Known;
            return Some(dn.to_owned());
        }
        if event.reference.0 != *reference {
            return None;
        }
        match &event.error {
            Some((ErrorCode::DN_NOT_CONFIGURED | ErrorCode::INVALID_ATTRIBUTE, _)) => {
                *entry = DnEntry::Unknown { fault: DnFault::unknown(dn), until: now + UNKNOWN_FOR };
                Some(dn.to_owned())
            }
            _ => {
                *progress = AskProgress::Pausing(now + AGAIN_AFTER);
                None
            }
        }
    }

    /// Requests that are on their way are lost: they are made again.
    pub fn ask_again(&mut self) {
        for (dn, entry) in &mut self.dns {
            if let DnEntry::Asked { progress, .. } = entry
                && !matches!(progress, AskProgress::Queued)
            {
                *progress = AskProgress::Queued;
                self.queue.push_back(dn.clone());
            }
        }
    }

    /// The picture has begun anew: nothing is known of any DN.
    pub fn forget(&mut self) {
        self.dns.clear();
        self.queue.clear();
    }

    /// Queues what is due again, and forgets what nobody waits for any more.
    pub fn tick(&mut self, now: Timestamp, is_wanted: impl Fn(&str) -> bool) {
        let Self { dns, queue, .. } = self;
        dns.retain(|dn, entry| match entry {
            DnEntry::Known => true,
            DnEntry::Unknown { until, .. } => now < *until,
            DnEntry::Asked { since, progress, .. } => {
                if now.since(*since) >= ANSWER_WITHIN && !is_wanted(dn) {
                    return false;
                }
                let is_due = match *progress {
                    AskProgress::Queued => false,
                    AskProgress::Sent(at) => now.since(at) >= ANSWER_WITHIN,
                    AskProgress::Pausing(until) => now >= until,
                };
                if is_due {
                    *progress = AskProgress::Queued;
                    queue.push_back(dn.clone());
                }
                true
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use model::{Dn, ReferenceId};

    use super::*;

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn event(name: EventName, dn: &str, reference: u64) -> Event {
        Event { this_dn: Dn::parse(dn).ok(), reference: ReferenceId(reference), ..Event::new(name) }
    }

    fn error(code: ErrorCode, reference: u64) -> Event {
        Event { error: Some((code, "no".to_owned())), ..event(EventName::Error, "7101", reference) }
    }

    fn asked() -> (DnRegistrations, RegistrationAsk) {
        let mut registrations = DnRegistrations::new(7);
        assert_eq!(registrations.want("7101", at(0)), DnStanding::Asked);
        let ask = registrations.next(at(0)).unwrap();
        assert_eq!(ask, RegistrationAsk { dn: "7101".to_owned(), reference: 7 });
        (registrations, ask)
    }

    #[test]
    fn a_dn_is_asked_for_once_and_known_after_the_answer() {
        let (mut registrations, _) = asked();
        assert_eq!(registrations.want("7101", at(1)), DnStanding::Asked);
        assert!(!registrations.has_next() && registrations.next(at(1)).is_none());
        assert_eq!(registrations.told(&event(EventName::Ringing, "7101", 0), at(1)), None);
        assert_eq!(registrations.told(&event(EventName::Registered, "7102", 7), at(1)), None);
        assert_eq!(registrations.told(&event(EventName::Registered, "7101", 7), at(1)).as_deref(), Some("7101"));
        assert_eq!(registrations.want("7101", at(2)), DnStanding::Known);
        assert!(!registrations.has_next());
    }

    #[test]
    fn the_answer_to_another_replica_is_as_good() {
        let (mut registrations, _) = asked();
        assert!(registrations.told(&event(EventName::Registered, "7101", 99), at(1)).is_some());
        assert_eq!(registrations.want("7101", at(1)), DnStanding::Known);
    }

    #[test]
    fn a_dn_that_the_tenant_does_not_have_is_unknown_for_a_while() {
        let (mut registrations, _) = asked();
        assert_eq!(registrations.told(&error(ErrorCode::DN_NOT_CONFIGURED, 8), at(1)), None, "of another request");
        assert!(registrations.told(&error(ErrorCode::DN_NOT_CONFIGURED, 7), at(1)).is_some());
        let DnStanding::Unknown(fault) = registrations.want("7101", at(2)) else { panic!("it is unknown") };
        assert_eq!((fault.code, fault.message.as_str()), (59, "7101 is no DN of the tenant"));
        assert_eq!(registrations.want("7101", at(11)), DnStanding::Asked);
        assert_eq!(registrations.next(at(11)).unwrap().reference, 8);
    }

    #[test]
    fn what_tenant_refuses_is_settled_and_what_did_not_get_through_is_repeated() {
        let (mut registrations, ask) = asked();
        assert!(!registrations.failed(&ask, AskFailure::Passing, at(1)));
        registrations.tick(at(1), |_| true);
        assert!(!registrations.has_next());
        registrations.tick(at(2), |_| true);
        let again = registrations.next(at(2)).unwrap();
        assert_eq!(again, ask, "the first may have got through after all");
        assert!(registrations.failed(&ask, AskFailure::Refused(DnFault::unknown("7101")), at(2)));
        assert!(matches!(registrations.want("7101", at(2)), DnStanding::Unknown(_)));
        assert!(!registrations.failed(&ask, AskFailure::Passing, at(2)), "it is settled");
    }

    #[test]
    fn a_dn_without_an_answer_is_asked_for_again_as_long_as_somebody_wants_it() {
        let (mut registrations, _) = asked();
        assert_eq!(registrations.told(&error(ErrorCode::TIMEOUT, 7), at(1)), None);
        registrations.tick(at(2), |_| true);
        assert!(registrations.next(at(2)).is_some());
        registrations.tick(at(11), |_| true);
        assert!(!registrations.has_next());
        registrations.tick(at(12), |_| true);
        assert!(registrations.next(at(12)).is_some());
        registrations.ask_again();
        assert!(registrations.next(at(12)).is_some(), "the stream of events has ended meanwhile");
        registrations.tick(at(12), |_| false);
        assert_eq!(registrations.told(&event(EventName::Registered, "7101", 7), at(13)), None, "it is forgotten");
    }

    #[test]
    fn when_the_picture_begins_anew_nothing_is_known() {
        let (mut registrations, _) = asked();
        registrations.told(&event(EventName::Registered, "7101", 7), at(1));
        registrations.forget();
        assert_eq!(registrations.want("7101", at(1)), DnStanding::Asked);
        assert!(registrations.has_next());
    }
}
