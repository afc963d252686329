//! An application records what the caller says, plays it and deletes it.

use super::*;

const APPLICATION: &str = "
  <state id='a'><transition event='interaction.present'>
    <dialog:createann prompts=\"['say-it']\" maxtime='20' silence='0'/>
  </transition>
  <transition event='dialog.createann.done' target='b'/></state>
  <state id='b'><onentry><dialog:play prompts='[_event.data.userannid, _event.data.reason, _event.data.duration]'/></onentry>
  <transition event='dialog.play.done' target='c'/></state>
  <state id='c'><onentry><dialog:deleteann userannid=\"'ann-0000000000001234-7'\"/></onentry></state>";

#[test]
fn the_end_of_a_recording_brings_its_id_which_is_played_and_deleted() {
    let mut bench = broken(APPLICATION);
    let (reference, treatment) = bench.last_treatment();
    let wanted = Treatment::RecordUserAnnouncement {
        prompts: vec!["say-it".to_owned()],
        terminator: Some('#'),
        silence_ms: None,
        max_ms: 20_000,
    };
    assert_eq!(treatment, wanted);
    bench.fact(EventName::TreatmentApplied, reference, |_| {});
    bench.fact(EventName::TreatmentEnd, reference, |fact| {
        fact.extensions.set("Result", "Recorded");
        fact.extensions.set("RecordEnd", "Key");
        fact.extensions.set("Duration", 4_500_i64);
        fact.extensions.set("USER_ANN_ID", "ann-0000000000001234-7");
    });
    let said = ["ann-0000000000001234-7", "Key", "4.5"].map(str::to_owned);
    assert_eq!(bench.last_treatment().1, Treatment::PlayAnnouncement { prompts: said.to_vec() });
    bench.played(None);
    let announcement = "ann-0000000000001234-7".to_owned();
    assert_eq!(bench.last_treatment().1, Treatment::DeleteUserAnnouncement { announcement });
}

#[test]
fn a_recording_that_is_too_long_or_an_id_that_is_none_is_an_error_of_the_application() {
    for action in ["<dialog:createann maxtime='181'/>", "<dialog:deleteann userannid=\"'menu'\"/>"] {
        let mut bench =
            broken(&format!("<state><transition event='interaction.present'>{action}</transition></state>"));
        bench.wait(Duration::from_secs(31));
        assert_eq!(bench.fault(), Some(Fault::UnhandledError), "{action}");
    }
}
