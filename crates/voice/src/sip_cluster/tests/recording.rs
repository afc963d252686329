//! Treatments that record and delete an announcement, and the recording of a call: as media gets them, and as their end is told.

use std::time::Duration;

use ivr::msml::{Command, Variable};
use model::ConnId;
use model::request::{RequestKind, Treatment};

use super::bench::{Bench, Peer, point};
use super::calls::{request, talking};
use super::restart::restart;

/// A caller on a route point to whom this is applied.
fn treated(treatment: &Treatment) -> (Bench, ConnId) {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", point());
    let apply = request(conn_id, "9000", |id| RequestKind::ApplyTreatment(id, treatment.clone(), None));
    bench.node.request(apply, bench.now).expect("the call is here");
    bench.run();
    (bench, conn_id)
}

fn record() -> Treatment {
    Treatment::RecordUserAnnouncement {
        prompts: vec!["menu".to_owned()],
        terminator: Some('#'),
        silence_ms: Some(2_000),
        max_ms: 30_000,
    }
}

/// The first treatment of that call.
fn first_of(bench: &Bench, conn_id: ConnId) -> call::call::Playing {
    bench.node.table().get(&conn_id).expect("a call").thread.first().playing.first().expect("a treatment").clone()
}

#[test]
fn media_records_under_the_id_that_the_end_names() {
    let (mut bench, conn_id) = treated(&record());
    let id = first_of(&bench, conn_id).id;
    let Some((_, Command::DialogStart { dialog, .. })) = bench.played.last() else { panic!("nothing plays") };
    let wanted = dialog.record.clone().expect("it records");
    assert_eq!(wanted.uri, format!("prompt:{}", Treatment::announcement_id(conn_id, id)));
    assert_eq!((wanted.longest, wanted.silence), (Duration::from_secs(30), Some(Duration::from_secs(2))));
    assert_eq!((wanted.end_key, wanted.beep), (Some('#'), true));
    bench.media_records();
    assert_eq!(first_of(&bench, conn_id).recorded_since, Some(bench.now));
    bench.play_ends(&[(Variable::RecordEnd, "record.complete.termkey"), (Variable::RecordLength, "4020ms")]);
    assert_eq!(bench.story.last().map(String::as_str), Some("TreatmentEnd@9000"));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_recording_that_media_has_lost_ends_and_the_call_goes_on() {
    let (mut bench, conn_id) = treated(&record());
    bench.media_records();
    bench.play_ends(&[]);
    assert_eq!(bench.story.last().map(String::as_str), Some("TreatmentEnd@9000"));
    assert!(bench.node.table().contains_key(&conn_id));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_deletion_is_over_with_medias_answer() {
    let announcement = "ann-0000000000001234-7".to_owned();
    let (mut bench, _) = treated(&Treatment::DeleteUserAnnouncement { announcement });
    let Some((_, Command::Delete { uri, .. })) = bench.played.last() else { panic!("{:?}", bench.played) };
    assert_eq!(uri, "prompt:ann-0000000000001234-7");
    assert!(bench.story.ends_with(&["TreatmentApplied@9000".to_owned(), "TreatmentEnd@9000".to_owned()]));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

/// What media was told last of each leg's recording: its name, and whether it beeps.
fn recorded(bench: &Bench) -> Vec<Option<(String, bool)>> {
    let of = |dialog: &sip::agent::DialogId| {
        let of_it = bench.played.iter().filter(|(other, _)| other == dialog);
        of_it.fold(None, |recorded, (_, command)| match command {
            Command::Record { name, beep, .. } => Some((name.clone(), *beep)),
            Command::Join { .. } | Command::EndRecord { .. } => None,
            _ => recorded,
        })
    };
    bench.media_dialogs.iter().map(of).collect()
}

#[test]
fn media_records_the_room_of_a_call_while_its_recording_goes_on_and_after_a_restart() {
    let (mut bench, conn_id) = talking();
    let ask = |bench: &mut Bench, kind: fn(ConnId) -> RequestKind| {
        bench.node.request(request(conn_id, "7101", kind), bench.now).expect("the call is here");
        bench.run();
    };
    let named = |number: u16, beep| vec![Some((format!("rec-{conn_id}-{number}"), beep)); 2];
    ask(&mut bench, |id| RequestKind::StartRecording(id, true));
    assert_eq!(recorded(&bench), named(1, true), "{:?}", bench.story);
    let told = bench.played.len();
    restart(&mut bench, conn_id);
    bench.pass(Duration::from_secs(3));
    assert!(bench.played.len() > told && recorded(&bench) == named(1, true), "media is told again, to be sure");
    ask(&mut bench, RequestKind::PauseRecording);
    assert_eq!(recorded(&bench), [None, None]);
    let ends = bench.played.iter().filter(|(_, command)| matches!(command, Command::EndRecord { .. })).count();
    assert_eq!(ends, 2, "each leg is told that it is over");
    ask(&mut bench, RequestKind::ResumeRecording);
    assert_eq!(recorded(&bench), named(1, true));
    ask(&mut bench, RequestKind::StopRecording);
    assert_eq!(recorded(&bench), [None, None]);
    ask(&mut bench, |id| RequestKind::StartRecording(id, false));
    assert_eq!(recorded(&bench), named(2, false));
    bench.bye(Peer::Caller);
    assert_eq!(bench.node.calls(), 0, "{:?}", bench.story);
}
