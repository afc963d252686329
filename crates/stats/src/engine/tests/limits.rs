//! Limits on the cost of facts out of order and of unlimited names.

use super::*;
use crate::definition::Refused;
use crate::engine::order::{HELD_BYTES_MAX, HELD_MAX, MARKS_BYTES_MAX, MARKS_MAX, SILENT_FOR};
use crate::engine::store::OBJECTS_MAX;

fn calls_on(dn: &str) -> Request {
    let definition =
        Definition::new(&[ObjectType::RegDN], Category::TotalNumber, Of::DNAction, Mask::of(&[Action::CallInbound]));
    Request::new(definition, ObjectId::new(ObjectType::RegDN, dn), Profile::day())
}

#[test]
fn facts_that_were_held_and_are_old_by_now_take_no_room_on_the_stack() {
    let fold = || {
        let mut engine = Engine::new(Zone::default());
        let mut tell = |token, seq| {
            let mut stamped = Pen::default().call(at(0, 0), 1, EventName::Ringing, "5001", |_| {});
            (stamped.id.token, stamped.id.seq) = (Token(token), Seq(seq));
            engine.handle_event(&stamped, at(0, 0));
        };
        tell(1, 1);
        (0..HELD_MAX as u64).for_each(|seq| tell(1, 3 + seq));
        // The next owner's first fact makes the waiting facts of the previous owner obsolete.
        tell(2, 1);
        engine.dropped().0
    };
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let repeated = small.spawn(fold).expect("a thread").join().expect("it ends");
    assert_eq!(repeated, HELD_MAX as u64);
}

/// A refused request for a DN that does not exist.
fn refusal(dn: &str, now: Timestamp) -> Stamped {
    let mut event = Event::new(EventName::Error);
    event.this_dn = Some(Dn::parse(dn).unwrap());
    let id = EventId { subject: Subject::Dn(Dn::parse(dn).unwrap()), token: Token(1), seq: Seq(1) };
    Stamped { id, tenant: TenantId::parse("acme").unwrap(), at: now, trace: None, event }
}

fn knows(engine: &Engine, dn: &str) -> bool {
    engine.snapshot().marks.iter().any(|mark| mark.subject == Subject::Dn(Dn::parse(dn).unwrap()))
}

#[test]
fn names_without_end_are_not_remembered_without_end_and_the_oldest_go_first() {
    let mut engine = Engine::new(Zone::default());
    for number in 0..MARKS_MAX + 1_000 {
        engine.handle_event(&refusal(&number.to_string(), at(0, 0)), at(0, 0) + Duration::from_micros(number as u64));
    }
    assert_eq!(engine.snapshot().marks.len(), MARKS_MAX);
    assert_eq!(engine.take_forgotten(), 1_000);
}

#[test]
fn long_names_take_no_more_room_than_many_short_ones() {
    let mut engine = Engine::new(Zone::default());
    let fits = MARKS_BYTES_MAX / 255;
    for number in 0..fits as u64 {
        let now = at(0, 0) + Duration::from_micros(number);
        engine.handle_event(&refusal(&format!("{number:0>255}"), now), now);
    }
    let kept = engine.snapshot().marks.len();
    assert!(kept < fits, "{kept} of {fits}");
    assert_eq!(engine.take_forgotten() as usize, fits - kept);
    assert!(!knows(&engine, &format!("{:0>255}", 0)) && knows(&engine, &format!("{:0>255}", fits - 1)));
}

#[test]
fn a_name_of_which_nothing_is_heard_is_forgotten_also_across_restarts() {
    let mut engine = Engine::new(Zone::default());
    engine.handle_event(&refusal("silent", at(0, 0)), at(0, 0));
    engine.handle_event(&refusal("heard", at(0, 0)), at(0, 0));
    let later = at(0, 0) + SILENT_FOR / 2;
    let mut again = refusal("heard", later);
    again.id.seq = Seq(2);
    engine.handle_event(&again, later);
    let mut engine = Engine::restore(engine.snapshot(), Zone::default());
    assert!(knows(&engine, "silent") && knows(&engine, "heard"));
    let end = at(0, 0) + SILENT_FOR;
    engine.handle_event(&refusal("other", end), end);
    assert!(!knows(&engine, "silent") && knows(&engine, "heard") && knows(&engine, "other"));
    assert_eq!(engine.take_forgotten(), 0, "that was no want of room");
}

#[test]
fn the_clock_of_one_sender_makes_nobody_old() {
    let mut engine = Engine::new(Zone::default());
    engine.handle_event(&refusal("one", at(0, 0)), at(0, 0));
    engine.handle_event(&refusal("ahead", at(0, 0) + SILENT_FOR), at(0, 0));
    assert!(knows(&engine, "one"));
}

#[test]
fn facts_that_wait_are_bounded_in_bytes() {
    let mut engine = Engine::new(Zone::default());
    let large = "x".repeat(60_000);
    for seq in 0..1_000 {
        let mut stamped = refusal("7101", at(0, 0));
        stamped.id.seq = Seq(10 + 2 * seq);
        stamped.event.user_data.push("k", large.clone());
        engine.handle_event(&stamped, at(0, 0));
    }
    assert!(engine.snapshot().held.len() <= HELD_BYTES_MAX / large.len());
}

#[test]
fn objects_without_end_are_refused() {
    let mut engine = Engine::new(Zone::default());
    let held = engine.open(calls_on("0")).unwrap();
    for number in 1..OBJECTS_MAX {
        let id = engine.open(calls_on(&number.to_string())).unwrap();
        engine.close(id);
    }
    assert_eq!(engine.open(calls_on("one more")), Err(Refused::Full(OBJECTS_MAX)));
    assert_eq!(engine.open(calls_on("0")), Ok(held), "what is known goes on");
}
