//! The plan of a seed: calls, and faults one after the other.

use std::time::Duration;

use model::Entropy as _;
use model::entropy::Seeded;
use simnet::Conditions;

use super::ledger::Cut;
use super::phones::DIRECT;
use super::world::{Action, World};

/// A call, as its caller plans it.
#[derive(Clone, Debug)]
pub struct Script {
    /// The proxy that is called.
    pub proxy: usize,
    pub number: String,
    /// Whether the INVITE offers a session.
    pub offers: bool,
    /// How long the caller waits for an answer.
    pub patience: Duration,
    /// How long it talks. None: the other side hangs up, or the end of the seed ends the call.
    pub talks: Option<Duration>,
    /// When it holds, and for how long.
    pub holds: Option<(Duration, Duration)>,
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// SIGKILL; the next run begins after that time.
    Kill { node: usize, moment: Moment, back: Duration },
    /// SIGSTOP for that time.
    Stop { node: usize, moment: Moment, back: Duration },
    /// A connection between a node and a proxy breaks.
    Break { node: usize, proxy: usize },
    /// Such a connection passes nothing for that time.
    Stall { node: usize, proxy: usize, back: Duration },
    /// One node, or both, cannot reach the ledger for that time. The node may also stand still at the beginning.
    CutOff { nodes: [bool; 2], how: Cut, still: Option<Duration>, back: Duration },
    /// SIGKILL to media; its next run begins after that time.
    KillMedia { moment: Moment, back: Duration },
    /// Media cannot reach the ledger for that time.
    CutMedia { how: Cut, back: Duration },
    /// SIGKILL to a proxy; its next run begins after that time.
    KillProxy { proxy: usize, back: Duration },
}

/// A step of a node's turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Between turns.
    Now,
    /// Before the next commit.
    BeforeCommit,
    /// After it, with this number of its messages sent.
    Sent(usize),
}

/// End of calls and faults.
pub const ACTIVE: Duration = Duration::from_secs(50);
/// What is left after that time is never removed: longer than an ACK and then a BYE may take (64*T1 each, RFC 3261 sections
/// 13.3.1.4 and 17.1.2), shorter than a session without a refresh.
const REST: Duration = Duration::from_secs(80);
/// How soon a party learns that the other has hung up: the longest time that a connection stays broken, plus the repeats after
/// it; sooner than its session would be refreshed.
pub const HEARD_WITHIN: Duration = Duration::from_secs(40);

/// When nothing is left in a seed where no answer was missing: the longest time that a transaction lingers.
const LINGERING: Duration = Duration::from_secs(38);

/// How the edge treats datagrams.
pub fn edge_conditions(chance: &mut Seeded) -> Conditions {
    match chance.below(4) {
        0 => Conditions::PERFECT,
        1 => Conditions::ROUGH,
        _ => Conditions {
            loss_per_mille: 20,
            duplicate_per_mille: 20,
            delay_max: Duration::from_millis(60),
            ..Conditions::PERFECT
        },
    }
}

/// After that time a node gives up a CANCEL for a phone behind a proxy that it cannot reach.
const PROXY_RETURNS_WITHIN: Duration = Duration::from_secs(4);
/// How long a node is down that has left calls to be claimed.
const DEAD_MAX: Duration = Duration::from_secs(8);

impl World {
    /// Puts the seed's calls and faults on the agenda.
    pub fn make_plan(&mut self) {
        let calls = 6 + self.chance.below(9) as usize;
        for call in 0..calls {
            let script = self.script();
            self.scripts.push(script);
            let at = self.between(1_000, 28_000);
            self.after(at, Action::Dial(call));
        }
        let mut at = self.between(1_500, 15_000);
        for _ in 0..self.chance.below(4) {
            let (fault, lasts) = self.some_fault();
            self.after(at, Action::Fault(fault));
            at += lasts + self.between(5_000, 9_000);
            if at > ACTIVE - Duration::from_secs(8) {
                break;
            }
        }
        self.after(ACTIVE, Action::EverybodyHangsUp);
        self.after(ACTIVE + LINGERING, Action::Judge { last: false });
        self.after(ACTIVE + REST, Action::Judge { last: true });
    }

    fn script(&mut self) -> Script {
        let queue = self.percent(65);
        let phone = self.phones.len() - DIRECT + self.chance.below(DIRECT as u64) as usize;
        Script {
            proxy: self.chance.below(2) as usize,
            number: if queue { "9000".to_owned() } else { format!("710{phone}") },
            offers: !self.percent(10),
            patience: if self.percent(25) { self.between(50, 8_000) } else { Duration::from_secs(100) },
            talks: self.percent(60).then(|| self.between(100, 25_000)),
            holds: self.percent(40).then(|| (self.between(200, 10_000), self.between(100, 6_000))),
        }
    }

