//! Asterisk as a peer of `routed`: the same caller and phone through its back-to-back user agent, audio anchored.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::bare_agents::{answering, calling};
use crate::process::{Process, find};
use crate::report::{Figure, Goal, Report};
use crate::site::Site;
use crate::{Options, udp};

const PROGRAM: &str = "asterisk";
/// Its configuration, in `bench/asterisk/`.
const FILES: [&str; 4] = ["asterisk.conf", "pjsip.conf", "extensions.conf", "modules.conf"];
const START_LIMIT: Duration = Duration::from_secs(30);
const WARM_UP_CALLS: u32 = 50;
const CALLS_PER_S: u32 = 20;

/// Measures it where it is installed.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let Some(program) = find(PROGRAM) else {
        report.missing("routed", PROGRAM);
        return Ok(());
    };
    let [caller, callee, own] = [5, 6, 7].map(|host| Site::peer_of(options.instance, host));
    let at = format!("{own}:5060");
    let folder = folder.join(PROGRAM);
    configure(&folder, &at, &format!("{callee}:5060"))?;
    let mut command = Command::new(program);
    command.args(["-f", "-C"]).arg(folder.join("asterisk.conf"));
    let mut process = Process::start(PROGRAM, &mut command, &folder.join("asterisk.log"))?;
    udp::wait_bound(&at, START_LIMIT, &mut process)?;
    let _phone = answering(callee, &folder)?;
    calling(&at, caller, (WARM_UP_CALLS, CALLS_PER_S), &folder)?;
    let count = CALLS_PER_S * options.seconds() * 3;
    let before = process.cpu()?;
    let counts = calling(&at, caller, (count, CALLS_PER_S), &folder)?;
    let used = process.cpu()?.since(before);
    report.add(Figure {
        bench: "routed",
        what: format!("Asterisk: a call to a phone, {CALLS_PER_S} calls/s, audio anchored"),
        unit: "ms of CPU",
        ours: used.as_secs_f64() * 1e3 / f64::from(count),
        peer: None,
        goal: Goal::None,
        note: "all of its processes; its dial plan rings one phone, and no event, record or journal is written"
            .to_owned(),
        void: counts.faults("Asterisk"),
    });
    Ok(())
}

/// Its version, as printed by it.
pub fn version() -> Option<String> {
    let output = Command::new(find(PROGRAM)?).arg("-V").output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// Copies its configuration, with the folder and addresses of the run.
fn configure(folder: &Path, listen: &str, callee: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    for file in FILES {
        let text = fs::read_to_string(crate::files().join(PROGRAM).join(file))?;
        let text = text.replace("FOLDER", &folder.display().to_string()).replace("LISTEN", listen);
        fs::write(folder.join(file), text.replace("CALLEE", callee))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_its_configuration_is_left_to_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        configure(folder.path(), "127.230.250.7:5060", "127.230.250.6:5060").unwrap();
        let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
        let told: String = FILES.iter().map(|file| read(file)).collect();
        for word in ["FOLDER", "LISTEN", "CALLEE"] {
            assert!(!told.contains(word), "{word}");
        }
        assert!(
            read("pjsip.conf").contains("bind=127.230.250.7:5060")
                && read("pjsip.conf").contains("@127.230.250.6:5060")
        );
        assert!(read("asterisk.conf").contains(&format!("astetcdir => {}", folder.path().display())));
    }
}
