//! Clients of the node: the dial plan (voice-27), tenants and PINs (voice-28), agent-state by the request stream, and the stores.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use call::call::{PinAnswer, TypedPin};
use contracts::configuration;
use contracts::provisioning::Secret;
use infra::{LedgerKind, Loaded, Position, Posted, QuarantineRequest, Recipient, Record, Stores, Written};
use model::plan::{Caller, Destination, PlanAnswer};
use model::{ConnId, Dn, EventName, Owner, Request, TenantId};
use net::configuration::Configuration;
use net::http::Client;
use runtime::RoleContext;
use runtime::fault::{FaultReport, FaultReports};
use serde_json::json;
use sip::Instance;
use tokio::sync::watch;

use super::inbox::Inbox;
use super::ledger::claim::{self, OrphanClaimer};
use super::ledger::{find, spending};
use super::lookup_turns::LookupTurns;
use super::node::lookup::SeenLive;
use super::node::order::{Number, Order, Quarantining};
use crate::emergency_numbers;
use crate::quarantine::until_answered;

/// Deadline for an answer of the dial plan; the call's own timer is a little longer.
const DIAL_PLAN_TIME: Duration = Duration::from_secs(4);
/// How long a dialplan may be silent about an emergency number before another one is asked.
const FOR_HELP_SILENT_MAX: Duration = Duration::from_secs(1);
/// The pause before the dial plan is asked again about an emergency number for which it had no answer.
const FOR_HELP_AGAIN: Duration = Duration::from_millis(200);
/// Deadline for config's answer about a PIN; the call's own timer is a little longer.
const PIN_TIME: Duration = Duration::from_secs(4);
/// Deadline for config to name the tenants; the request is repeated soon.
const TENANTS_TIME: Duration = Duration::from_secs(2);
/// Deadline for the outcome of a feature code; the call's own timer is as long.
const AGENT_TIME: Duration = Duration::from_secs(5);
/// Events per read while an outcome is awaited.
const EVENTS_PER_READ: usize = 256;

/// The node's clients.
#[derive(Clone)]
pub struct Clients {
    inner: Arc<Inner>,
}

struct Inner {
    dialplan: Client,
    lookups: LookupTurns,
    configuration: Configuration,
    config: Client,
    stores: Stores,
    owner: Owner,
    inbox: Inbox,
    spans: runtime::spans::Spans,
    orphans: OrphanClaimer,
    reports: FaultReports,
    /// The owners that proxies see live.
    live: watch::Receiver<SeenLive>,
    spendings: spending::Additions,
}

