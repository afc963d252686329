use std::collections::BTreeMap;

use model::event::CallRef;
use model::{CallType, CallUuid, ConnId, EventId, ReferenceId, Seq, TenantId, Token, Value, WorkMode};
use proptest::prelude::*;

use super::*;
use crate::voice_api::{CallPhase, CallState, DnState};

mod courses;
mod setups;

/// A tenant's picture, and beside it what desktops know that only apply what they are told.
struct Desktops {
    picture: TenantPicture,
    told: BTreeMap<Dn, (DnState, BTreeMap<String, CallState>)>,
    seq: u64,
    last: Vec<(Dn, DnMessage)>,
}

fn dn(number: &str) -> Dn {
    Dn::parse(number).unwrap()
}

/// What a desktop knows of a DN of which it was told nothing.
fn unknown(dn: &Dn) -> (DnState, BTreeMap<String, CallState>) {
    (DnSetup::default().shown(dn, None), BTreeMap::new())
}

impl Desktops {
    fn begin(snapshot: &v1::Snapshot) -> Self {
        let picture = TenantPicture::begin(snapshot);
        let numbers = ["7101", "7102", "7103", "9000"].map(dn);
        let told = numbers.into_iter().filter_map(|dn| Some((dn.clone(), pictured(&picture, &dn)?))).collect();
        Self { picture, told, seq: 0, last: Vec::new() }
    }

    /// Phones are registered at 7101 to 7103.
    fn new() -> Self {
        let dns_in_service = ["7101", "7102", "7103"].map(str::to_owned).to_vec();
        Self::begin(&v1::Snapshot { position: "1-0".to_owned(), dns_in_service, ..Default::default() })
    }

    /// Folds a fact of which the subject is clear; returns what it tells, in brief.
    fn fold(&mut self, event: Event) -> Vec<String> {
        let subject = match (&event.call, &event.agent, &event.this_dn) {
            (Some(call), _, _) => Subject::Call(call.conn_id),
            (None, Some(agent), _) => Subject::Agent(agent.clone()),
            (None, None, this) => Subject::Dn(this.clone().unwrap()),
        };
        self.fold_of(subject, event)
    }

    fn fold_of(&mut self, subject: Subject, event: Event) -> Vec<String> {
        self.seq += 1;
        let id = EventId { subject, token: Token(1), seq: Seq(self.seq) };
        let (tenant, at) = (TenantId::parse("acme").unwrap(), Timestamp::from_millis(self.seq * 1_000));
        let stamped = Stamped { id, tenant, at, trace: None, event };
        let mut twin = self.twin();
        self.last = self.picture.fold(&stamped, Position { major: 1, minor: self.seq });
        assert_eq!(twin.fold(&stamped, Position { major: 1, minor: self.seq }), self.last);
        for (dn, message) in &self.last {
            apply(self.told.entry(dn.clone()).or_insert_with(|| unknown(dn)), &message.news);
        }
        self.last.iter().map(|(dn, message)| brief(dn, message)).collect()
    }

    /// The picture of its record, as another replica has it.
    fn twin(&self) -> TenantPicture {
        let mut twin = TenantPicture::of_record(&mut self.picture.record()).unwrap();
        twin.calls.calls_max = self.picture.calls.calls_max;
        assert_eq!((twin.position(), twin.dns.len()), (self.picture.position(), self.picture.dns.len()));
        assert_eq!(twin.courses, self.picture.courses);
        for dn in self.told.keys() {
            assert_eq!(twin.dn(dn.as_str()), self.picture.dn(dn.as_str()), "{dn}");
            assert_eq!(twin.is_registered(dn.as_str()), self.picture.is_registered(dn.as_str()), "{dn}");
        }
        twin
    }

    /// The calls of a DN by its picture.
    fn calls(&self, number: &str) -> Vec<CallState> {
        match self.picture.dn(number) {
            Some(DnNews::Picture { calls, .. }) => calls,
            _ => Vec::new(),
        }
    }

    fn call(&self, number: &str, conn_id: u64) -> CallState {
        let id = ConnId(conn_id).to_string();
        self.calls(number).into_iter().find(|call| call.id == id).expect("the DN has the call")
    }

    fn state(&self, number: &str) -> DnState {
        match self.picture.dn(number) {
            Some(DnNews::Picture { dn, .. }) => dn,
            other => panic!("no picture of {number}: {other:?}"),
        }
    }

    /// Each DN's picture is what it was told.
    fn agree(&self) {
        for (dn, told) in &self.told {
            let pictured = pictured(&self.picture, dn).unwrap_or_else(|| unknown(dn));
            assert_eq!(&pictured, told, "{dn}");
        }
    }
}

