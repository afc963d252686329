//! Two parties without a common codec: CPU of media per packet of 20 ms, beside the codecs alone, which decode and encode the same
//! packets in this process.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use media::codec::{Codec, Decoder, Encoder, OpusTerms, SampleRate};

use crate::relay::load::{Load, sound};
use crate::relay::{Measured, ours};
use crate::report::{Figure, Goal, Report};
use crate::site::Site;
use crate::{Options, floor};

/// The codecs of the two, and how many pairs talk.
const PAIRS: [([Codec; 2], usize); 2] = [([Codec::Pcmu, Codec::Opus], 60), ([Codec::Pcmu, Codec::G722], 125)];
/// The name of the floor.
const CODECS_ALONE: &str = "codecs alone";
/// Rounds of the codecs alone: on a shared machine only the quickest one measures the code.
const ROUNDS: usize = 30;

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    for (codecs, pairs) in PAIRS {
        let [one, other] = codecs;
        let folder = folder.join(other.name());
        std::fs::create_dir(&folder)?;
        let site = Site::new(options.instance, &folder)?;
        let mut load = Load::new(site.peer(1).into(), pairs, &codecs)?;
        let ours = ours(options, &site, &mut load, &folder)?;
        let sockets = floor::returned(options, &site, pairs, &codecs)?;
        add(report, codecs, &ours, &sockets, [alone_us(one, other), alone_us(other, one)]);
    }
    Ok(())
}

/// `alone_us`: the codecs alone, there and back.
fn add(report: &mut Report, [one, other]: [Codec; 2], ours: &Measured, sockets: &Measured, alone_us: [f64; 2]) {
    let mut void = ours.talk.faults("ours");
    void.extend(sockets.talk.faults(floor::NAME));
    let [there, back] = alone_us;
    let (names, alone) = ((one.name(), other.name()), there.midpoint(back));
    report.add(Figure {
        bench: "transcoding",
        what: format!("a packet between two parties, {} and {}", names.0, names.1),
        unit: "µs of CPU",
        ours: ours.us,
        peer: Some((CODECS_ALONE, alone)),
        goal: Goal::None,
        note: format!(
            "codecs alone: {} to {} {there:.2}, back {back:.2}; bare sockets {:.2}, with the codecs {:.2}; {:.0} packets/s; {} of {} missing",
            names.0,
            names.1,
            sockets.us,
            sockets.us + alone,
            ours.talk.rate(),
            ours.talk.missing(),
            ours.talk.sent
        ),
        void,
    });
}

/// The cost of a packet from one codec to another, in microseconds.
fn alone_us(from: Codec, to: Codec) -> f64 {
    let packets = sound(from);
    let mut quickest = f64::MAX;
    for _ in 0..ROUNDS {
        let mut decoder = Decoder::new(from, SampleRate::Narrow);
        let mut encoder = Encoder::new(to, SampleRate::Narrow, OpusTerms::default());
        let mut room = [0; 1_500];
        let began = Instant::now();
        for packet in &packets {
            black_box(encoder.encode(decoder.decode(black_box(packet)), &mut room));
        }
        quickest = quickest.min(began.elapsed().as_secs_f64() * 1e6 / packets.len() as f64);
    }
    quickest
}