impl Clients {
    /// The clients of this run of the role. `live` gives the owners that proxies see live, `configuration` the emergency numbers of tenants.
    pub fn new(
        ctx: &RoleContext,
        inbox: Inbox,
        live: watch::Receiver<SeenLive>,
        configuration: Configuration,
    ) -> anyhow::Result<Self> {
        let inner = Inner {
            dialplan: Client::new(ctx, "voice-27")?,
            lookups: LookupTurns::new(),
            configuration,
            config: Client::new(ctx, "voice-28")?,
            stores: ctx.stores.clone(),
            owner: ctx.owner(),
            inbox,
            spans: ctx.trace.spans().clone(),
            orphans: OrphanClaimer::new(ctx.stores.clone(), ctx.owner()),
            reports: FaultReports::new(&ctx.data_dir, ctx.node.as_str()),
            live,
            spendings: spending::Additions::new(ctx.owner()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Carries out an order, beside the loop.
    pub fn order(&self, order: Order) {
        let inner = self.inner.clone();
        tokio::spawn(async move {
            match order {
                Order::AskDialPlan { tenant, conn_id, ask, caller, number } => {
                    let answer = inner.resolve(&tenant, Some(conn_id), &caller, &number).await;
                    inner.inbox.dial_plan(conn_id, ask, answer).await;
                }
                Order::AskReach { request, tenant, caller, number } => {
                    let answer = inner.resolve(&tenant, None, &caller, &number).await;
                    inner.inbox.reach(request, answer.destination).await;
                }
                Order::AskPin { tenant, conn_id, ask, dn, typed } => {
                    let answer = inner.ask_pin(&tenant, &dn, typed).await;
                    inner.inbox.pin_answered(conn_id, ask, answer).await;
                }
                Order::AgentRequest { conn_id, request } => {
                    let done = inner.ask_agent(conn_id, request).await.unwrap_or_else(|error| {
                        tracing::warn!(%conn_id, %error, "a feature code's request has no outcome");
                        false
                    });
                    inner.inbox.agent_answered(conn_id, done).await;
                }
                // The loop handles these itself.
                Order::TellRouting { .. } | Order::Report(_) => {}
                Order::FetchCertificate { .. } | Order::StopFetch { .. } => {}
                Order::Quarantine(aside) => {
                    let conn_id = aside.record.key;
                    let done = inner.quarantine(*aside).await;
                    inner.inbox.quarantined(conn_id, done).await;
                }
                Order::ReadAside { tenant, conn_id, why } => match inner.read_aside(&tenant, conn_id).await {
                    Some(record) => inner.inbox.unendable(record, why).await,
                    None => inner.inbox.not_quarantined(conn_id).await,
                },
                Order::Spend(batch) => {
                    let added = inner.spendings.add(&*inner.stores.spendings, &batch).await;
                    inner.inbox.spent(batch.spender, added).await;
                }
                Order::Find(sought) => {
                    let live = || inner.live.borrow().clone();
                    let found = find::find(&inner.stores, &inner.owner, live, &sought).await;
                    inner.inbox.found(sought.named, found).await;
                }
                Order::HandOver { tenant, thread, token, to } => {
                    let is_given = claim::give(&inner.stores, (&tenant, thread, token), &to).await;
                    inner.inbox.handed_over(tenant, thread, is_given).await;
                }
                Order::Inherit { live } => inner.inbox.orphans_claimed(inner.orphans.take(&live).await).await,
            }
        });
    }

    /// Stores a fault report, beside the loop: the disk may take its time.
    pub fn report(&self, report: FaultReport) {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.reports.keep(&report));
    }

    /// The tenants that config names. From then on, calls of these tenants are taken over from failed nodes.
    pub async fn tenants(&self) -> anyhow::Result<Vec<TenantId>> {
        let call = self.inner.config.get("/tenants").idempotent().deadline(TENANTS_TIME);
        let names: Vec<String> = call.fetch().await?;
        let tenants: Vec<TenantId> =
            names.iter().map(|name| TenantId::parse(name).context("a tenant's name")).collect::<anyhow::Result<_>>()?;
        self.inner.orphans.know(&tenants);
        Ok(tenants)
    }
}

impl Inner {
    /// Moves a record to quarantine; returns whether this node must end its dialogs. Repeated while the store is away.
    async fn quarantine(&self, aside: Quarantining) -> bool {
        let Quarantining { record, why, events } = aside;
        let put = QuarantineRequest {
            tenant: record.tenant,
            ledger: LedgerKind::Call,
            key: record.key.to_string(),
            owner: record.owner,
            token: record.token,
            why,
            report: bytes::Bytes::new(),
            events,
        };
        let ask = || self.stores.quarantine.put_aside(put.clone());
        let written = until_answered("a record cannot be quarantined now", ask).await;
        // Any other answer means that nobody owns the call: an earlier attempt succeeded without an answer, or the store refuses
        // for good.
        !matches!(written, Some(Written::Fenced { .. } | Written::Exists { .. }))
    }

    async fn read_aside(&self, tenant: &TenantId, conn_id: ConnId) -> Option<Record<ConnId>> {
        let asked = || self.stores.calls.load(tenant, conn_id);
        match until_answered("a record cannot be read for quarantine now", asked).await? {
            Loaded::Live(record) if record.owner == self.owner => Some(record),
            _ => None,
        }
    }

    /// Whether it is a call for help, as far as that is known before the dial plan says so.
    fn is_for_help(&self, tenant: &TenantId, caller: &Caller, number: &Number) -> bool {
        let config = || self.configuration.tenant(tenant);
        matches!(caller, Caller::Phone(_))
            && config().is_some_and(|config| emergency_numbers::is_one(&config, &number.dialled))
    }

    /// The destination of a number; 503 if the dial plan does not answer.
    async fn resolve(
        &self,
        tenant: &TenantId,
        conn_id: Option<ConnId>,
        caller: &Caller,
        number: &Number,
    ) -> PlanAnswer {
        let is_for_help = self.is_for_help(tenant, caller, number);
        let caller = match caller {
            Caller::Phone(dn) => json!({ "phone": dn.as_str() }),
            Caller::Trunk { trunk, number } => json!({ "trunk": trunk, "number": number }),
        };
        let forwarded_by: Vec<&str> = number.forwarded_by.iter().map(|by| by.dn.as_str()).collect();
        let forward_modes: Vec<&str> = number.forwarded_by.iter().map(|by| by.mode.as_str()).collect();
        let question = json!({
            "caller": caller,
            "dialled": number.dialled,
            "instance": number.instance.as_ref().map(Instance::as_str),
            "occasion": number.occasion.as_str(),
            "forwarded_by": forwarded_by,
            "forward_modes": forward_modes,
            "shows": number.shows,
        });
        let ask = || async {
            let call = self.dialplan.post(&format!("/tenants/{tenant}/resolve")).json(&question);
            let call = call.within(conn_id.and_then(|conn_id| self.spans.context_of(conn_id)));
            let _turn = self.lookups.next(is_for_help).await;
            let call = call.idempotent().deadline(DIAL_PLAN_TIME);
            let call = if is_for_help { call.silent_max(FOR_HELP_SILENT_MAX) } else { call };
            call.send().await
        };
        // The time counts from here, in the queue too: its call gives up then, so a later answer would be for nobody.
        let answered = tokio::time::timeout(DIAL_PLAN_TIME, async {
            match ask().await {
                Err(error) if is_for_help => {
                    tracing::warn!(%tenant, %error, "the dial plan has no answer about an emergency number: it is asked again");
                    tokio::time::sleep(FOR_HELP_AGAIN).await;
                    ask().await
                }
                answered => answered,
            }
        });
        let answer = answered.await.context("too many questions before it").and_then(|answer| Ok(answer?));
        let read = answer.and_then(|answer| Ok(contracts::json::plan_answer_from_json(&answer.body)?));
        read.unwrap_or_else(|error| {
            tracing::warn!(%tenant, %error, "the dial plan has no answer");
            Destination::Reject { status: 503, reason: "the dial plan has no answer".to_owned() }.into()
        })
    }

    /// Config's answer about the PIN of the agent at a phone. Sent once: a repeated query would count a wrong PIN twice.
    async fn ask_pin(&self, tenant: &TenantId, dn: &Dn, typed: Option<TypedPin>) -> PinAnswer {
        let question = configuration::PinQuestion { typed: typed.map(|typed| Secret(typed.0)) };
        let call = self.config.post(&format!("/tenants/{tenant}/pins/{dn}")).json(&question);
        match call.deadline(PIN_TIME).fetch().await {
            Ok(configuration::PinAnswer::Digits { digits }) => PinAnswer::Digits(digits),
            Ok(configuration::PinAnswer::Right) => PinAnswer::Right,
            Ok(configuration::PinAnswer::Wrong) => PinAnswer::Wrong,
            Ok(configuration::PinAnswer::None | configuration::PinAnswer::Wait) => PinAnswer::Refused,
            Err(error) => {
                tracing::warn!(%tenant, %dn, %error, "config cannot tell about a PIN");
                PinAnswer::Refused
            }
        }
    }

    /// Posts the request and waits for the event that answers it.
    async fn ask_agent(&self, conn_id: ConnId, request: Request) -> anyhow::Result<bool> {
        let (tenant, reference) = (request.tenant.clone(), request.reference);
        let requester = request.requester.clone();
        let mut after: Position = self.stores.events.end(&tenant).await?;
        self.stores.requests.post(&tenant, &Recipient::AgentState, None, Posted::Request(request)).await?;
        let looking = async {
            loop {
                let entries = self.stores.events.read(&tenant, after, EVENTS_PER_READ, AGENT_TIME).await?;
                for entry in &entries {
                    after = entry.position;
                    let event = &entry.event.event;
                    if event.reference == reference && event.requester.as_deref() == Some(&requester) {
                        return Ok(event.name != EventName::Error);
                    }
                }
            }
        };
        tokio::time::timeout(AGENT_TIME, looking).await.with_context(|| format!("no outcome for {conn_id} in time"))?
    }
}
