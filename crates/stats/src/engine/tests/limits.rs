//! What facts without order and names without end may cost.

use super::*;
use crate::definition::Refused;
use crate::engine::order::{HELD_MAX, MARKS_MAX};
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
        // The next owner's first fact: what was held of the one before is old.
        tell(2, 1);
        engine.dropped().0
    };
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let repeated = small.spawn(fold).expect("a thread").join().expect("it ends");
    assert_eq!(repeated, HELD_MAX as u64);
}

#[test]
fn names_without_end_are_not_remembered_without_end() {
    let mut engine = Engine::new(Zone::default());
    for number in 0..MARKS_MAX + 1_000 {
        let mut refusal = Event::new(EventName::Error);
        refusal.this_dn = Some(Dn::parse(&number.to_string()).unwrap());
        let id = EventId { subject: Subject::Dn(refusal.this_dn.clone().unwrap()), token: Token(1), seq: Seq(1) };
        let tenant = TenantId::parse("acme").unwrap();
        engine.handle_event(&Stamped { id, tenant, at: at(0, 0), trace: None, event: refusal }, at(0, 0));
    }
    assert_eq!(engine.snapshot().marks.len(), MARKS_MAX);
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
