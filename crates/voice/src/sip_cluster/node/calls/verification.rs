//! Verifies who calls (STIR/SHAKEN): an INVITE of a trunk that verifies waits for the certificate of who has signed for its number, and
//! only then becomes a call. What can be judged without the certificate is judged at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use call::CallSnapshot;
use model::plan::Caller;
use model::{ConnId, TenantId, Timestamp};
use runtime::trace::What;
use sip::agent::{DialogId, ExtraHeaders};
use sip::stir::{Authorities, CallNumbers, ClaimedIdentity, StirRefusal, TnAuthorization, VerifiedIdentity};
use sip::uri::escape::escape_user;
use sip::{HeaderName, Message};

use super::incoming::{ANONYMOUS, NewCallParts, dialled, number_of};
use super::leg::Target;
use super::session::Refusal;
use super::verdict::CallerVerdict;
use crate::sip_cluster::certificates::Fetched;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::faults::Doing;
use crate::sip_cluster::node::order::Order;

/// The most INVITEs that wait for a certificate; of further ones the certificate counts as one that cannot be fetched.
pub const WAITING_MAX: usize = 1_000;
/// Those of one tenant.
pub const WAITING_OF_TENANT_MAX: usize = 500;
/// How long one waits at most: what fetching takes, and a little for the way there and back.
pub const WAITS_FOR: Duration = Duration::from_millis(2_500);

/// What is done with the signatures of calls that come by a trunk.
#[derive(Clone, Debug)]
pub enum Verification {
    /// They are not looked at.
    Off,
    /// They are verified by these authorities, and calls go on with what was found.
    Report(Arc<Authorities>),
    /// They are verified by these authorities, and calls that are not signed well are refused.
    Require(Arc<Authorities>),
}

/// An INVITE that waits for a certificate.
struct WaitingInvite {
    call: NewCallParts,
    request: Message,
    claimed: ClaimedIdentity,
    authorities: Arc<Authorities>,
    is_required: bool,
    until: Timestamp,
}

/// The INVITEs that wait for certificates, in the order in which they came.
#[derive(Default)]
pub struct Verifications {
    last: u64,
    waiting: BTreeMap<u64, WaitingInvite>,
}

impl Verifications {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the first one has waited long enough.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.waiting.values().next().map(|waiting| waiting.until)
    }

    /// Its caller has given up.
    pub fn forget(&mut self, dialog: DialogId) {
        self.waiting.retain(|_, waiting| waiting.call.dialog != dialog);
    }

    fn has_room(&self, tenant: &TenantId) -> bool {
        let of_tenant = || self.waiting.values().filter(|waiting| waiting.call.tenant == *tenant).count();
        self.waiting.len() < WAITING_MAX && of_tenant() < WAITING_OF_TENANT_MAX
    }

    fn hold(&mut self, waiting: WaitingInvite) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, waiting);
        self.last
    }

    fn overdue(&self, now: Timestamp) -> Option<u64> {
        self.waiting.first_key_value().filter(|(_, waiting)| waiting.until <= now).map(|(id, _)| *id)
    }
}

impl Node {
    /// Begins a call, once it is known who calls where the trunk wants to know.
    pub(super) fn verify_and_begin(
        &mut self,
        call: NewCallParts,
        request: &Message,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Caller::Trunk { trunk, number } = &call.caller else { return self.begin(call, request, now) };
        let (authorities, is_required) = match self.identities.verification(&call.tenant, trunk) {
            Verification::Off => return self.begin(call, request, now),
            Verification::Report(authorities) => (authorities, false),
            Verification::Require(authorities) => (authorities, true),
        };
        let claimed = claimed(request, number, now);
        let waiting = match claimed {
            Ok(claimed) if self.verifications.has_room(&call.tenant) => WaitingInvite {
                call,
                request: request.clone(),
                claimed,
                authorities,
                is_required,
                until: now + WAITS_FOR,
            },
            Ok(_) => {
                let full = StirRefusal::BadInfo("too many calls wait for certificates".to_owned());
                return self.begin_judged(call, request, &Err(full), is_required, now);
            }
            Err(refusal) => return self.begin_judged(call, request, &Err(refusal), is_required, now),
        };
        let url = waiting.claimed.certificate_url().to_owned();
        let id = self.verifications.hold(waiting);
        self.orders.push_back(Order::FetchCertificate { id, url });
        Ok(())
    }

    /// The certificate for which an INVITE waits, or why there is none.
    pub fn certificate_fetched(&mut self, id: u64, fetched: Fetched, now: Timestamp) {
        self.attempt(Doing::OtherInput("a certificate"), now, |node| {
            node.judge(id, fetched, now);
            node.settle(now);
        });
    }

