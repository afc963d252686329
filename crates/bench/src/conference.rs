//! A leg in a conference that is mixed: CPU of media per packet of 20 ms, beside bare sockets with the same phones in the same run.

use std::path::Path;

use anyhow::Result;
use media::codec::Codec;

use crate::relay::load::Load;
use crate::relay::{Measured, ours};
use crate::report::{Figure, Goal, Report};
use crate::site::Site;
use crate::{Options, floor};

/// Members of a conference, and how many of them: about 250 legs each, so that each load has 12,500 packets a second.
const CONFERENCES: [(usize, usize); 3] = [(3, 84), (8, 31), (50, 5)];

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    for (members, conferences) in CONFERENCES {
        let folder = folder.join(members.to_string());
        std::fs::create_dir(&folder)?;
        let site = Site::new(options.instance, &folder)?;
        let codecs = vec![Codec::Pcmu; members];
        let mut load = Load::new(site.peer(1).into(), conferences, &codecs)?;
        let ours = ours(options, &site, &mut load, &folder)?;
        let floor = floor::returned(options, &site, conferences, &codecs)?;
        add(report, members, &ours, &floor);
    }
    Ok(())
}

fn add(report: &mut Report, members: usize, ours: &Measured, floor: &Measured) {
    let mut void = ours.talk.faults("ours");
    void.extend(floor.talk.faults(floor::NAME));
    report.add(Figure {
        bench: "conference",
        what: format!("a packet of a leg in a conference of {members}, G.711"),
        unit: "µs of CPU",
        ours: ours.us,
        peer: Some((floor::NAME, floor.us)),
        goal: Goal::None,
        note: format!("{:.0} packets/s; {} of {} missing", ours.talk.rate(), ours.talk.missing(), ours.talk.sent),
        void,
    });
}
