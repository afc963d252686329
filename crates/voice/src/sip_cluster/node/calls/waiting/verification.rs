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
use sip::stir::{
    Authorities, CallNumbers, ClaimedIdentity, StirRefusal, TnAuthorization, TrustedChain, VerifiedIdentity,
};
use sip::uri::escape::escape_user;
use sip::{ConnectionId, Flow, HeaderName, Message, StatusCode};

use crate::sip_cluster::certificates::Fetched;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::incoming::{ANONYMOUS, NewCallParts, asserted, dialled, number_of};
use crate::sip_cluster::node::calls::leg::Target;
use crate::sip_cluster::node::calls::session::Refusal;
use crate::sip_cluster::node::calls::verdict::CallerVerdict;
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
    /// Why a certificate that has come did not fit, if it is asked for again.
    unfit: Option<StirRefusal>,
    until: Timestamp,
}

impl WaitingInvite {
    /// What fetches the certificate for which it waits.
    fn fetch(&self, id: u64) -> Order {
        Order::FetchCertificate {
            id,
            tenant: self.call.tenant.clone(),
            url: self.claimed.certificate_url().to_owned(),
            authorities: self.authorities.clone(),
            again: self.unfit.is_some(),
        }
    }
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

    /// They go by another connection from now on.
    pub fn move_links(&mut self, old: Flow, new: ConnectionId) {
        let calls = self.waiting.values_mut().map(|waiting| &mut waiting.call);
        calls.filter(|call| (Flow::Stream { connection: call.link }) == old).for_each(|call| call.link = new);
    }

    /// The number of the INVITE that began this dialog.
    fn of(&self, dialog: DialogId) -> Option<u64> {
        self.waiting.iter().find(|(_, waiting)| waiting.call.dialog == dialog).map(|(id, _)| *id)
    }

    fn has_room(&self, tenant: &TenantId) -> bool {
        let of_tenant = || self.waiting.values().filter(|waiting| waiting.call.tenant == *tenant).count();
        self.waiting.len() < WAITING_MAX && of_tenant() < WAITING_OF_TENANT_MAX
    }

    fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn overdue(&self, now: Timestamp) -> Option<u64> {
        self.waiting.first_key_value().filter(|(_, waiting)| waiting.until <= now).map(|(id, _)| *id)
    }
}

impl Node {
    /// Begins a call, once it is known who calls where the trunk wants to know.
    pub(in crate::sip_cluster::node::calls) fn verify_and_begin(
        &mut self,
        call: NewCallParts,
        request: &Message,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Caller::Trunk { trunk, .. } = &call.caller else { return self.begin(call, request, now) };
        let (authorities, is_required) = match self.identities.verification(&call.tenant, trunk) {
            Verification::Off => return self.begin(call, request, now),
            Verification::Report(authorities) => (authorities, false),
            Verification::Require(authorities) => (authorities, true),
        };
        let claimed = match self.claimed(request, &call.tenant, trunk, now) {
            Ok(claimed) if self.verifications.has_room(&call.tenant) => claimed,
            Ok(_) => {
                let full = StirRefusal::BadInfo("too many calls wait for certificates".to_owned());
                return self.begin_judged(call, request, &Err(full), is_required, now);
            }
            Err(refusal) => return self.begin_judged(call, request, &Err(refusal), is_required, now),
        };
        let (request, until) = (request.clone(), now + WAITS_FOR);
        let waiting = WaitingInvite { call, request, claimed, authorities, is_required, unfit: None, until };
        let id = self.verifications.next_id();
        self.wait_for_certificate(id, waiting);
        Ok(())
    }

    fn wait_for_certificate(&mut self, id: u64, waiting: WaitingInvite) {
        self.orders.push_back(waiting.fetch(id));
        self.verifications.waiting.insert(id, waiting);
    }

    /// The certificate for which an INVITE waits, or why there is none.
    pub fn certificate_fetched(&mut self, id: u64, fetched: Fetched, now: Timestamp) {
        self.attempt(Doing::OtherInput("a certificate"), now, |node| {
            node.judge(id, &fetched, now);
            node.settle(now);
        });
    }

    /// Those that have waited long enough are judged without a certificate. The fetch goes on: what it finds is good for the next call.
    pub(in crate::sip_cluster::node) fn judge_overdue(&mut self, now: Timestamp) {
        while let Some(id) = self.verifications.overdue(now) {
            self.judge(id, &Err(StirRefusal::BadInfo("it did not come in time".to_owned())), now);
        }
    }

