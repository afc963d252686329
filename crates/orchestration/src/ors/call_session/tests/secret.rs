//! Digits that an application marks as a secret.

use super::*;

/// Asks for a digit as `asks` says, and says in its log what was pressed.
fn asking(asks: &str) -> Bench {
    broken(&format!(
        "<state id='begin'><transition event='interaction.present' target='asking'/></state>
         <state id='asking'>
           <onentry><dialog:playandcollect prompts=\"['pin']\" {asks}/></onentry>
           <transition event='dialog.playandcollect.done' target='told'>
             <log label='typed' expr='_event.data.digits'/>
           </transition>
           <transition event='error.dialog.playandcollect' target='told'>
             <log label='refused' expr='_event.data.description'/>
           </transition>
         </state>
         <state id='told'><onentry><dialog:playsound type=\"'silence'\"/></onentry></state>"
    ))
}

fn logged(bench: &Bench) -> Vec<&str> {
    let texts = bench.commands.iter().filter_map(|command| match command {
        Command::Log { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn what_is_marked_is_asked_for_as_a_secret_and_told_to_the_application_alone() {
    for (asks, is_secret, told) in [
        ("", false, "typed 4"),
        ("secret='false'", false, "typed 4"),
        ("secret='true'", true, "typed ***"),
        ("secret='1 &lt; 2'", true, "typed ***"),
    ] {
        let mut bench = asking(asks);
        let (_, treatment) = bench.last_treatment();
        assert_eq!(treatment.is_secret(), is_secret, "{asks}");
        bench.played(Some("4"));
        assert_eq!(logged(&bench), [told], "{asks}");
        assert_eq!(bench.session.heard_secret, is_secret, "it is known to whoever goes on with the session");
    }
}

#[test]
fn a_mark_that_is_neither_true_nor_false_asks_for_nothing() {
    let bench = asking("secret=\"'perhaps'\"");
    assert_eq!(logged(&bench), ["refused secret: must be true or false"]);
    let is_asked = |command: &Command| {
        let Command::Request { kind: RequestKind::ApplyTreatment(_, treatment, _), .. } = command else { return false };
        matches!(treatment, Treatment::PlayAndCollect { .. })
    };
    assert!(!bench.commands.iter().any(is_asked));
}
