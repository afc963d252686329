//! The table of requests (`docs/requests.md`): every request of the public API, declared once. Its scope, its name in frames, the
//! page of the book and the OpenAPI document come from here.

use super::{
    DigitsWanted, ForcedState, ForwardMode, FrameField, LoginPassword, MonitorMode, MonitorType, RouteTo, Treatment,
};
use crate::agent::WorkMode;
use crate::event::EventName;
use crate::id::{AgentId, ConnId, Dn};
use crate::userdata::UserData;

/// Whom a request concerns: it decides who carries it out and who may make it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Concern {
    /// One party of a call: the DN that it is made for.
    Party,
    /// A call as a whole, with all its parties.
    WholeCall,
    /// A DN and the agent there.
    Agent,
    /// A call that begins with the request, and its first party.
    NewCall,
    /// A call of others, which a supervisor listens to.
    Monitoring,
    /// An agent whose calls a supervisor will listen to.
    MonitoredAgent,
    /// An agent whose state a supervisor sets.
    SupervisedAgent,
}

impl Concern {
    /// Whether the request names a call.
    pub const fn is_of_call(self) -> bool {
        matches!(self, Self::Party | Self::WholeCall | Self::Monitoring)
    }
}

/// A request as the public API has it.
#[derive(PartialEq, Eq, Debug)]
pub struct RequestType {
    /// Its name in frames, and others that are read as it.
    pub names: &'static [&'static str],
    /// Whom it concerns.
    pub concern: Concern,
    /// Its further fields, without those that every request has.
    pub fields: &'static [FrameField],
    /// The event that says that it was carried out.
    pub answer: EventName,
    /// What it does, one string per source line.
    doc: &'static [&'static str],
}

impl RequestType {
    /// Its name in frames.
    pub const fn name(&self) -> &'static str {
        self.names[0]
    }

    /// What it does, in one line.
    pub fn meaning(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }

    /// The request of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        RequestKind::TABLE.iter().find(|each| each.names.contains(&name))
    }
}

