//! The table of requests (domain section 1.5): every request of the public API, declared once. Its scope, its name in frames, the
//! page of the book and the OpenAPI document come from here.

use super::{FrameField, RouteTo, Treatment};
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
}

impl Concern {
    /// Whether the request names a call.
    pub const fn is_of_call(self) -> bool {
        matches!(self, Self::Party | Self::WholeCall)
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

/// Declares [`RequestKind`]: what concerns a call begins with its ConnID.
macro_rules! requests {
    (
        calls { $( $(#[doc = $call_doc:literal])+ $call:ident ( $($of_call:ty),+ ) = $call_type:tt )+ }
        agents { $( $(#[doc = $agent_doc:literal])+ $agent:ident $(( $($tuple:tt)+ ))? $({ $($members:tt)+ })? = $agent_type:tt )+ }
    ) => {
        /// The requested action.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum RequestKind {
            $( $(#[doc = $call_doc])+ $call ( $($of_call),+ ), )+
            $( $(#[doc = $agent_doc])+ $agent $(( $($tuple)+ ))? $({ $($members)+ })?, )+
        }

        impl RequestKind {
            /// Every request.
            pub const TABLE: &[RequestType] = &[
                $( request_type!([$($call_doc),+] $call_type), )+
                $( request_type!([$($agent_doc),+] $agent_type), )+
            ];

            /// The request as the public API has it.
            pub const fn request_type(&self) -> &'static RequestType {
                match self {
                    $( Self::$call(..) => { const TYPE: &RequestType = &request_type!([$($call_doc),+] $call_type); TYPE } )+
                    $( Self::$agent { .. } => { const TYPE: &RequestType = &request_type!([$($agent_doc),+] $agent_type); TYPE } )+
                }
            }

            /// The call that it concerns.
            pub const fn conn_id(&self) -> Option<ConnId> {
                match self {
                    $( Self::$call(id, ..) => Some(*id), )+
                    $( Self::$agent { .. } => None, )+
                }
            }
        }
    };
}

macro_rules! request_type {
    ([$($doc:literal),+] { names: $names:tt, concern: $concern:ident, fields: $fields:tt, answer: $answer:ident }) => {
        RequestType {
            names: &$names,
            concern: Concern::$concern,
            fields: &$fields,
            answer: EventName::$answer,
            doc: &[$($doc),+],
        }
    };
}

requests! {
    calls {
        /// Answers an alerting call (where the phone allows it).
        AnswerCall(ConnId) = { names: ["TAnswerCall"], concern: Party, fields: [], answer: Established }
        /// Releases this DN from the call.
        ReleaseCall(ConnId) = { names: ["TReleaseCall"], concern: Party, fields: [], answer: Released }
        /// Releases every party.
        ClearCall(ConnId) = { names: ["TClearCall"], concern: WholeCall, fields: [], answer: CallDeleted }
        /// Refuses an alerting call and sends it elsewhere.
        RedirectCall(ConnId, Dn) =
            { names: ["TRedirectCall"], concern: Party, fields: [FrameField::OTHER_DN.required()], answer: Released }
        /// Puts the call on hold.
        HoldCall(ConnId) = { names: ["THoldCall"], concern: Party, fields: [], answer: Held }
        /// Takes the call back from hold.
        RetrieveCall(ConnId) = { names: ["TRetrieveCall"], concern: Party, fields: [], answer: Retrieved }
        /// Routes a call that waits on a route point.
        RouteCall(ConnId, RouteTo) = {
            names: ["TRouteCall"],
            concern: Party,
            fields: [FrameField::OTHER_DN, FrameField::AGENT_ID, FrameField::ROUTE_TYPE, FrameField::STATUS],
            answer: RouteUsed
        }
        /// Applies a treatment to a call that waits on a route point.
        ApplyTreatment(ConnId, Treatment) = {
            names: ["TApplyTreatment"],
            concern: Party,
            fields: [FrameField::TREATMENT_TYPE, FrameField::PARAMETERS],
            answer: TreatmentApplied
        }
        /// Ends the treatment in progress.
        StopTreatment(ConnId) = { names: ["TStopTreatment"], concern: Party, fields: [], answer: TreatmentEnd }
        /// Adds or replaces pairs of the user data.
        UpdateUserData(ConnId, UserData) = {
            names: ["TUpdateUserData", "TAttachUserData"],
            concern: WholeCall,
            fields: [FrameField::USER_DATA],
            answer: AttachedDataChanged
        }
        /// Removes a pair.
        DeletePair(ConnId, String) =
            { names: ["TDeletePair"], concern: WholeCall, fields: [FrameField::KEY], answer: AttachedDataChanged }
        /// Removes all pairs.
        DeleteUserData(ConnId) =
            { names: ["TDeleteUserData"], concern: WholeCall, fields: [], answer: AttachedDataChanged }
        /// Queries a call's parties.
        QueryCall(ConnId) = { names: ["TQueryCall"], concern: WholeCall, fields: [], answer: PartyInfo }
    }
    agents {
        /// Logs an agent in on this DN.
        AgentLogin {
            /// The agent; none means the one whose default place holds this DN.
            agent: Option<AgentId>,
            /// The state to begin in.
            work_mode: WorkMode,
        } = {
            names: ["TAgentLogin"],
            concern: Agent,
            fields: [FrameField::AGENT_ID, FrameField::WORK_MODE],
            answer: AgentLogin
        }
        /// Logs the agent on this DN out.
        AgentLogout = { names: ["TAgentLogout"], concern: Agent, fields: [], answer: AgentLogout }
        /// The agent on this DN takes calls.
        AgentReady(WorkMode) =
            { names: ["TAgentSetReady"], concern: Agent, fields: [FrameField::WORK_MODE], answer: AgentReady }
        /// The agent on this DN takes no calls.
        AgentNotReady(WorkMode) =
            { names: ["TAgentSetNotReady"], concern: Agent, fields: [FrameField::WORK_MODE], answer: AgentNotReady }
        /// Queries the state of a DN and its agent.
        QueryAddress = { names: ["TQueryAddress"], concern: Agent, fields: [], answer: AddressInfo }
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
