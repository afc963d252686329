//! Recording what a phone says, in a store of the node's.

use ivr::msml::{Notice, Record as Recording, RecordEnd, parse_notice};
use media::wav;
use model::TenantId;

use super::*;
use crate::media_server::limits::TENANT_RECORDINGS_MAX;

const ID: &str = "ann-0000000000001234-7";

/// A folder for the test of that name.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("trunkline-recording-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("prompts")
}

/// At most two seconds, until `#`.
fn record(id: &str) -> Dialog {
    let record = Recording {
        uri: format!("prompt:{id}"),
        longest: Duration::from_secs(2),
        silence: None,
        end_key: Some('#'),
        beep: true,
        on_exit: Vec::new(),
    };
    Dialog::prompt_and_record([""; 0], record)
}

impl World {
    /// Lets time pass while the phone of the first call speaks.
    fn speaks(&mut self, port: u16, packets: std::ops::Range<u16>) {
        for n in packets {
            self.heard(port, n);
            self.settle();
        }
    }

    /// What media reports since the last call: the names of events, and the last result's code.
    fn reports(&mut self) -> (Vec<msml::Event>, Option<u16>) {
        let (mut events, mut code) = (Vec::new(), None);
        for event in self.events.drain(..) {
            let body = match &event {
                Event::Info { message, .. } => message.body().to_vec(),
                Event::Responded { response: Some(response), .. } => response.body().to_vec(),
                _ => continue,
            };
            match parse_notice(&body) {
                Ok(Notice::Event(event)) => events.push(event),
                Ok(Notice::Result(result)) => code = Some(result.code),
                Err(_) => {}
            }
        }
        (events, code)
    }

    fn command(&mut self, command: impl FnOnce(String) -> Command) {
        let dialog = self.dialog.unwrap();
        let connection = self.owner.leg(dialog).unwrap().dialog.local_tag.to_string();
        let body = Body::new(msml::CONTENT_TYPE, msml::build_request(&[command(connection)]));
        self.owner.info(dialog, body, Vec::new(), self.clock.now()).unwrap();
        self.settle();
    }

    /// The samples of the announcement, if it is kept.
    fn kept(&self, id: &str) -> Option<Vec<i16>> {
        let tenant = TenantId::parse("example").unwrap();
        let path = self.media.node.announcements().path(&tenant, id).unwrap();
        std::fs::read(path).ok().map(|bytes| wav::parse(&bytes).unwrap())
    }
}

#[test]
fn what_a_phone_says_after_the_beep_is_kept_played_and_deleted() {
    let mut world = World::with(folder("kept"));
    let port = world.call(0);
    world.treat(record(ID));
    assert_eq!(world.reports().1, Some(msml::code::OK));
    // 300 ms of the beep, then two seconds.
    world.speaks(port, 0..20);
    let begun = world.reports().0;
    assert_eq!(begun.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), [msml::RECORDING]);
    assert_eq!(world.kept(ID), None);
    world.speaks(port, 20..130);
    let ended = world.reports().0;
    assert_eq!(ended[0].recorded(), Some((RecordEnd::Longest, Duration::from_secs(2))));
    let samples = world.kept(ID).expect("it is kept");
    assert_eq!(samples.len(), 16_000);
    let said = Law::Mu.decode(Law::Mu.encode(900));
    assert!(samples[400..15_600].iter().all(|sample| *sample == said), "all of what was said");
    world.treat(Dialog::announcement([format!("prompt:{ID}")]));
    assert_eq!(world.reports().1, Some(msml::code::OK));
    let delete = |connection| Command::Delete { connection, uri: format!("prompt:{ID}") };
    world.command(delete);
    assert_eq!((world.reports().1, world.kept(ID)), (Some(msml::code::OK), None));
    world.command(delete);
    assert_eq!(world.reports().1, Some(msml::code::NO_SUCH_OBJECT));
    world.treat(Dialog::announcement([format!("prompt:{ID}")]));
    assert_eq!(world.reports().1, Some(msml::code::NO_SUCH_OBJECT));
}

#[test]
fn what_is_recorded_when_the_leg_or_the_treatment_ends_is_kept() {
    let mut world = World::with(folder("stopped"));
    let port = world.call(0);
    world.treat(record(ID));
    world.speaks(port, 0..60);
    world.music();
    world.settle();
    let samples = world.kept(ID).expect("another treatment has taken its place");
    assert!((6_000..8_000).contains(&samples.len()), "{}", samples.len());
    world.treat(record("ann-2"));
    world.speaks(port, 60..120);
    world.owner.bye(world.dialog.unwrap(), Vec::new(), world.clock.now()).unwrap();
    world.settle();
    assert!(world.kept("ann-2").is_some(), "the caller has hung up");
    assert!(world.media.node.is_idle());
}

#[test]
fn what_cannot_be_written_is_told_as_a_failure_and_the_leg_goes_on() {
    let mut world = World::new();
    let port = world.call(0);
    world.treat(record(ID));
    world.speaks(port, 0..130);
    let (events, _) = world.reports();
    let exit = events.iter().find(|event| event.is_dialog_exit()).expect("it has ended");
    assert_eq!(exit.recorded(), None);
    assert_eq!(world.media.node.legs(), 1);
}

#[test]
fn a_recording_does_not_outlive_the_process_and_its_owner_is_told() {
    let mut world = World::with(folder("restart"));
    let port = world.call(0);
    world.treat(record(ID));
    world.speaks(port, 0..60);
    world.reports();
    assert_eq!(world.restart(), 1);
    world.settle();
    let (events, _) = world.reports();
    let exit = events.iter().find(|event| event.is_dialog_exit()).expect("it has failed");
    assert_eq!((exit.recorded(), world.kept(ID)), (None, None));
    world.speaks(port, 60..200);
    assert!(world.reports().0.is_empty(), "once");
    assert_eq!(world.media.node.legs(), 1, "the call goes on");
}

#[test]
fn a_recording_without_room_or_with_another_name_is_refused() {
    let mut world = World::with(folder("room"));
    for n in 0..TENANT_RECORDINGS_MAX {
        world.call(n as u16);
        world.treat(record(&format!("ann-{n}")));
        assert_eq!(world.reports().1, Some(msml::code::OK));
    }
    world.call(40);
    world.treat(record("ann-40"));
    assert_eq!(world.reports().1, Some(msml::code::NO_RESOURCES));
    let mut world = World::with(folder("name"));
    world.call(0);
    world.treat(record("menu"));
    assert_eq!(world.reports().1, Some(msml::code::NO_RESOURCES));
}