/// Hands the table of requests to the macro of that name, which makes something of every row. A row is
///
/// ```text
/// Variant(argument: Type = [its fields in frames], ...): Message, ["its name in frames", "other names"], Concern => the event that answers it;
/// ```
///
/// `Message` is the row's message in `proto/`, whose fields have the arguments' names; `bare` if the only argument stands there
/// without a message. What concerns a call has its ConnID before the other arguments (`conn_id` in the message, `ConnID` in the
/// frame).
#[macro_export]
macro_rules! with_requests {
    ($make:ident) => {
        $make! {
            calls {
                /// Answers an alerting call (where the phone allows it).
                AnswerCall: OfCall, ["TAnswerCall"], Party => Established;
                /// Releases this DN from the call.
                ReleaseCall: OfCall, ["TReleaseCall"], Party => Released;
                /// Releases every party.
                ClearCall: OfCall, ["TClearCall"], WholeCall => CallDeleted;
                /// Refuses an alerting call and sends it elsewhere.
                RedirectCall(other_dn: Dn = [FrameField::OTHER_DN.required()]): RedirectCall, ["TRedirectCall"], Party => Released;
                /// Hands the call to another number and leaves it. If nobody answers there, the call comes back.
                SingleStepTransfer(other_dn: Dn = [FrameField::OTHER_DN.required()]):
                    SingleStepTransfer, ["TSingleStepTransfer"], Party => Released;
                /// Holds the call and calls another number about it, in a call of its own.
                InitiateTransfer(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    user_data: UserData = [FrameField::USER_DATA]
                ): Consult, ["TInitiateTransfer", "TInitiateConference"], Party => Dialing;
                /// Holds the call, calls another number about it and connects both at once, while that number still rings.
                MuteTransfer(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    user_data: UserData = [FrameField::USER_DATA]
                ): Consult, ["TMuteTransfer"], Party => Released;
                /// Connects the call with the one that was consulted, or that came separately, and leaves both.
                CompleteTransfer(transfer_conn_id: ConnId = [FrameField::TRANSFER_CONN_ID]):
                    WithConsultation, ["TCompleteTransfer"], Party => Released;
                /// Joins the held call and the one that was consulted: all of them hear each other.
                CompleteConference(transfer_conn_id: ConnId = [FrameField::TRANSFER_CONN_ID]):
                    WithConsultation, ["TCompleteConference"], Party => PartyAdded;
                /// Calls another number while the call goes on; it joins when it answers.
                SingleStepConference(other_dn: Dn = [FrameField::OTHER_DN.required()]):
                    WithParty, ["TSingleStepConference"], Party => PartyAdded;
                /// Removes another party from a conference.
                DeleteFromConference(other_dn: Dn = [FrameField::OTHER_DN.required()]):
                    WithParty, ["TDeleteFromConference"], Party => PartyDeleted;
                /// Sends digits to the others, as if they were pressed at this DN.
                SendDtmf(digits: String = [FrameField::DIGITS]): SendDtmf, ["TSendDTMF"], Party => DtmfSent;
                /// The others hear this DN, or the party at `OtherDN`, no more.
                SetMuteOn(other_dn: Option<Dn> = [FrameField::PARTY]): OfParty, ["TSetMuteOn"], Party => MuteOn;
                /// The others hear it again.
                SetMuteOff(other_dn: Option<Dn> = [FrameField::PARTY]): OfParty, ["TSetMuteOff"], Party => MuteOff;
                /// This DN, or the party at `OtherDN`, hears the others no more.
                ListenDisconnect(other_dn: Option<Dn> = [FrameField::PARTY]):
                    OfParty, ["TListenDisconnect"], Party => ListenDisconnected;
                /// It hears them again.
                ListenReconnect(other_dn: Option<Dn> = [FrameField::PARTY]):
                    OfParty, ["TListenReconnect"], Party => ListenReconnected;
                /// Rings this DN, which listens to the call of the agent at `OtherDN` once it answers; changes how it does so if it does already.
                MonitorCall(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    monitor_mode: MonitorMode = [FrameField::MONITOR_MODE]
                ): MonitorCall, ["TMonitorCall"], Monitoring => Established;
                /// Records the call from now on: what all parties say to all.
                StartRecording(beep: bool = [FrameField::BEEP]):
                    StartRecording, ["TStartRecording"], Party => AttachedDataChanged;
                /// Ends the recording.
                StopRecording: OfCall, ["TStopRecording"], Party => AttachedDataChanged;
                /// Keeps out of the recording what is said from now on.
                PauseRecording: OfCall, ["TPauseRecording"], Party => AttachedDataChanged;
                /// Goes on with the recording.
                ResumeRecording: OfCall, ["TResumeRecording"], Party => AttachedDataChanged;
                /// Holds this call and takes the other one back from hold.
                AlternateCall(held_conn_id: ConnId = [FrameField::HELD_CONN_ID]):
                    WithHeld, ["TAlternateCall"], Party => Retrieved;
                /// Joins this call and the held one, also one that came separately: all of them hear each other.
                MergeCalls(held_conn_id: ConnId = [FrameField::HELD_CONN_ID]): WithHeld, ["TMergeCalls"], Party => PartyAdded;
                /// Leaves this consultation and takes the held call back.
                ReconnectCall(held_conn_id: ConnId = [FrameField::HELD_CONN_ID]):
                    WithHeld, ["TReconnectCall"], Party => Retrieved;
                /// Puts the call on hold.
                HoldCall: OfCall, ["THoldCall"], Party => Held;
                /// Takes the call back from hold.
                RetrieveCall: OfCall, ["TRetrieveCall"], Party => Retrieved;
                /// Routes a call that waits on a route point.
                RouteCall(
                    to: RouteTo = [FrameField::DESTINATION, FrameField::AGENT_ID, FrameField::ROUTE_TYPE, FrameField::STATUS]
                ): RouteCall, ["TRouteCall"], Party => RouteUsed;
                /// Applies a treatment to a call that waits on a route point; or to this DN, or the party at `OtherDN`, in a call: that one alone
                /// hears it.
                ApplyTreatment(
                    treatment: Treatment = [FrameField::TREATMENT_TYPE, FrameField::PARAMETERS],
                    other_dn: Option<Dn> = [FrameField::PARTY]
                ): ApplyTreatment, ["TApplyTreatment"], Party => TreatmentApplied;
                /// Collects digits from this DN, or the party at `OtherDN`: that one alone hears the prompts.
                CollectDigits(
                    digits: DigitsWanted = [FrameField::PARAMETERS],
                    other_dn: Option<Dn> = [FrameField::PARTY]
                ): CollectDigits, ["TCollectDigits"], Party => DigitsCollected;
                /// Ends the treatment in progress: of the call on the route point, or what this DN has applied.
                StopTreatment: OfCall, ["TStopTreatment"], Party => ACK;
                /// Adds or replaces pairs of the user data.
                UpdateUserData(user_data: UserData = [FrameField::USER_DATA]):
                    UpdateUserData, ["TUpdateUserData", "TAttachUserData"], WholeCall => AttachedDataChanged;
                /// Removes a pair.
                DeletePair(key: String = [FrameField::KEY]): DeletePair, ["TDeletePair"], WholeCall => AttachedDataChanged;
                /// Removes all pairs.
                DeleteUserData: OfCall, ["TDeleteUserData"], WholeCall => AttachedDataChanged;
                /// Queries a call's parties.
                QueryCall: OfCall, ["TQueryCall"], WholeCall => PartyInfo;
            }
            others {
                /// Calls a number from this DN: its phone rings first; once it is answered, the number is called.
                MakeCall(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    user_data: UserData = [FrameField::USER_DATA]
                ): MakeCall, ["TMakeCall"], NewCall => Dialing;
                /// Calls a number for this route point, without an agent; who answers waits there.
                MakePredictiveCall(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    user_data: UserData = [FrameField::USER_DATA]
                ): MakeCall, ["TMakePredictiveCall"], NewCall => Dialing;
                /// Logs an agent in on this DN: that one, or the one whose default place holds this DN.
                AgentLogin(
                    agent: Option<AgentId> = [FrameField::AGENT_ID],
                    work_mode: WorkMode = [FrameField::WORK_MODE],
                    password: LoginPassword = [FrameField::PASSWORD]
                ): AgentLogin, ["TAgentLogin"], Agent => AgentLogin;
                /// Logs the agent on this DN out.
                AgentLogout: Nothing, ["TAgentLogout"], Agent => AgentLogout;
                /// The agent on this DN takes calls.
                AgentReady(work_mode: WorkMode = [FrameField::WORK_MODE]): bare, ["TAgentSetReady"], Agent => AgentReady;
                /// The agent on this DN takes no calls.
                AgentNotReady(work_mode: WorkMode = [FrameField::WORK_MODE]):
                    bare, ["TAgentSetNotReady"], Agent => AgentNotReady;
                /// This DN monitors calls of the agent at `OtherDN`: the next one, all from now on, or the one in progress.
                MonitorNextCall(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    monitor_mode: MonitorMode = [FrameField::MONITOR_MODE],
                    monitor_type: MonitorType = [FrameField::MONITOR_TYPE]
                ): MonitorNextCall, ["TMonitorNextCall"], MonitoredAgent => MonitoringNextCall;
                /// This DN monitors no further calls of the agent at `OtherDN`.
                CancelMonitoring(other_dn: Dn = [FrameField::OTHER_DN.required()]):
                    CancelMonitoring, ["TCancelMonitoring"], MonitoredAgent => MonitoringCancelled;
                /// Sends pairs to those who follow the events of this DN.
                UserEvent(user_data: UserData = [FrameField::USER_DATA]): UserEvent, ["TSendUserEvent"], Agent => UserEvent;
                /// No call rings at this DN any more: who calls it finds it busy.
                SetDndOn: Nothing, ["TSetDNDOn"], Agent => DNDOn;
                /// Calls ring at this DN again.
                SetDndOff: Nothing, ["TSetDNDOff"], Agent => DNDOff;
                /// Calls to this DN go on to another number.
                SetForward(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    forward_mode: ForwardMode = [FrameField::FORWARD_MODE]
                ): SetForward, ["TCallSetForward"], Agent => ForwardSet;
                /// Calls to this DN go nowhere else any more.
                CancelForward: Nothing, ["TCallCancelForward"], Agent => ForwardCancel;
                /// Sets the state of the agent at `OtherDN`, whatever that agent does: logged out, not ready or ready.
                ForceAgentState(
                    other_dn: Dn = [FrameField::OTHER_DN.required()],
                    agent_state: ForcedState = [FrameField::AGENT_STATE.required()]
                ): ForceAgentState, ["TForceAgentState"], SupervisedAgent => AgentLogout;
                /// Asks for the present state of a DN, with its calls: where its events begin.
                RegisterAddress: Nothing, ["TRegisterAddress"], Agent => Registered;
                /// Says that this DN is followed no more.
                UnregisterAddress: Nothing, ["TUnregisterAddress"], Agent => Unregistered;
                /// Queries the state of a DN, its agent and its calls.
                QueryAddress: Nothing, ["TQueryAddress"], Agent => AddressInfo;
                /// Queries the server: its version, and how much it has to do for the tenant.
                QueryServer: Nothing, ["TQueryServer"], Agent => ServerInfo;
            }
        }
    };
}

