//! Port 2060 of tenant: a program that follows statistics while calls run, asks for what there is not, and comes back after a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::v1;
use contracts::v1::statistic_reading::Value;
use contracts::v1::statistics_client::StatisticsClient;
use contracts::v1::{StatisticNotificationMode as Mode, StatisticRefusal as Why};
use testkit::agents::baresip_agent;
use testkit::caller::Caller;
use testkit::facts::{bearing, connect, runtime, tenant_role};
use testkit::{Answer, Installation, Watch, wait};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::facts::token;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const STATISTICS: u16 = 2_060;
const POINT: &str = "9000";
/// References of what the program has open.
const STATE: u64 = 1;
const HANDLED: u64 = 2;
const WAITING: u64 = 3;
const ANSWERED: u64 = 4;
const LOGGED_IN: u64 = 5;
const IN_STATE: u64 = 6;

/// What a program has been told.
#[derive(Clone, Debug, Default)]
struct Told {
    readings: BTreeMap<u64, v1::StatisticReading>,
    /// How many values of each reference.
    counts: BTreeMap<u64, usize>,
    refused: Vec<v1::StatisticRefused>,
    positions: Vec<String>,
    ended: Option<String>,
}

impl Told {
    fn number(&self, reference: u64) -> Option<u64> {
        match self.readings.get(&reference)?.value {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    fn status(&self) -> Option<&str> {
        match self.readings.get(&STATE)?.value.as_ref()? {
            Value::State(state) => Some(state.status.as_str()),
            _ => None,
        }
    }
}

/// A program that follows statistics; it ends when dropped.
struct Program {
    told: Arc<Mutex<Told>>,
    asked: mpsc::Sender<v1::FollowStatisticsRequest>,
    runtime: Runtime,
}

impl Program {
    fn start(site: &Installation, open: Vec<v1::OpenStatistic>) -> Result<Self> {
        let operator = site.demo.tokens.get("operator").context("no operator's token")?;
        let (asked, requests) = mpsc::channel(8);
        let request = bearing(ReceiverStream::new(requests), operator)?;
        let runtime = runtime()?;
        let told: Arc<Mutex<Told>> = Arc::default();
        let (notes, place) = (Arc::clone(&told), tenant_role(site, STATISTICS));
        asked.try_send(v1::FollowStatisticsRequest { open, close: Vec::new() })?;
        let mut answers = runtime.block_on(async {
            let answers = StatisticsClient::new(connect(place).await?).follow(request).await?;
            anyhow::Ok(answers.into_inner())
        })?;
        runtime.spawn(async move {
            let ended = loop {
                match answers.message().await {
                    Ok(Some(message)) => note(&notes, message),
                    Ok(None) => break "it ended".to_owned(),
                    Err(status) => break status.to_string(),
                }
            };
            notes.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(ended);
        });
        Ok(Self { told, asked, runtime })
    }

    fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn asks(&self, request: v1::FollowStatisticsRequest) -> Result<()> {
        Ok(self.runtime.block_on(self.asked.send(request))?)
    }

    /// Waits until what was told is as it is wanted.
    fn becomes(&self, what: &str, wanted: impl Fn(&Told) -> bool) -> Result<Told> {
        let come = wait::until(LATER, || {
            let told = self.told();
            match (&told.ended, wanted(&told)) {
                (_, true) => Ok(Some(told)),
                (Some(ended), false) => bail!("the stream is over: {ended}"),
                (None, false) => Ok(None),
            }
        });
        come.with_context(|| format!("{what}: {:?}", self.told()))
    }
}

fn note(notes: &Mutex<Told>, message: v1::FollowStatisticsResponse) {
    let mut told = notes.lock().unwrap_or_else(PoisonError::into_inner);
    for v1::StatisticTold { reference, value } in message.values {
        told.readings.extend(value.map(|value| (reference, value)));
        *told.counts.entry(reference).or_default() += 1;
    }
    told.refused.extend(message.refused);
    told.positions.push(message.position);
}

fn named(name: &str, object_type: &str, object_id: &str) -> v1::StatisticRequest {
    v1::StatisticRequest {
        name: name.to_owned(),
        object_type: object_type.to_owned(),
        object_id: object_id.to_owned(),
        ..Default::default()
    }
}

fn open(reference: u64, request: v1::StatisticRequest) -> v1::OpenStatistic {
    v1::OpenStatistic { reference, request: Some(request) }
}

/// Calls that the agent's phone rang for: nobody counts them unless a program asks.
fn offered() -> v1::StatisticRequest {
    let definition = v1::StatisticDefinition {
        category: "TotalNumber".to_owned(),
        subject: "DNAction".to_owned(),
        main_mask: vec!["CallRingingStarted".to_owned()],
        ..Default::default()
    };
    v1::StatisticRequest { definition: Some(definition), ..named("", "Agent", "1001") }
}

fn desk() -> Vec<v1::OpenStatistic> {
    vec![
        open(STATE, named("CurrentAgentState", "Agent", "ada.adler")),
        open(HANDLED, named("CallsHandled", "Agent", "1001")),
        open(WAITING, named("CurrentCallsWaiting", "RoutePoint", POINT)),
        open(ANSWERED, named("CallsAnswered", "RoutePoint", POINT)),
    ]
}

/// A call from outside that the agent at 7101 takes and ends.
fn a_call(site: &Installation, watch: &Watch, program: &Program, number: u64) -> Result<()> {
    let caller = Caller::dial(site, "caller-until-bye.xml", u8::try_from(number)?, site.number("sales")?, &[])?;
    program.becomes("a caller who waits", |told| told.number(WAITING) == Some(1))?;
    let mut agent = baresip_agent(site, 10, "7101", Answer::Auto)?;
    program.becomes("the conversation", |told| told.status() == Some("CallInbound"))?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    watch.wait_for_count("CallDeleted", usize::try_from(number)?, LATER)?;
    Ok(())
}

#[test]
fn a_program_follows_the_statistics_of_agents_and_queues_while_calls_run() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let program = Program::start(&site, desk())?;
    let first = program.becomes("a value of each", |told| told.readings.len() == 4)?;
    ensure!(first.status() == Some("LoggedOut") && first.number(HANDLED) == Some(0), "{first:?}");
    a_call(&site, &watch, &program, 1)?;
    let done = program.becomes("a handled call", |told| {
        (told.number(HANDLED), told.number(ANSWERED), told.number(WAITING)) == (Some(1), Some(1), Some(0))
    })?;
    ensure!(done.readings[&HANDLED].counts_since_us.is_some(), "{done:?}");
    ensure!(done.readings[&STATE].counts_since_us.is_none(), "a state is of now: {done:?}");

    // Others may be opened, at intervals too, and what is closed is told no more.
    let often = Some(v1::StatisticNotification { mode: Mode::Periodical.into(), insensitivity: 0, every_s: 1 });
    let in_state = v1::StatisticRequest { notification: often, ..named("TimeInCurrentState", "Agent", "1001") };
    let group = named("CurrentLoggedInAgents", "GroupAgents", "Robots");
    let more = vec![open(IN_STATE, in_state), open(LOGGED_IN, group)];
    program.asks(v1::FollowStatisticsRequest { open: more, close: vec![HANDLED] })?;
    let ticked = program.becomes("three seconds", |told| told.counts.get(&IN_STATE).is_some_and(|count| *count > 3))?;
    ensure!(ticked.number(LOGGED_IN).is_some() && ticked.refused.is_empty(), "{ticked:?}");

    // An open stream says how far it has come while nothing happens.
    let signs = program.told().positions.len();
    program.becomes("a sign of life", |told| told.positions.len() > signs)?;
    site.metric_becomes("tenant", "tenant_statistics_streams", 1.0, SOON)?;
    drop(program);
    site.metric_becomes("tenant", "tenant_statistics_streams", 0.0, SOON)?;
    site.is_at_rest()
}

#[test]
fn counts_go_on_after_a_crash_of_the_process() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut wanted = desk();
    wanted.push(open(LOGGED_IN, offered()));
    let program = Program::start(&site, wanted.clone())?;
    program.becomes("a value of each", |told| told.readings.len() == 5)?;
    a_call(&site, &watch, &program, 1)?;
    let before = program.becomes("an offered call", |told| told.number(LOGGED_IN) == Some(1))?;
    program.becomes("a handled call", |told| told.number(HANDLED) == Some(1))?;
    drop(program);
    let site = site.crash_and_restart()?;
    let program = wait::until(LATER, || Ok(Program::start(&site, wanted.clone()).ok())).context("2060 is away")?;
    let after = program.becomes("a value of each", |told| told.readings.len() == 5)?;
    ensure!(after.number(HANDLED) == Some(1) && after.number(LOGGED_IN) == Some(1), "{before:?}, then {after:?}");
    let since = |told: &Told| told.readings[&LOGGED_IN].counts_since_us;
    ensure!(since(&before) == since(&after), "{before:?}, then {after:?}");
    Ok(())
}

