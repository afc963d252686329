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
/// The last octet of the first address of callers, above those of phones and bursts.
const FIRST_CALLER: u8 = 100;
/// Retransmissions of an INVITE until its sender gives up (RFC 3261 section 17.1.1.2): SIPp would leave out the last one.
const INVITE_REPEATS: [&str; 2] = ["-max_invite_retrans", "6"];
const BURST_CALLS: u32 = 200;
const BURST_A_SECOND: u32 = 5_000;

/// Values for the placeholders of a scenario.
type Marks = [(&'static str, u32)];

/// A run of SIPp.
struct SippRun {
    side: Side,
    kind: Kind,
    /// By which of the edges, for a caller.
    edge: usize,
    /// Whether its callers have come by this edge since that of their own is away.
    is_guest: bool,
    /// Which share of the RTP endpoints its calls use.
    ears: Option<u64>,
    running: Running,
}

/// All callers and phones.
pub struct Load {
    runs: Vec<SippRun>,
    folder: tempfile::TempDir,
    edges: Vec<String>,
    rate: f64,
    bursts: u8,
    /// The last octet of the next address of a caller.
    next_host: u8,
    /// The RTP endpoints of the callers with audio.
    pub ears: Ears,
}

impl Load {
    /// Registers the phones by every edge, logs the agents in and starts the phones; there are no calls yet.
    pub fn phones(site: &Installation, rate: f64, edges: &[String]) -> Result<Self> {
        let count = ears(rate, edges.len()) * u16::try_from(edges.len())?;
        let mut load = Self {
            runs: Vec::new(),
            folder: tempfile::tempdir()?,
            edges: edges.to_vec(),
            rate,
            bursts: 0,
            next_host: FIRST_CALLER,
            ears: Ears::listen(site.peer_address(9), FIRST_EAR, count)?,
        };
        for (host, kind) in (20..).zip(KINDS) {
            let numbers = kind.phone_numbers(rate);
            if numbers.is_empty() {
                continue;
            }
            load.register_flows(site, host, kind, &numbers)?;
            load.start_phone(site, host, kind)?;
            for number in numbers.iter().filter(|_| kind.is_queued()) {
                site.request(&serde_json::json!({"req": "TAgentLogin", "ThisDN": number, "AgentID": number}))?;
                site.request(&serde_json::json!({"req": "TAgentSetReady", "ThisDN": number}))?;
            }
        }
        Ok(load)
    }

    /// Each phone registers a flow by each edge (RFC 5626). The newest is the one by which calls come: the phones share the edges.
    fn register_flows(&self, site: &Installation, host: u8, kind: Kind, numbers: &[String]) -> Result<()> {
        for (turn, edge) in flow_order(self.edges.len()) {
            let of_edge = numbers.iter().enumerate().filter(|(at, _)| (at + turn) % self.edges.len() == edge);
            let numbers: Vec<&String> = of_edge.map(|(_, number)| number).collect();
            if !numbers.is_empty() {
                self.register(site, host, kind, (turn, edge), &numbers)?;
            }
        }
        Ok(())
    }

    fn register(
        &self,
        site: &Installation,
        host: u8,
        kind: Kind,
        (turn, edge): (usize, usize),
        numbers: &[&String],
    ) -> Result<()> {
        let proof = |number| format!("{number};[authentication username={number} password={PASSWORD}]");
        let lines: Vec<String> = numbers.iter().map(proof).collect();
        let file = self.fields(&format!("register-{}-{turn}-{edge}", kind.name()), &lines)?;
        let count = u32::try_from(numbers.len())?;
        let place = self.edges.get(edge).context("no such edge")?;
        Sipp::new("chaos/register.xml", site.peer_address(host), place)
            .with(&["-inf", &file, "-key", "reg_id", &(edge + 1).to_string()])
            .calls(count, 40, 40)
            .run(REGISTERED_WITHIN)?
            .expect_success()
            .with_context(|| format!("the phones of {} by {place}", kind.name()))
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
            .with(&INVITE_REPEATS)
            .with(&["-trace_shortmsg", "-trace_logs"]);
        if is_heard {
            run = run.with(&["-mi", &address.to_string(), "-mp", "6000", "-rtp_echo"]);
        }
        self.runs.push(SippRun {
            side: Side::Phone,
            kind,
            edge: 0,
            is_guest: false,
            ears: None,
            running: run.start()?,
        });
        Ok(())
    }

    /// Starts the callers: each edge gets an equal share of them.
    pub fn callers(&mut self, site: &Installation) -> Result<()> {
        for edge in 0..self.edges.len() {
            self.callers_by(site, edge, edge, Some(edge as u64))?;
        }
        Ok(())
    }

    /// The carrier of the first edge's callers has noticed that nobody is there: it sends their calls to the next one.
    pub fn leave_first_edge(&mut self, site: &Installation) -> Result<()> {
        self.end_callers(|run| run.edge == 0)?;
        self.callers_by(site, 0, 1, None)
    }

    /// It has noticed that the first one is there again.
    pub fn return_to_first_edge(&mut self, site: &Installation) -> Result<()> {
        self.end_callers(|run| run.is_guest)?;
        self.callers_by(site, 0, 0, None)
    }

    /// Those who call now go on until their calls are over, and nobody else calls.
    fn end_callers(&mut self, is_meant: impl Fn(&SippRun) -> bool) -> Result<()> {
        for run in self.runs.iter_mut().filter(|run| run.side == Side::Caller && run.kind != Kind::Burst) {
            if is_meant(run) && !run.running.has_ended()? {
                testkit::process::signal(run.running.pid(), "USR1")?;
            }
        }
        Ok(())
    }

    /// Starts one share of the callers, by that edge.
    fn callers_by(&mut self, site: &Installation, share: usize, edge: usize, ears: Option<u64>) -> Result<()> {
        for kind in KINDS.into_iter().filter(|kind| kind.share() > 0.0) {
            let (file, marks) = scenario_of(kind);
            let name = format!("caller-{}-{}", kind.name(), self.next_host);
            let scenario = self.scenario(file, &name, &marks, false)?;
            let file = self.fields(&name, &self.fields_of(kind, share, ears))?;
            let shares = self.edges.len() as f64;
            let calls_a_second = self.rate * kind.share() / shares;
            let period_s = 10.0 * shares;
            let in_period = (calls_a_second * period_s).round().max(1.0);
            let period_ms = (period_s * 1_000.0).to_string();
            let at_once = at_once(kind, calls_a_second, f64::from(kind.phones(self.rate)) / shares);
            let place = self.edges.get(edge).context("no such edge")?;
            let running = caller(site, self.next_host, place, &scenario, &file)
                .with(&["-r", &in_period.to_string(), "-rp", &period_ms, "-l", &at_once.to_string()])
                .start()?;
            self.next_host += 1;
            let ears = ears.filter(|_| kind == Kind::Talk);
            self.runs.push(SippRun { side: Side::Caller, kind, edge, is_guest: share != edge, ears, running });
        }
        Ok(())
    }

    /// What the callers of a share dial, and their ports for audio.
    fn fields_of(&self, kind: Kind, share: usize, ears: Option<u64>) -> Vec<String> {
        let shares = self.edges.len();
        let is_of_share = |(at, number): (usize, String)| (at % shares == share).then_some(number);
        let dialled = kind.dialled(self.rate);
        let dialled: Vec<String> = match kind {
            // Each phone is called by one of them alone.
            Kind::Early => dialled.into_iter().enumerate().filter_map(is_of_share).collect(),
            _ => dialled,
        };
        let Some(ears) = ears.and_then(|ears| u16::try_from(ears).ok()).filter(|_| kind == Kind::Talk) else {
            return dialled.iter().map(|number| format!("{number};31998")).collect();
        };
        let lines = self::ears(self.rate, shares);
        let ports = (0..lines).map(|ear| self.ears.first_port + 2 * (ears * lines + ear));
        ports.map(|port| format!("{};{port}", dialled.join(""))).collect()
    }

    /// Lines of each file that assigns RTP endpoints to callers with audio.
    pub fn ear_lines(&self) -> u64 {
        self.ears.count / self.edges.len().max(1) as u64
    }

    /// Many INVITEs at once; returns when the first has been sent.
    pub fn burst(&mut self, site: &Installation, share: f64) -> Result<()> {
        let kind = Kind::Burst;
        let marks = [("REFRESH_MIN", 2_500), ("REFRESH_MAX", 3_500), ("ON", 25)];
        let scenario = self.scenario("caller-refreshes", "caller-burst", &marks, false)?;
        let file = self.fields("caller-burst", &self.fields_of(kind, 0, None))?;
        let calls = (f64::from(BURST_CALLS) * share).ceil().max(4.0).to_string();
        let edge = usize::from(self.bursts) % self.edges.len().max(1);
        let place = self.edges.get(edge).context("no edge")?;
        self.bursts += 1;
        let run = caller(site, 40 + self.bursts, place, &scenario, &file)
            .with(&["-r", &BURST_A_SECOND.to_string(), "-l", "1000", "-m", &calls])
            .start()?;
        let left =
            wait::until(Duration::from_secs(10), || Ok((!run.traces("_shortmessages.log").is_empty()).then_some(())));
        self.runs.push(SippRun { side: Side::Caller, kind, edge, is_guest: false, ears: None, running: run });
        left.context("a burst of INVITEs has not begun")
    }

    /// Stops new calls: the callers end when their calls are over. Returns the number of runs that had to be killed.
    pub fn finish(&mut self) -> Result<usize> {
        let mut callers: Vec<&mut Running> =
            self.runs.iter_mut().filter(|run| run.side == Side::Caller).map(|run| &mut run.running).collect();
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
        for run in &self.runs {
            let of = |ending| run.running.traces(ending);
            let [messages, notes, errors] = ["_shortmessages.log", "_logs.log", "_errors.log"].map(of);
            let written = legs::SippTexts { messages: &messages, notes: &notes, errors: &errors };
            let legs = legs::read(run.side, run.kind, written, seal);
            all.extend(legs.into_iter().map(|leg| Leg { ears: run.ears, ..leg }));
        }
        all
    }

    /// Copies every log into a folder.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for (number, run) in self.runs.iter().enumerate() {
            for ending in ["shortmessages", "logs", "errors"] {
                let name = format!("{number:02}-{:?}-{}-{ending}.log", run.side, run.kind.name()).to_lowercase();
                std::fs::write(folder.join(name), run.running.traces(&format!("_{ending}.log")))?;
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

/// RTP endpoints of one share of the callers.
fn ears(rate: f64, shares: usize) -> u16 {
    // Enough that a port is reused only when the longest call on it is over.
    (rate * Kind::Talk.share() * LIFE_S * 8.0 / shares.max(1) as f64).ceil().max(8.0) as u16
}

/// In which turn phones register by which edge: by all of them, and each of two neighbours by another one last.
fn flow_order(edges: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..edges).flat_map(move |turn| (0..edges).map(move |edge| (turn, edge)))
}

/// The scenario of a kind's callers.
fn scenario_of(kind: Kind) -> (&'static str, Vec<(&'static str, u32)>) {
    let refreshes = [("REFRESH_MIN", 2_500), ("REFRESH_MAX", 3_500)];
    match kind {
        Kind::Leave | Kind::Ring | Kind::Wait | Kind::Treat | Kind::Confer => ("caller-asks", refreshes.to_vec()),
        // Four of five continue after each refresh: five refreshes, fifteen seconds.
        Kind::Talk | Kind::Hold | Kind::Monitor => ("caller-refreshes", [&refreshes[..], &[("ON", 80)]].concat()),
        // Long enough for a consultation and a talk with the colleague.
        Kind::Consult => ("caller-refreshes", [&refreshes[..], &[("ON", 95)]].concat()),
        Kind::Early | Kind::Burst | Kind::Colleague | Kind::Guest => {
            ("caller-refreshes", [&refreshes[..], &[("ON", 25)]].concat())
        }
    }
}

/// How many calls of a kind there may be at once, of so many a second to so many phones.
fn at_once(kind: Kind, calls_a_second: f64, phones: f64) -> f64 {
    match kind {
        Kind::Wait => (calls_a_second * LIFE_S).round().max(2.0),
        Kind::Early => phones.floor().max(1.0),
        // Twenty refreshes at most.
        Kind::Consult => (calls_a_second * LIFE_S * 4.0).ceil().max(2.0),
        _ => (calls_a_second * LIFE_S * 2.0).ceil().max(2.0),
    }
}

fn caller(site: &Installation, host: u8, edge: &str, scenario: &str, fields: &str) -> Sipp {
    let ear = site.peer_address(9).to_string();
    Sipp::new(scenario, site.peer_address(host), edge)
        .with(&["-inf", fields, "-key", "caller", "+15559001", "-key", "rtp_host", &ear])
        .with(&INVITE_REPEATS)
        .with(&["-trace_shortmsg"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phone_registers_by_every_edge_and_half_of_them_by_each_one_last() {
        let order: Vec<_> = flow_order(2).collect();
        let of_phone = |at: usize| -> Vec<usize> {
            order.iter().filter(|(turn, edge)| (at + turn) % 2 == *edge).map(|(_, edge)| *edge).collect()
        };
        assert_eq!((of_phone(0), of_phone(1)), (vec![0, 1], vec![1, 0]));
        assert_eq!(flow_order(1).collect::<Vec<_>>(), [(0, 0)]);
    }

    #[test]
    fn shares_of_the_callers_are_together_as_many_as_one() {
        assert_eq!(ears(20.0, 1), 2 * ears(20.0, 2));
        let all = |shares: f64| shares * at_once(Kind::Wait, 4.0 / shares, 0.0);
        assert!((all(1.0) - all(2.0)).abs() < 1.0);
        assert!((at_once(Kind::Early, 1.0, 11.5) - 11.0).abs() < 1e-9, "no phone has two of them");
    }
}