macro_rules! request_kind {
    (
        calls { $(
            $(#[doc = $call_doc:literal])+
            $call:ident $(( $($call_argument:ident: $call_type:ty = [$($call_field:expr),+ $(,)?]),+ $(,)? ))?
                : $call_message:ident, $call_names:tt, $call_concern:ident => $call_answer:ident;
        )+ }
        others { $(
            $(#[doc = $other_doc:literal])+
            $other:ident $(( $($other_argument:ident: $other_type:ty = [$($other_field:expr),+ $(,)?]),+ $(,)? ))?
                : $other_message:ident, $other_names:tt, $other_concern:ident => $other_answer:ident;
        )+ }
    ) => {
        /// The requested action.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum RequestKind {
            $( $(#[doc = $call_doc])+ $call(ConnId $($(, $call_type)+)?), )+
            $( $(#[doc = $other_doc])+ $other $(( $($other_type),+ ))?, )+
        }

        impl RequestKind {
            /// Every request.
            pub const TABLE: &[RequestType] = &[
                $( request_type!([$($call_doc),+] $call_names $call_concern $call_answer [$($($($call_field),+),+)?]), )+
                $( request_type!([$($other_doc),+] $other_names $other_concern $other_answer [$($($($other_field),+),+)?]), )+
            ];

            /// The request as the public API has it.
            pub const fn request_type(&self) -> &'static RequestType {
                match self {
                    $( Self::$call(..) => {
                        const TYPE: &RequestType =
                            &request_type!([$($call_doc),+] $call_names $call_concern $call_answer [$($($($call_field),+),+)?]);
                        TYPE
                    } )+
                    $( Self::$other { .. } => {
                        const TYPE: &RequestType =
                            &request_type!([$($other_doc),+] $other_names $other_concern $other_answer [$($($($other_field),+),+)?]);
                        TYPE
                    } )+
                }
            }

            /// The call that it concerns.
            pub const fn conn_id(&self) -> Option<ConnId> {
                match self {
                    $( Self::$call(id, ..) => Some(*id), )+
                    $( Self::$other { .. } => None, )+
                }
            }
        }
    };
}

macro_rules! request_type {
    ([$($doc:literal),+] $names:tt $concern:ident $answer:ident $fields:tt) => {
        RequestType {
            names: &$names,
            concern: Concern::$concern,
            fields: &$fields,
            answer: EventName::$answer,
            doc: &[$($doc),+],
        }
    };
}

with_requests!(request_kind);

impl RequestKind {
    /// The other one of the two calls of a phone that it concerns, which may have come separately.
    pub const fn other_call(&self) -> Option<ConnId> {
        match self {
            Self::AlternateCall(_, other) | Self::ReconnectCall(_, other) => Some(*other),
            _ => self.joined_call(),
        }
    }

    /// The other one of the two calls that it is to join, which may have come separately.
    pub const fn joined_call(&self) -> Option<ConnId> {
        match self {
            Self::CompleteTransfer(_, other) | Self::CompleteConference(_, other) | Self::MergeCalls(_, other) => {
                Some(*other)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_of_one_request() {
        let names: Vec<&str> = RequestKind::TABLE.iter().flat_map(|each| each.names).copied().collect();
        for (i, name) in names.iter().enumerate() {
            assert!(name.starts_with('T') && !names[..i].contains(name), "{name}");
            assert!(RequestType::named(name).is_some_and(|each| each.names.contains(name)));
        }
        assert_eq!(RequestType::named("TFlyAway"), None);
    }

    #[test]
    fn a_request_knows_its_row_and_its_call() {
        let hold = RequestKind::HoldCall(ConnId(7));
        assert_eq!((hold.request_type().name(), hold.conn_id()), ("THoldCall", Some(ConnId(7))));
        assert_eq!(RequestKind::AgentLogout.request_type().concern, Concern::Agent);
        for each in RequestKind::TABLE {
            assert!(each.meaning().ends_with('.'), "{}", each.name());
        }
    }
}