#[test]
fn who_may_not_ask_and_what_there_is_not_are_refused() -> Result<()> {
    let site = Installation::start()?;
    let runtime = runtime()?;
    let peeked = |token: &str, statistics: Vec<v1::OpenStatistic>| -> Result<v1::PeekStatisticsResponse> {
        let request = bearing(v1::PeekStatisticsRequest { statistics }, token)?;
        let place = tenant_role(&site, STATISTICS);
        runtime.block_on(async {
            let answer = StatisticsClient::new(connect(place).await?).peek(request).await?;
            anyhow::Ok(answer.into_inner())
        })
    };
    let operator = site.demo.tokens.get("operator").context("no operator's token")?;
    let asked = vec![
        open(1, named("CurrentAgentState", "Agent", "1001")),
        open(2, named("CallsHandled", "Agent", "nobody")),
        open(3, named("Fame", "Agent", "1001")),
        open(4, named("Answered in time", "RoutePoint", POINT)),
    ];
    let answer = peeked(operator, asked)?;
    let told: Vec<u64> = answer.values.iter().map(|told| told.reference).collect();
    let refused: Vec<(u64, Why)> = answer.refused.iter().map(|refused| (refused.reference, refused.why())).collect();
    ensure!(told == [1, 4] && refused == [(2, Why::Unknown), (3, Why::Unknown)], "{answer:?}");

    let code = |token: &str, count: u64| -> Result<tonic::Code> {
        let many = (0..count).map(|reference| open(reference, offered())).collect();
        let error = peeked(token, many).err().context("it is not refused")?;
        error.downcast_ref::<tonic::Status>().map(tonic::Status::code).with_context(|| format!("{error:#}"))
    };
    ensure!(code(operator, 501)? == tonic::Code::InvalidArgument);
    let powerless = token(&site, &["--tenant", "example", "--scope", "config:read", "--sub", "tool/powerless"])?;
    let of_voice = token(&site, &["--tenant", "example", "--scope", "agents:control", "--sub", "tool/agents"])?;
    ensure!(code(&powerless, 1)? == tonic::Code::Unauthenticated, "a token of another family");
    ensure!(code(&of_voice, 1)? == tonic::Code::PermissionDenied, "a token without the scope");
    Ok(())
}
