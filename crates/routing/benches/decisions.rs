//! Routing decisions per second with 10,000 agents, the cost of an event while 1,000 and 100,000 calls wait, and that of the question why
//! a call waits.
//!
//! `cargo bench -p trunkline-routing --bench decisions`

#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::hint::black_box;
use std::time::Instant;

use model::plan::{AgentProfile, CALLS_AT_ONCE};
use model::{AgentId, CallUuid, ConnId, Dn, Event, EventName, QueueName, SkillName, TenantId, Timestamp};
use routing::{Output, RequestId, Router, Submission, Target};

const AGENTS: usize = 10_000;
/// The most agents of a tenant that are measured.
const MANY_AGENTS: usize = 100_000;
const SKILLS: usize = 40;

fn main() {
    let mut router = with_agents(AGENTS);
    let decisions = 100_000;
    let start = Instant::now();
    for call in 0..decisions {
        decide(&mut router, call, at(call));
    }
    let each = start.elapsed().as_nanos() as f64 / decisions as f64;
    println!("{AGENTS} agents: {each:.0} ns a decision with its confirmation, {:.0} decisions/s", 1e9 / each);
    for waiting in [1_000, 10_000, 100_000] {
        println!("{waiting} calls wait: {:.0} ns an agent's event", event_cost(waiting));
    }
    for agents in [AGENTS, MANY_AGENTS] {
        println!("{agents} agents: {:.0} ns the question why a call waits", question_cost(agents));
    }
}

fn at(n: usize) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + n as u64)
}

fn agent(n: usize) -> AgentId {
    AgentId::parse(&format!("a{n}")).unwrap()
}

fn agent_event(name: EventName, n: usize) -> Event {
    Event { agent: Some(agent(n)), this_dn: Some(Dn::parse(&n.to_string()).unwrap()), ..Event::new(name) }
}

fn with_agents(agents: usize) -> Router {
    let mut router = Router::new();
    for n in 0..agents {
        let skills =
            (0..5).map(|k| (SkillName::parse(&format!("S{}", (n * 7 + k) % SKILLS)).unwrap(), (n % 10) as u16));
        let profile = AgentProfile {
            tenant: TenantId::parse("t").unwrap(),
            agent: agent(n),
            skills: skills.collect(),
            calls_max: CALLS_AT_ONCE,
        };
        router.set_profile(&profile, at(0));
        router.observe(&agent_event(EventName::AgentLogin, n), at(0), at(0));
        router.observe(&agent_event(EventName::AgentReady, n), at(n), at(n));
    }
    router
}

fn submission(call: usize, expression: &str, now: Timestamp) -> Submission {
    Submission {
        id: RequestId(call.to_string()),
        call: ConnId(call as u64),
        trace: CallUuid(call as u128),
        ani: None,
        dnis: None,
        queue: QueueName::parse("VQ").unwrap(),
        targets: vec![Target::parse(expression).unwrap()],
        priority: 0,
        queued_at: now,
        times_out_at: None,
        excluded: vec![],
    }
}

/// Submits a call that gets an agent at once, and ends it.
fn decide(router: &mut Router, call: usize, now: Timestamp) {
    let expression = format!("S{} >= 3 & S{} >= 1", call % SKILLS, (call + 1) % SKILLS);
    let _ = router.submit(submission(call, &expression, now), now);
    router.abandon(ConnId(call as u64), now);
    while let Some(output) = router.poll_output() {
        black_box(matches!(output, Output::Offered { .. }));
    }
    black_box(router.take_changes());
}

/// Makes an agent ready and not ready while no call waits for it.
fn event_cost(waiting: usize) -> f64 {
    let mut router = with_agents(AGENTS);
    for call in 0..waiting {
        // No agent has this level: all of them wait.
        router.submit(submission(call, &format!("S{} >= 11", call % SKILLS), at(call)), at(call)).unwrap();
    }
    let events = 100_000_u32;
    let start = Instant::now();
    for n in 0..events as usize {
        let name = if n % 2 == 0 { EventName::AgentNotReady } else { EventName::AgentReady };
        router.observe(&agent_event(name, n / 2 % AGENTS), at(n), at(n));
    }
    start.elapsed().as_nanos() as f64 / f64::from(events)
}

/// Asks why a call waits for which every second agent has the skill: a third of all is free, others are not ready, or logged out.
fn question_cost(agents: usize) -> f64 {
    let mut router = with_agents(agents);
    for n in 0..agents {
        let name = [EventName::AgentReady, EventName::AgentNotReady, EventName::AgentLogout][n % 3];
        router.observe(&agent_event(name, n), at(n), at(n));
    }
    let excluded = (0..agents).map(agent).take(64).collect();
    let expression = (0..SKILLS / 2).map(|skill| format!("S{skill} >= 1")).collect::<Vec<_>>().join(" | ");
    // Nobody takes it, as after a takeover.
    router.gather();
    router.submit(Submission { excluded, ..submission(1, &expression, at(0)) }, at(0)).unwrap();
    let questions = 1_000_u32;
    let start = Instant::now();
    for _ in 0..questions {
        black_box(router.kept_from(&RequestId("1".to_owned()), 50));
    }
    start.elapsed().as_nanos() as f64 / f64::from(questions)
}