fn pictured(picture: &TenantPicture, dn: &Dn) -> Option<(DnState, BTreeMap<String, CallState>)> {
    match picture.dn(dn.as_str())? {
        DnNews::Picture { dn, calls } => Some((dn, calls.into_iter().map(|call| (call.id.clone(), call)).collect())),
        other => panic!("no picture: {other:?}"),
    }
}

/// As published clients take a message in.
fn apply((state, calls): &mut (DnState, BTreeMap<String, CallState>), news: &DnNews) {
    match news {
        DnNews::Dn { dn } => *state = dn.clone(),
        DnNews::Call { call, .. } if call.state == CallPhase::Released => drop(calls.remove(&call.id)),
        DnNews::Call { call, .. } => {
            if let Some(previous) = &call.previous_conn_id {
                calls.remove(previous);
            }
            calls.insert(call.id.clone(), call.clone());
        }
        _ => {}
    }
}

fn brief(dn: &Dn, message: &DnMessage) -> String {
    let answers = if message.reference == 0 { String::new() } else { format!(" #{}", message.reference) };
    let news = match &message.news {
        DnNews::Picture { .. } => "Picture".to_owned(),
        DnNews::Dn { dn } => format!("{:?} {}", dn.agent_state, dn.agent_work_mode),
        DnNews::Call { call, notification } => {
            format!("c{} {:?} {notification:?}", call.id.trim_start_matches('0'), call.state)
        }
        DnNews::Monitoring { started, other_dn, .. } => format!("Monitoring {started} {other_dn}"),
        DnNews::UserEvent { user_data } => format!("UserEvent {}", user_data.len()),
        DnNews::NoPicture { code, .. } => format!("NoPicture {code}"),
        DnNews::Error { code, .. } => format!("Error {code}"),
    };
    format!("{dn} {news}{answers}")
}

fn call_ref(conn_id: u64, call_type: CallType, previous: Option<u64>) -> CallRef {
    CallRef {
        conn_id: ConnId(conn_id),
        uuid: CallUuid(u128::from(conn_id)),
        thread: CallUuid(1),
        previous: previous.map(ConnId),
        call_type,
        propagated_type: None,
        ani: Some("+15550100".to_owned()),
        dnis: Some("9000".to_owned()),
    }
}

/// A fact of the inbound call 1 at a DN.
fn inbound(name: EventName, this: &str, other: Option<&str>) -> Event {
    Event {
        call: Some(call_ref(1, CallType::Inbound, None)),
        this_dn: Some(dn(this)),
        this_role: Some(DnRole::Destination),
        other_dn: other.map(str::to_owned),
        other_role: other.map(|_| DnRole::Origination),
        ..Event::new(name)
    }
}

/// A fact of the consultation 2 about call 1.
fn consult(name: EventName, this: &str, role: DnRole, other: &str) -> Event {
    let other_role = if role == DnRole::Origination { DnRole::Destination } else { DnRole::Origination };
    Event {
        call: Some(call_ref(2, CallType::Consult, Some(1))),
        this_role: Some(role),
        other_role: Some(other_role),
        ..inbound(name, this, Some(other))
    }
}

fn answering(event: Event, reference: u64) -> Event {
    Event { reference: ReferenceId(reference), requester: Some("person/ann".to_owned()), ..event }
}

fn of_agent(name: EventName, this: &str, agent: &str, mode: WorkMode) -> Event {
    Event { this_dn: Some(dn(this)), agent: AgentId::parse(agent).ok(), work_mode: Some(mode), ..Event::new(name) }
}

fn of_dn(name: EventName, this: &str) -> Event {
    Event { this_dn: Some(dn(this)), ..Event::new(name) }
}

fn people(call: &CallState) -> Vec<(&str, &str)> {
    call.participants.iter().map(|there| (there.number.as_str(), there.role.as_str())).collect()
}

fn can(call: &CallState, names: &[&str]) -> bool {
    names.iter().all(|name| call.capabilities.iter().any(|there| there == name))
}

fn cannot(call: &CallState, names: &[&str]) -> bool {
    names.iter().all(|name| call.capabilities.iter().all(|there| there != name))
}

// === whatever happens ===

