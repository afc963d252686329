//! All stores of a process, chosen once by the composition.

use std::sync::Arc;

use crate::{
    AgentLedger, ApiKeys, AuditOutbox, CallLedger, Clock, ConfigCache, ContactRecords, EventStream, Leases,
    MediaLedger, MemorySearch, NewCalls, Outbox, Passkeys, PeopleImports, PersonalRecords, ProvisioningStore,
    Quarantine, QueueLedger, Registrations, ReportingLog, RequestStream, SearchStore, SessionLedger, Shifts,
    SignInAudit, SignIns, TenantArchive, ThreadLedger, ViewStore,
};

/// The stores. A role takes those that its connections allow it.
#[derive(Clone)]
pub struct Stores {
    /// Calls (voice-41).
    pub calls: Arc<dyn CallLedger>,
    /// Agents (voice-37).
    pub agents: Arc<dyn AgentLedger>,
    /// SCXML sessions (voice-47).
    pub sessions: Arc<dyn SessionLedger>,
    /// Queues (voice-06).
    pub queues: Arc<dyn QueueLedger>,
    /// Open call threads (voice-42).
    pub threads: Arc<dyn ThreadLedger>,
    /// Media sessions (own-06).
    pub media: Arc<dyn MediaLedger>,
    /// Registrations (voice-36, voice-12).
    pub registrations: Arc<dyn Registrations>,
    /// Configuration (tenant-21, voice-17).
    pub configuration: Arc<dyn ConfigCache>,
    /// Facts (voice-40, voice-14).
    pub events: Arc<dyn EventStream>,
    /// New calls (voice-49, voice-46).
    pub new_calls: Arc<dyn NewCalls>,
    /// Requests to agent-state, owners and rq.
    pub requests: Arc<dyn RequestStream>,
    /// Epochs and leases.
    pub leases: Arc<dyn Leases>,
    /// The streams as outboxes.
    pub outbox: Arc<dyn Outbox>,
    /// Reporting (voice-50), and the audit (own-30).
    pub reporting: Arc<dyn ReportingLog>,
    /// Persistent configuration (voice-13).
    pub provisioning: Arc<dyn ProvisioningStore>,
    /// The same with snapshots of whole tenants (voice-13).
    pub archive: Arc<dyn TenantArchive>,
    /// What is noted of signing in (own-08).
    pub sign_in_audit: Arc<dyn SignInAudit>,
    /// What of the audit is not in the reporting log yet (voice-13).
    pub audit_outbox: Arc<dyn AuditOutbox>,
    /// API keys of tenants (voice-13, own-08).
    pub api_keys: Arc<dyn ApiKeys>,
    /// The passkeys of people (own-08).
    pub passkeys: Arc<dyn Passkeys>,
    /// What people keep for themselves at their desktops (gws-09).
    pub personal_records: Arc<dyn PersonalRecords>,
    /// Contacts that people keep or share (gws-09).
    pub contacts: Arc<dyn ContactRecords>,
    /// Which tables of people tenants have taken (gws-23).
    pub people_imports: Arc<dyn PeopleImports>,
    /// When people work (voice-13).
    pub shifts: Arc<dyn Shifts>,
    /// Quarantined records of all ledgers.
    pub quarantine: Arc<dyn Quarantine>,
    /// States of views (pulse-22).
    pub views: Arc<dyn ViewStore>,
    /// What is known of the DNs of tenants whose desktops are told of them (gws-25).
    pub desktops: Arc<dyn ViewStore>,
    /// What tenant has counted for port 2060 (tenant-21).
    pub statistics: Arc<dyn ViewStore>,
    /// Webhooks: what is asked for, what waits (own-23).
    pub webhooks: Arc<dyn ViewStore>,
    /// Which tenant of its id each tenant is (tenant-21, own-23).
    pub tenant_lives: Arc<dyn ViewStore>,
    /// What is spent in a day on calls outside (voice-41).
    pub spendings: Arc<dyn ViewStore>,
    /// The ways by which carriers that we register with want calls to go (voice-36, voice-12).
    pub service_routes: Arc<dyn ViewStore>,
    /// Who is signed in, and what belongs to it for a while (own-09).
    pub sign_ins: Arc<dyn SignIns>,
    /// What desktops search, and the states of what is monitored (gws-13). In memory, unless the composition knows a server for it.
    pub search: Arc<dyn SearchStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Stores {
    /// One store for everything that it provides, a database for what lasts, and the others beside them.
    pub fn of<S, D>(store: Arc<S>, reporting: Arc<dyn ReportingLog>, database: Arc<D>, clock: Arc<dyn Clock>) -> Self
    where
        S: CallLedger + AgentLedger + SessionLedger + QueueLedger + MediaLedger + Registrations + ConfigCache,
        S: EventStream + NewCalls + RequestStream + Leases + Outbox + Quarantine + ThreadLedger,
        S: ViewStore + SignIns + 'static,
        D: TenantArchive + SignInAudit + AuditOutbox + ApiKeys + Passkeys,
        D: PersonalRecords + ContactRecords + PeopleImports + Shifts + 'static,
    {
        Self {
            calls: store.clone(),
            agents: store.clone(),
            sessions: store.clone(),
            queues: store.clone(),
            threads: store.clone(),
            media: store.clone(),
            registrations: store.clone(),
            configuration: store.clone(),
            events: store.clone(),
            new_calls: store.clone(),
            requests: store.clone(),
            leases: store.clone(),
            outbox: store.clone(),
            quarantine: store.clone(),
            views: store.clone(),
            desktops: store.clone(),
            statistics: store.clone(),
            webhooks: store.clone(),
            tenant_lives: store.clone(),
            spendings: store.clone(),
            service_routes: store.clone(),
            sign_ins: store,
            reporting,
            sign_in_audit: database.clone(),
            audit_outbox: database.clone(),
            api_keys: database.clone(),
            passkeys: database.clone(),
            personal_records: database.clone(),
            contacts: database.clone(),
            people_imports: database.clone(),
            shifts: database.clone(),
            archive: database.clone(),
            provisioning: database,
            search: Arc::new(MemorySearch::default()),
            clock,
        }
    }
}
