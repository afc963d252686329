//! The parser: an INVITE with SDP, and the headers that every role reads.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use sip::Message;

use crate::Options;
use crate::report::{Figure, Goal, Report};

const GOAL_US: f64 = 0.6;
const ROUNDS: usize = 1_000;
/// Short enough to fit between two interrupts.
const ROUND: Duration = Duration::from_millis(1);

/// Runs the benchmark.
pub fn run(_: &Options, report: &mut Report, _: &Path) -> Result<()> {
    let text = std::fs::read_to_string(crate::files().join("invite.sip"))?.replace('\n', "\r\n");
    let bytes = Bytes::from(text);
    let message = Message::parse(bytes.clone()).map_err(|error| anyhow::anyhow!("bench/invite.sip: {error}"))?;
    typed(&message).context("bench/invite.sip lacks a header")?;
    let alone = best_us(|| drop(black_box(Message::parse(black_box(bytes.clone())))));
    let whole = best_us(|| {
        if let Ok(message) = Message::parse(black_box(bytes.clone())) {
            black_box(typed(&message));
        }
    });
    report.add(Figure {
        bench: "parser",
        what: format!("an INVITE with SDP, {} bytes, and From, To, Via, CSeq, Call-ID, Contact read", bytes.len()),
        unit: "µs",
        ours: whole,
        peer: None,
        goal: Goal::AtMost(GOAL_US),
        note: format!("parsing alone {alone:.2} µs; the best of {ROUNDS} rounds of a millisecond"),
        void: Vec::new(),
    });
    Ok(())
}

/// Reads the typed headers used by every role.
fn typed(message: &Message) -> Option<usize> {
    let (from, to, via, cseq) =
        (message.from().ok()?, message.to().ok()?, message.top_via().ok()?, message.cseq().ok()?);
    let contact = *message.contacts().next()?.ok()?.address()?;
    let lengths = [from.tag()?, to.raw_uri(), via.branch()?, message.call_id().ok()?, contact.raw_uri()].map(str::len);
    Some(lengths.iter().sum::<usize>() + cseq.number as usize)
}

/// Microseconds of a piece of work. On a shared machine only the best round measures the code.
pub fn best_us(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (mut count, began) = (0_u32, Instant::now());
        while began.elapsed() < ROUND {
            (0..50).for_each(|_| work());
            count += 50;
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    best
}