    fn some_fault(&mut self) -> (Fault, Duration) {
        let node = self.chance.below(2) as usize;
        let proxy = self.chance.below(2) as usize;
        let moment = match self.chance.below(6) {
            0 => Moment::Now,
            1 | 2 => Moment::BeforeCommit,
            _ => Moment::Sent(self.chance.below(3) as usize),
        };
        match self.chance.below(19) {
            0..5 => {
                let back = self.between(200, 15_000);
                (Fault::Kill { node, moment, back }, back)
            }
            5..8 => {
                let back = self.between(200, 10_000);
                (Fault::Stop { node, moment, back }, back)
            }
            8 => (Fault::Break { node, proxy }, Duration::ZERO),
            9..13 => self.cut_off(node),
            13..16 => {
                let back = self.between(200, 15_000);
                (Fault::KillMedia { moment, back }, back)
            }
            16 => {
                let how = if self.percent(50) { Cut::Refused } else { Cut::AtCommit };
                let back = self.between(100, 15_000);
                (Fault::CutMedia { how, back }, back)
            }
            17 => {
                let back = self.between(200, 15_000);
                (Fault::KillProxy { proxy, back }, back)
            }
            _ => {
                // Also long enough that the node gives the connection up, and then the requests that wait for it.
                let back = self.between(100, 15_000);
                (Fault::Stall { node, proxy, back }, back)
            }
        }
    }

    /// Another fault may come during this one.
    fn cut_off(&mut self, node: usize) -> (Fault, Duration) {
        let how = [Cut::Refused, Cut::Silent, Cut::AtCommit, Cut::AtClaim][self.chance.below(4) as usize];
        let both = how != Cut::AtClaim && self.percent(30);
        let still = (!both && how != Cut::AtClaim && self.percent(40)).then(|| self.between(1_000, 5_000));
        let back = self.between(100, 15_000);
        // One node must be alive.
        let next = match still {
            Some(still) => back.max(still),
            None if how == Cut::AtClaim => back + DEAD_MAX,
            None => self.between(0, back.as_millis() as u64),
        };
        (Fault::CutOff { nodes: [both || node == 0, both || node == 1], how, still, back }, next)
    }

    /// Kills a node, so that the other node has calls to claim.
    fn leave_calls(&mut self, node: usize) {
        let (at, back) = (self.between(0, 2_000), self.between(1_000, DEAD_MAX.as_millis() as u64));
        self.after(at, Action::Fault(Fault::Kill { node, moment: Moment::Now, back }));
    }

    fn alone_knows_calls(&self, node: usize) -> bool {
        self.nodes[1 - node].way.is_open() && !self.nodes[node].way.kept().is_empty()
    }

    /// A fault begins, now or at its step.
    pub fn fault(&mut self, fault: Fault) {
        self.say(|| format!("*** {fault:?}"));
        match fault {
            Fault::Kill { node, moment, .. } | Fault::Stop { node, moment, .. } => {
                self.nodes[node].doomed = Some(fault);
                let life = self.nodes[node].life;
                if moment == Moment::Now {
                    self.fault_now(node, life);
                } else {
                    self.after(Duration::from_secs(2), Action::FaultNow(node, life));
                }
            }
            Fault::CutOff { nodes, how, still, back } => {
                for node in (0..2).filter(|node| nodes[*node]) {
                    if let Some(back) = still {
                        self.fault(Fault::Stop { node, moment: Moment::Now, back });
                    }
                    self.nodes[node].way.cut(how);
                    self.after(back, Action::MendWay(node));
                    if how == Cut::AtClaim {
                        self.leave_calls(1 - node);
                    }
                }
            }
            Fault::KillMedia { moment, .. } => {
                self.media.doomed = Some(fault);
                if moment == Moment::Now {
                    return self.media_fault_now(self.media.life);
                }
                self.after(Duration::from_secs(2), Action::MediaFaultNow(self.media.life));
            }
            Fault::CutMedia { how, back } => {
                self.seen.cuts += 1;
                self.media.cut = Some(how);
                self.after(back, Action::MendMedia);
            }
            // No phone could be reached at all, or no node would know some call.
            Fault::KillProxy { proxy, .. }
                if (0..2).any(|node| self.alone_knows_calls(node)) || self.proxies[1 - proxy].is_down => {}
            Fault::KillProxy { proxy, back } => self.kill_proxy(proxy, back),
            // That proxy would take the node for failed, while the node still serves calls through the other proxy that the
            // ledger does not know.
            Fault::Break { node, .. } | Fault::Stall { node, .. } if self.alone_knows_calls(node) => {}
            Fault::Break { node, proxy } => {
                self.seen.cuts += 1;
                self.break_link(node, proxy);
            }
            Fault::Stall { node, proxy, back } => {
                self.seen.cuts += 1;
                self.links.stall(node, proxy);
                if back > PROXY_RETURNS_WITHIN {
                    self.phones_are_cut_off(proxy);
                }
                self.after(back, Action::Unstall(node, proxy));
            }
        }
    }
}
