//! The calls: short ones, all by SIPp, of which none may fail while the old build serves; and long ones that go on over a changeover.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::agents::sipp_agent;
use testkit::caller::{CALLER, prompt_samples};
use testkit::sipp::Running;
use testkit::{Caller, Endpoint, Installation, Sipp, wait};

/// Calls of one run of SIPp; they are judged together.
const BATCH: u32 = 4;
const BATCH_WITHIN: Duration = Duration::from_secs(120);
/// After so many failed runs a line calls no more.
const FAULTS_MAX: usize = 5;
/// Of what a run of SIPp says of its failure.
const SAID_MAX: usize = 1_500;
/// The agents who take calls: the last octet of the phone's address, and its number.
const AGENTS: [(u8, &str); 3] = [(10, "7101"), (11, "7102"), (12, "7103")];
/// Calls that go on over a changeover, and the last octet of the first one's address.
const LASTING: u8 = 4;
const FIRST_LASTING: u8 = 30;
const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// Samples that a caller must hear to go on: two seconds.
const HEARD: usize = 16_000;
/// How often the announcement is said: some minutes.
const SAID_TIMES: usize = 60;

/// Callers of one number, one after the other.
struct CallLine {
    name: &'static str,
    number: String,
    edge: String,
    address: Ipv4Addr,
    talk_ms: u32,
    period_ms: u32,
}

#[derive(Default)]
struct CallNotes {
    calls: AtomicU32,
    ends: AtomicBool,
    faults: Mutex<Vec<String>>,
}

/// Short calls, again and again.
pub struct ShortCalls {
    threads: Vec<JoinHandle<()>>,
    notes: Arc<CallNotes>,
}

impl ShortCalls {
    /// They begin: to a service, to an application, and through a queue to agents.
    pub fn begin(site: &Installation) -> Result<Self> {
        let notes: Arc<CallNotes> = Arc::default();
        let lines = [("echo", 1, 3_000, 1_000), ("menu", 2, 3_000, 2_000), ("sales", 3, 8_000, 4_000)];
        let threads = lines.into_iter().map(|(name, host, talk_ms, period_ms)| {
            let (number, edge) = (site.number(name)?.to_owned(), site.sip());
            let line = CallLine { name, number, edge, address: site.peer_address(host), talk_ms, period_ms };
            let notes = Arc::clone(&notes);
            anyhow::Ok(std::thread::spawn(move || line.call(&notes)))
        });
        Ok(Self { threads: threads.collect::<Result<_>>()?, notes })
    }

    /// Waits until the present calls are over; returns how many were as they should be, and what failed.
    pub fn end(self) -> Result<(u32, Vec<String>)> {
        self.notes.ends.store(true, Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                bail!("a line of callers has panicked");
            }
        }
        let faults = self.notes.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((self.notes.calls.load(Relaxed), faults))
    }
}

impl CallLine {
    fn call(&self, notes: &CallNotes) {
        let mut failed = 0;
        while !notes.ends.load(Relaxed) && failed < FAULTS_MAX {
            match self.batch() {
                Ok(()) => {
                    notes.calls.fetch_add(BATCH, Relaxed);
                }
                Err(error) => {
                    failed += 1;
                    let mut faults = notes.faults.lock().unwrap_or_else(PoisonError::into_inner);
                    faults.push(format!("calls to {}: {error:#}", self.name));
                }
            }
        }
    }

    /// A run of SIPp, which ends well only if each call was answered, and its BYE too.
    fn batch(&self) -> Result<()> {
        let outcome = Sipp::new("caller.xml", self.address, &self.edge)
            .with(&[
                "-key",
                "caller",
                CALLER,
                "-key",
                "rtp_host",
                &self.address.to_string(),
                "-key",
                "rtp_port",
                "31000",
            ])
            .dial(&self.number)
            .calls(BATCH, 1, BATCH)
            .with(&["-rp", &self.period_ms.to_string(), "-d", &self.talk_ms.to_string()])
            .run(BATCH_WITHIN)?;
        if outcome.code == 0 {
            return Ok(());
        }
        let said: String = outcome.errors.chars().take(SAID_MAX).collect();
        bail!("SIPp has ended with {}: {said}", outcome.code)
    }
}

/// The phones of agents who are logged in and ready; they take one call after the other.
pub struct AgentPhones {
    phones: Vec<(Endpoint, Running)>,
}

impl AgentPhones {
    /// Registers the phones and logs the agents in.
    pub fn begin(site: &Installation) -> Result<Self> {
        let phones = AGENTS.into_iter().map(|(host, extension)| {
            let audio = Endpoint::listen(site.peer_address(host).into())?;
            let run = sipp_agent(site, host, extension, "agent.xml", &audio, &["-d", "300"]);
            anyhow::Ok((audio, run.with_context(|| format!("the agent at {extension}"))?))
        });
        Ok(Self { phones: phones.collect::<Result<_>>()? })
    }

    /// How many calls they have answered.
    pub fn answered(&self) -> usize {
        self.phones.iter().map(|(_, run)| run.acknowledged()).sum()
    }
}

/// Calls that are up while all processes end and others begin.
pub struct LastingCalls {
    callers: Vec<Caller>,
}

impl LastingCalls {
    /// They are answered, speak and hear themselves.
    pub fn begin(site: &Installation) -> Result<Self> {
        let speech = prompt_samples("announcement")?.repeat(SAID_TIMES);
        let mut callers = Vec::new();
        for host in FIRST_LASTING..FIRST_LASTING + LASTING {
            let mut caller = Caller::dial(site, "caller-when-told.xml", host, site.number("echo")?, &[])?;
            let media = caller.answered(SOON)?;
            caller.audio.say(&speech, media)?;
            callers.push(caller);
        }
        let calls = Self { callers };
        calls.hear_more().context("before the processes end")?;
        Ok(calls)
    }

    fn hear_more(&self) -> Result<()> {
        let heard = |caller: &Caller| caller.audio.received().samples.len();
        for (number, caller) in self.callers.iter().enumerate() {
            let before = heard(caller);
            wait::until(LATER, || Ok((heard(caller) >= before + HEARD).then_some(()))).with_context(|| {
                format!("caller {number} heard {before} samples, and then {} in all", heard(caller))
            })?;
        }
        Ok(())
    }

    /// They hear themselves again, hang up, and are answered; returns how many they were.
    pub fn go_on_and_end(self) -> Result<usize> {
        self.hear_more()?;
        let count = self.callers.len();
        for caller in &self.callers {
            caller.hang_up()?;
        }
        for (number, caller) in self.callers.into_iter().enumerate() {
            caller.finish(SOON)?.1.expect_success().with_context(|| format!("the end of caller {number}'s call"))?;
        }
        Ok(count)
    }
}