    /// The caller of an INVITE that waits has given up.
    pub(super) fn forget_verification(&mut self, dialog: DialogId) {
        let Some(id) = self.verifications.of(dialog) else { return };
        self.verifications.waiting.remove(&id);
        self.orders.push_back(Order::StopFetch { id });
    }

    fn judge(&mut self, id: u64, fetched: &Fetched, now: Timestamp) {
        // Its caller may have given up.
        let Some(waiting) = self.verifications.waiting.remove(&id) else { return };
        let dialog = waiting.call.dialog;
        // What has come meanwhile counts too.
        if self.is_overloaded_for(&waiting.request) {
            return self.refuse_overloaded(dialog, now);
        }
        if self.comes_by_full_trunk(&waiting.call.tenant, &waiting.call.caller) {
            return self.refuse_call(dialog, Refusal::from(StatusCode::SERVICE_UNAVAILABLE).into(), now);
        }
        let verify = |certificates: &TrustedChain| waiting.claimed.verify(certificates);
        let outcome = fetched.as_ref().map_err(Clone::clone).and_then(verify);
        let outcome = match (outcome, &waiting.unfit) {
            // What was kept may have been renewed since.
            (Err(unfit @ (StirRefusal::UnsupportedCredential(_) | StirRefusal::Invalid(_))), None) => {
                return self.wait_for_certificate(id, WaitingInvite { unfit: Some(unfit), ..waiting });
            }
            // That no other one came says less than the one that did.
            (Err(StirRefusal::BadInfo(_)), Some(unfit)) => Err(unfit.clone()),
            (outcome, _) => outcome,
        };
        let WaitingInvite { call, request, is_required, .. } = waiting;
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
                let (call_id, tenant) = (request.call_id().unwrap_or_default(), &call.tenant);
                tracing::info!(%tenant, trunk, call_id, %refusal, "a call was refused: who calls is not verified");
                let (status, phrase) = refusal.status();
                let warning = Some(format!("399 trunkline {}", sip::params::quote(told_reason(refusal))));
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

    /// What an INVITE claims of who calls. The number has to be the one that is shown, as the tenant's rules read it; of several that its
    /// carrier has written, only that one counts. So does of those that are called the one that the INVITE goes to, and that in To, which
    /// is the sender's word, only if it is the tenant's: what somebody has signed for another called party must not be good here.
    fn claimed(
        &self,
        request: &Message,
        tenant: &TenantId,
        trunk: &str,
        now: Timestamp,
    ) -> Result<ClaimedIdentity, StirRefusal> {
        let read = |number: &str| (self.received)(tenant, trunk, number);
        let caller = asserted(request).map(|(number, _)| read(&number).unwrap_or(number));
        let mut called: Vec<String> =
            dialled(request).into_iter().flat_map(|to| [read(&to), Some(to)]).flatten().collect();
        let to = request.to().ok().as_ref().and_then(number_of).map(|to| read(&to).unwrap_or(to));
        called.extend(to.filter(|to| self.identities.owns(tenant, to)));
        let numbers = CallNumbers {
            orig: caller.iter().map(String::as_str).collect(),
            dest: called.iter().map(String::as_str).collect(),
        };
        ClaimedIdentity::read(request, &numbers, now.as_secs())
    }

    /// Tells a phone of the tenant whether the number that calls is right: in P-Asserted-Identity, as networks tell it to phones (3GPP TS
    /// 24.229). What others have said of it is in no message of ours, since numbers are passed on without their parameters.
    pub(in crate::sip_cluster::node::calls) fn told_verstat(
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
    pub(in crate::sip_cluster::node::calls) fn explain_verdict(&self, conn_id: ConnId, now: Timestamp) {
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

/// What a carrier is told of a refusal: nothing of what we have seen of the host of its certificate.
const fn told_reason(refusal: &StirRefusal) -> &'static str {
    match refusal {
        StirRefusal::Missing => "there is no Identity with the extension shaken",
        StirRefusal::BadInfo(_) => "the certificate cannot be fetched",
        StirRefusal::UnsupportedCredential(_) => "the certificate is not trusted",
        StirRefusal::Invalid(why) => why,
        StirRefusal::Stale => "it was not signed within the last minute",
    }
}