const NAMES: &[EventName] = &[
    EventName::Dialing,
    EventName::NetworkReached,
    EventName::Ringing,
    EventName::Established,
    EventName::Established,
    EventName::Held,
    EventName::Retrieved,
    EventName::Released,
    EventName::Abandoned,
    EventName::PartyAdded,
    EventName::PartyDeleted,
    EventName::PartyChanged,
    EventName::AttachedDataChanged,
    EventName::DtmfSent,
    EventName::ACK,
    EventName::CallDeleted,
    EventName::AgentLogin,
    EventName::AgentReady,
    EventName::AgentNotReady,
    EventName::AgentLogout,
    EventName::DNBackInService,
    EventName::DNOutOfService,
    EventName::DNDOn,
    EventName::DNDOff,
    EventName::ForwardSet,
    EventName::ForwardCancel,
    EventName::Registered,
    EventName::Error,
    EventName::UserEvent,
];

const PHONES: &[&str] = &["7101", "7102", "7103"];
const NUMBERS: &[&str] = &["7101", "7102", "7103", "+15550100"];
const MODES: &[&str] = &["mute", "coach", "connect"];
const STATES: &[&str] = &["Ready", "NotReady", "BusyReady"];

fn any_role() -> impl Strategy<Value = Option<DnRole>> {
    prop::option::weighted(0.9, prop::sample::select(DnRole::ALL))
}

fn any_extensions() -> impl Strategy<Value = UserData> {
    let mode = prop::sample::select(MODES).prop_map(|mode| ("MonitorMode", Value::from(mode)));
    let kind = Just(("AddressType", Value::from("DN")));
    let state = prop::sample::select(STATES).prop_map(|state| ("AgentState", Value::from(state)));
    let forward = Just(("ForwardOnBusy", Value::from("7109")));
    let in_service = Just(("InService", Value::Int(1)));
    let made_at = (0..40_u64).prop_map(|at| ("Position", Value::from(format!("1-{at}"))));
    let pair = prop_oneof![mode, kind, state, forward, in_service, made_at];
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.into_iter().collect::<UserData>())
}

prop_compose! {
    fn any_fact()(
        name in prop::sample::select(NAMES),
        this in prop::sample::select(PHONES),
        (other, third) in (any_number(), any_number()),
        (this_role, other_role) in (any_role(), any_role()),
        (conn_id, previous) in (1..4_u64, prop::option::of(1..4_u64)),
        call_type in prop::sample::select(CallType::ALL),
        agent in prop_oneof![Just("1001"), Just("1002")],
        reference in prop_oneof![Just(0_u64), 1..9_u64],
        data in prop_oneof![Just("a"), Just("b")],
        extensions in any_extensions(),
    ) -> Event {
        let user_data = [("Key", data)].into_iter().collect();
        let event = Event { this_dn: Some(dn(this)), other_dn: other, user_data, extensions, ..Event::new(name) };
        let event = if reference == 0 { event } else { answering(event, reference) };
        match name {
            EventName::AgentLogin | EventName::AgentReady | EventName::AgentNotReady | EventName::AgentLogout => {
                Event { agent: AgentId::parse(agent).ok(), ..event }
            }
            EventName::Registered if data == "a" => Event { agent: AgentId::parse(agent).ok(), ..event },
            EventName::Registered | EventName::DNBackInService | EventName::DNOutOfService | EventName::DNDOn
            | EventName::DNDOff | EventName::ForwardSet | EventName::ForwardCancel | EventName::UserEvent => event,
            _ => Event {
                call: Some(call_ref(conn_id, call_type, previous)),
                this_role,
                other_role,
                third_party_dn: third,
                ..event
            },
        }
    }
}

fn any_number() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.8, prop::sample::select(NUMBERS).prop_map(str::to_owned))
}

proptest! {
    /// Also for calls that the picture drops because there are too many.
    #[test]
    fn what_a_desktop_was_told_is_its_dns_picture(facts in prop::collection::vec(any_fact(), 1..80), calls_max in 1..4_usize) {
        let mut desktops = Desktops::new();
        desktops.picture.calls.calls_max = calls_max;
        for event in facts {
            desktops.fold(event);
            desktops.agree();
        }
        prop_assert!(desktops.picture.calls.known.len() <= calls_max);
    }

    /// A fact that comes once more, as after a store that came back empty, is not told again.
    #[test]
    fn a_fact_of_a_call_counts_once(facts in prop::collection::vec(any_fact(), 1..40)) {
        let mut desktops = Desktops::new();
        for event in facts.into_iter().filter(|event| event.call.is_some() && event.name != EventName::Error) {
            let conn_id = event.call.as_ref().map_or(ConnId(0), |call| call.conn_id);
            desktops.fold(event.clone());
            let is_known = desktops.picture.calls.known.contains_key(&conn_id);
            desktops.seq -= 1;
            let told = desktops.fold(event);
            prop_assert!(!is_known || told.is_empty(), "{told:?}");
        }
    }
}
