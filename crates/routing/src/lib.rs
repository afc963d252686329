//! Queues, skill expressions, targets, selection and waiting. No I/O.
//!
//! A [`Router`] keeps the waiting requests and the agents of one tenant. Requests and facts come in. For each match an offer goes out with
//! its reasons: the agents considered, and why each was passed over.

pub mod agents;
pub mod decision;
pub mod expression;
pub mod pool;
pub mod request;
pub mod router;

pub use agents::Session;
pub use decision::{Candidate, Decision, KeptAgents, KeptFromRequest, MatchedSkill, PassedOver};
pub use expression::{ExpressionError, SkillExpression};
pub use request::{Declined, EndReason, RequestId, RequestSnapshot, Stage, Submission, Target};
pub use router::{AgentSnapshot, Changes, Output, Router, RouterSnapshot, Status, SubmitError};
