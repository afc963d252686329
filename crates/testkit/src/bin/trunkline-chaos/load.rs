//! The load: callers and agents' phones, all of them SIPp.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::sipp::Running;
use testkit::{Installation, Sipp, wait};

use crate::clock;
use crate::ears::Ears;
use crate::legs::{self, Leg, Side};
use crate::tenant::{KINDS, Kind, PASSWORD};

const REGISTERED_WITHIN: Duration = Duration::from_secs(60);
/// A call that has not ended by then is stuck: the longest pauses and the last retransmission of a request are shorter.
const OVER_WITHIN: Duration = Duration::from_secs(75);
/// The mean duration of a call, in seconds.
const LIFE_S: f64 = 15.0;
const FIRST_EAR: u16 = 31_000;
const BURST_CALLS: u32 = 200;
const BURST_A_SECOND: u32 = 5_000;

/// Values for the placeholders of a scenario.
type Marks = [(&'static str, u32)];

/// All callers and phones.
pub struct Load {
    runs: Vec<(Side, Kind, Running)>,
    folder: tempfile::TempDir,
    bursts: u8,
    /// The RTP endpoints of the callers with audio.
    pub ears: Ears,
}

impl Load {
    /// Registers the phones, logs the agents in and starts the phones; there are no calls yet.
    pub fn phones(site: &Installation, rate: f64) -> Result<Self> {
        let ears = Ears::listen(site.peer_address(9), FIRST_EAR, ears(rate))?;
        let mut load = Self { runs: Vec::new(), folder: tempfile::tempdir()?, bursts: 0, ears };
        for (host, kind) in (20..).zip(KINDS) {
            let numbers = kind.phone_numbers(rate);
            if numbers.is_empty() {
                continue;
            }
            load.register(site, host, kind, &numbers)?;
            load.start_phone(site, host, kind)?;
            for number in numbers.iter().filter(|_| kind.is_queued()) {
                site.request(&serde_json::json!({"req": "TAgentLogin", "ThisDN": number, "AgentID": number}))?;
                site.request(&serde_json::json!({"req": "TAgentSetReady", "ThisDN": number}))?;
            }
        }
        Ok(load)
    }

    fn register(&self, site: &Installation, host: u8, kind: Kind, numbers: &[String]) -> Result<()> {
        let proof = |number| format!("{number};[authentication username={number} password={PASSWORD}]");
        let lines: Vec<String> = numbers.iter().map(proof).collect();
        let file = self.fields(&format!("register-{}", kind.name()), &lines)?;
        let count = u32::try_from(numbers.len())?;
        Sipp::new("chaos/register.xml", site.peer_address(host), &site.sip())
            .with(&["-inf", &file])
            .calls(count, 40, 40)
            .run(REGISTERED_WITHIN)?
            .expect_success()
            .with_context(|| format!("the phones of {}", kind.name()))
    }

    fn start_phone(&mut self, site: &Installation, host: u8, kind: Kind) -> Result<()> {
        let (file, ring, marks): (&str, &str, &Marks) = match kind {
            Kind::Talk => ("agent-stays", "400", &[]),
            Kind::Ring => ("agent-leaves", "11000", &[("TALK_MIN", 3_000), ("TALK_MAX", 5_000)]),
            Kind::Early => ("agent-stays", "12000", &[]),
            Kind::Leave => ("agent-leaves", "400", &[("TALK_MIN", 8_000), ("TALK_MAX", 16_000)]),
            Kind::Wait => ("agent-leaves", "300", &[("TALK_MIN", 700), ("TALK_MAX", 1_300)]),
            Kind::Hold => (
                "agent-holds",
                "400",
                &[("TALK_MIN", 600), ("TALK_MAX", 1_400), ("HOLD_MIN", 8_000), ("HOLD_MAX", 12_000)],
            ),
            // The caller, or a request, ends these calls.
            Kind::Consult | Kind::Confer | Kind::Monitor | Kind::Guest => ("agent-stays", "400", &[]),
            Kind::Colleague => ("agent-stays", "13000", &[]),
            Kind::Treat | Kind::Burst => return Ok(()),
        };
        // Phones with audio echo the received audio, at SIPp's own port.
        let is_heard = kind == Kind::Talk;
        let scenario = self.scenario(file, &format!("phone-{}", kind.name()), marks, is_heard)?;
        let address = site.peer_address(host);
        let mut run = Sipp::new(&scenario, address, &site.sip())
            .with(&["-key", "rtp_host", &address.to_string(), "-key", "rtp_port", "6000", "-d", ring])
            .with(&["-trace_shortmsg", "-trace_logs"]);
        if is_heard {
            run = run.with(&["-mi", &address.to_string(), "-mp", "6000", "-rtp_echo"]);
        }
        self.runs.push((Side::Phone, kind, run.start()?));
        Ok(())
    }

    /// Starts the callers.
    pub fn callers(&mut self, site: &Installation, rate: f64) -> Result<()> {
        for (host, kind) in (1..).zip(KINDS.into_iter().filter(|kind| kind.share() > 0.0)) {
            let refreshes = [("REFRESH_MIN", 2_500), ("REFRESH_MAX", 3_500)];
            let (file, marks) = match kind {
                Kind::Leave | Kind::Ring | Kind::Wait | Kind::Treat | Kind::Confer => {
                    ("caller-asks", refreshes.to_vec())
                }
                // Four of five continue after each refresh: five refreshes, fifteen seconds.
                Kind::Talk | Kind::Hold | Kind::Monitor => {
                    ("caller-refreshes", [&refreshes[..], &[("ON", 80)]].concat())
                }
                // Long enough for a consultation and a talk with the colleague.
                Kind::Consult => ("caller-refreshes", [&refreshes[..], &[("ON", 95)]].concat()),
                Kind::Early | Kind::Burst | Kind::Colleague | Kind::Guest => {
                    ("caller-refreshes", [&refreshes[..], &[("ON", 25)]].concat())
                }
            };
            let scenario = self.scenario(file, &format!("caller-{}", kind.name()), &marks, false)?;
            let calls_a_second = rate * kind.share();
            let in_ten = (calls_a_second * 10.0).round().max(1.0);
            let at_once = match kind {
                Kind::Wait => (calls_a_second * LIFE_S).round().max(2.0),
                Kind::Early => f64::from(kind.phones(rate)),
                // Twenty refreshes at most.
                Kind::Consult => (calls_a_second * LIFE_S * 4.0).ceil().max(2.0),
                _ => (calls_a_second * LIFE_S * 2.0).ceil().max(2.0),
            };
            let file = self.fields(&format!("caller-{}", kind.name()), &self.fields_of(kind, rate))?;
            let run = caller(site, host, &scenario, &file)
                .with(&["-r", &in_ten.to_string(), "-rp", "10000", "-l", &at_once.to_string()])
                .start()?;
            self.runs.push((Side::Caller, kind, run));
        }
        Ok(())
    }

    fn fields_of(&self, kind: Kind, rate: f64) -> Vec<String> {
        let dialled = kind.dialled(rate);
        if kind != Kind::Talk {
            return dialled.iter().map(|number| format!("{number};31998")).collect();
        }
        let ports = (0..ears(rate)).map(|ear| self.ears.first_port + 2 * ear);
        ports.map(|port| format!("{};{port}", dialled.join(""))).collect()
    }

    /// Lines of the file that assigns RTP endpoints to callers with audio.
    pub fn ear_lines(&self) -> u64 {
        self.ears.count
    }

    /// Many INVITEs at once; returns when the first has been sent.
    pub fn burst(&mut self, site: &Installation, share: f64) -> Result<()> {
        let kind = Kind::Burst;
        let marks = [("REFRESH_MIN", 2_500), ("REFRESH_MAX", 3_500), ("ON", 25)];
        let scenario = self.scenario("caller-refreshes", "caller-burst", &marks, false)?;
        let file = self.fields("caller-burst", &self.fields_of(kind, 1.0))?;
        let calls = (f64::from(BURST_CALLS) * share).ceil().max(4.0).to_string();
        self.bursts += 1;
        let run = caller(site, 40 + self.bursts, &scenario, &file)
            .with(&["-r", &BURST_A_SECOND.to_string(), "-l", "1000", "-m", &calls])
            .start()?;
        let left =
            wait::until(Duration::from_secs(10), || Ok((!run.traces("_shortmessages.log").is_empty()).then_some(())));
        self.runs.push((Side::Caller, kind, run));
        left.context("a burst of INVITEs has not begun")
    }

    /// Stops new calls: the callers end when their calls are over. Returns the number of runs that had to be killed.
    pub fn finish(&mut self) -> Result<usize> {
        let mut callers: Vec<&mut Running> =
            self.runs.iter_mut().filter(|(side, ..)| *side == Side::Caller).map(|(.., run)| run).collect();
        for run in &mut callers {
            if !run.has_ended()? {
                testkit::process::signal(run.pid(), "USR1")?;
            }
        }
        let over = wait::until(OVER_WITHIN, || {
            let mut left = 0;
            for run in &mut callers {
                left += usize::from(!run.has_ended()?);
            }
            Ok((left == 0).then_some(()))
        });
        let mut stuck = 0;
        if over.is_err() {
            for run in &mut callers {
                stuck += usize::from(!run.has_ended()?);
            }
        }
        // Wait for the phones' last answers.
        clock::pass(Duration::from_secs(1))?;
        Ok(stuck)
    }

    /// The traces of all programs; `seal` opens the tags of our nodes.
    pub fn legs(&self, seal: &sip::Seal) -> Vec<Leg> {
        let mut all = Vec::new();
        for (side, kind, run) in &self.runs {
            let of = |ending| run.traces(ending);
            let [messages, notes, errors] = ["_shortmessages.log", "_logs.log", "_errors.log"].map(of);
            let written = legs::SippTexts { messages: &messages, notes: &notes, errors: &errors };
            all.extend(legs::read(*side, *kind, written, seal));
        }
        all
    }

    /// Copies every log into a folder.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for (number, (side, kind, run)) in self.runs.iter().enumerate() {
            for ending in ["shortmessages", "logs", "errors"] {
                let name = format!("{number:02}-{side:?}-{}-{ending}.log", kind.name()).to_lowercase();
                std::fs::write(folder.join(name), run.traces(&format!("_{ending}.log")))?;
            }
        }
        Ok(())
    }

    fn fields(&self, name: &str, lines: &[String]) -> Result<String> {
        let path = self.folder.path().join(format!("{name}.csv"));
        std::fs::write(&path, format!("SEQUENTIAL\n{}\n", lines.join("\n")))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// A scenario with its placeholders filled in.
    fn scenario(&self, file: &str, name: &str, marks: &Marks, is_heard: bool) -> Result<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../scenarios/chaos/{file}.xml"));
        let mut text = std::fs::read_to_string(&source).with_context(|| source.display().to_string())?;
        for (mark, value) in marks {
            // SIPp expects a probability from 0 to 1.
            let value = if *mark == "ON" { format!("0.{value:02}") } else { value.to_string() };
            text = text.replace(&format!("@{mark}@"), &value);
        }
        if is_heard {
            text = text.replace("[rtp_port]", "[media_port]");
        }
        let path = self.folder.path().join(format!("{name}.xml"));
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

fn ears(rate: f64) -> u16 {
    // Enough that a port is reused only when the longest call on it is over.
    (rate * Kind::Talk.share() * LIFE_S * 8.0).ceil().max(8.0) as u16
}

fn caller(site: &Installation, host: u8, scenario: &str, fields: &str) -> Sipp {
    let ear = site.peer_address(9).to_string();
    Sipp::new(scenario, site.peer_address(host), &site.sip())
        .with(&["-inf", fields, "-key", "caller", "+15559001", "-key", "rtp_host", &ear])
        .with(&["-trace_shortmsg"])
}