    /// Those that have waited long enough are judged without a certificate.
    pub(in crate::sip_cluster::node) fn judge_overdue(&mut self, now: Timestamp) {
        while let Some(id) = self.verifications.overdue(now) {
            self.judge(id, Err("it did not come in time".to_owned()), now);
        }
    }

    fn judge(&mut self, id: u64, fetched: Fetched, now: Timestamp) {
        // Its caller may have given up.
        let Some(waiting) = self.verifications.waiting.remove(&id) else { return };
        let WaitingInvite { call, request, claimed, authorities, is_required, .. } = waiting;
        let outcome = match fetched {
            Ok(certificates) => claimed.verify(&certificates, &authorities, now.as_secs()),
            Err(why) => Err(StirRefusal::BadInfo(why)),
        };
        let dialog = call.dialog;
        if let Err(refusal) = self.begin_judged(call, &request, &outcome, is_required, now) {
            self.refuse_call(dialog, refusal.into(), now);
        }
    }

    fn begin_judged(
        &mut self,
        mut call: NewCallParts,
        request: &Message,
        outcome: &Result<VerifiedIdentity, StirRefusal>,
        is_required: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Caller::Trunk { trunk, .. } = &call.caller else { return self.begin(call, request, now) };
        match outcome {
            Ok(verified) => {
                self.metrics.caller_verified();
                if verified.authorization == TnAuthorization::Absent {
                    tracing::debug!(tenant = %call.tenant, trunk, "a signer's certificate has no TNAuthList");
                }
            }
            Err(refusal) if is_required => {
                self.metrics.unverified_refused();
                tracing::info!(tenant = %call.tenant, trunk, %refusal, "a call was refused: who calls is not verified");
                let (status, phrase) = refusal.status();
                let warning = Some(format!("399 trunkline {}", sip::params::quote(&refusal.to_string())));
                return Err(Refusal { status, phrase: Some(phrase), warning });
            }
            Err(refusal) => {
                self.metrics.caller_unverified();
                tracing::debug!(tenant = %call.tenant, trunk, %refusal, "who calls is not verified");
            }
        }
        call.verdict = Some(CallerVerdict::of(outcome));
        self.begin(call, request, now)
    }

    /// Tells a phone of the tenant whether the number that calls is right: in P-Asserted-Identity, as networks tell it to phones (3GPP TS
    /// 24.229). What others have said of it is in no message of ours, since numbers are passed on without their parameters.
    pub(super) fn told_verstat(
        &self,
        conn_id: ConnId,
        target: &Target,
        state: &CallSnapshot,
        edge: &str,
    ) -> ExtraHeaders {
        let verdict = self.calls.get(&conn_id).and_then(|entry| entry.verdict.as_ref());
        let shows_caller = target.shows.is_none() && state.presents_caller() && state.conn_id == conn_id;
        let (Some(verdict), true, None) = (verdict, shows_caller, &target.trunk) else { return ExtraHeaders::new() };
        let number = state.presented_number();
        if number == ANONYMOUS {
            return ExtraHeaders::new();
        }
        let (number, verstat) = (escape_user(number), verdict.verstat.as_str());
        vec![(HeaderName::PAssertedIdentity, format!("<sip:{number};verstat={verstat}@{edge};user=phone>"))]
    }

    /// Notes for who reads a trace what is known of who calls.
    pub(super) fn explain_verdict(&self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let Some(verdict) = &entry.verdict else { return };
        let in_words = || {
            let mut text = format!("who calls: {}", verdict.verstat.as_str());
            if let (Some(attest), Some(origid)) = (verdict.attest, &verdict.origid) {
                text.push_str(&format!(", attestation {attest}, origin {origid}"));
            }
            What::Note { text }
        };
        self.trace.note_with(&entry.tenant, conn_id, now, in_words);
    }
}

/// What an INVITE claims of who calls. `number` is that of who calls as the tenant's rules read it, which may have what the carrier left out.
fn claimed(request: &Message, number: &str, now: Timestamp) -> Result<ClaimedIdentity, StirRefusal> {
    let asserted = request.addresses(HeaderName::PAssertedIdentity).filter_map(Result::ok);
    let mut orig: Vec<String> = asserted.filter_map(|address| number_of(&address)).collect();
    if orig.is_empty() {
        orig.extend(request.from().ok().as_ref().and_then(number_of));
    }
    orig.push(number.to_owned());
    let mut dest: Vec<String> = request.to().ok().as_ref().and_then(number_of).into_iter().collect();
    dest.extend(dialled(request));
    let numbers = CallNumbers {
        orig: orig.iter().map(String::as_str).collect(),
        dest: dest.iter().map(String::as_str).collect(),
    };
    ClaimedIdentity::read(request, &numbers, now.as_secs())
}
