//! Law: a session restored from its snapshot behaves like one that was never restored.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use proptest::prelude::*;
use scxml::{Datamodel, Document, Event, Limits, NullDatamodel, Output, Session, Value, Vocabulary};

use crate::counter::{Counters, T0};

/// A random tree of states. Targets are drawn from all ids; a document that is refused is drawn again.
#[derive(Clone, Debug)]
enum Node {
    Atomic(Vec<Arrow>),
    Compound(Vec<Arrow>, Vec<Node>, Option<bool>),
    Parallel(Vec<Arrow>, Vec<Node>),
}

#[derive(Clone, Debug)]
struct Arrow {
    event: u8,
    target: u16,
    internal: bool,
    guard: u8,
    action: u8,
}

fn arrow() -> impl Strategy<Value = Arrow> {
    (0u8..5, any::<u16>(), any::<bool>(), 0u8..4, 0u8..7).prop_map(|(event, target, internal, guard, action)| Arrow {
        event,
        target,
        internal,
        guard,
        action,
    })
}

fn node() -> impl Strategy<Value = Node> {
    let arrows = || proptest::collection::vec(arrow(), 0..3);
    arrows().prop_map(Node::Atomic).prop_recursive(4, 20, 3, move |inner| {
        let arrows = || proptest::collection::vec(arrow(), 0..3);
        prop_oneof![
            (arrows(), proptest::collection::vec(inner.clone(), 1..4), proptest::option::of(any::<bool>()))
                .prop_map(|(a, c, h)| Node::Compound(a, c, h)),
            (arrows(), proptest::collection::vec(inner, 2..3)).prop_map(|(a, c)| Node::Parallel(a, c)),
        ]
    })
}

struct Writer {
    text: String,
    next: usize,
    total: usize,
}

impl Writer {
    fn write(&mut self, node: &Node) {
        let id = self.next;
        self.next += 1;
        let (kind, arrows) = match node {
            Node::Atomic(a) | Node::Compound(a, ..) => ("state", a),
            Node::Parallel(a, _) => ("parallel", a),
        };
        self.text += &format!(
            "<{kind} id='s{id}'><onentry><log label='+s{id}'/><assign location='n' expr='n + 1'/></onentry><onexit><log label='-s{id}'/></onexit>"
        );
        for arrow in arrows {
            self.arrow(arrow);
        }
        match node {
            Node::Atomic(_) => {}
            Node::Compound(_, children, history) => {
                if let Some(deep) = history {
                    let (kind, first) = (if *deep { "deep" } else { "shallow" }, self.next);
                    self.text +=
                        &format!("<history id='h{id}' type='{kind}'><transition target='s{first}'/></history>");
                }
                children.iter().for_each(|c| self.write(c));
            }
            Node::Parallel(_, children) => children.iter().for_each(|c| self.write(c)),
        }
        self.text += &format!("</{kind}>");
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let target = usize::from(arrow.target) % self.total;
        // Sometimes a history instead of the state; if it does not exist, the document is refused and drawn again.
        let target = if arrow.target.is_multiple_of(7) { format!("h{target}") } else { format!("s{target}") };
        let kind = if arrow.internal { "internal" } else { "external" };
        let guard = ["", "cond='n &lt; 40'", "cond='In(s1)'", "cond='n != 7'"][usize::from(arrow.guard)];
        let action = [
            "",
            "<raise event='e1'/>",
            "<send event='e2' delay='1s'/>",
            "<send event='e3' delay='3s' id='x'/>",
            "<cancel sendid='x'/>",
            "<assign location='nowhere' expr='1'/>",
            "<send event='e4'/>",
        ][usize::from(arrow.action)];
        let event = arrow.event;
        self.text +=
            &format!("<transition event='e{event}' {guard} type='{kind}' target='{target}'>{action}</transition>");
    }
}

fn count(node: &Node) -> usize {
    1 + match node {
        Node::Atomic(_) => 0,
        Node::Compound(_, c, _) | Node::Parallel(_, c) => c.iter().map(count).sum(),
    }
}

fn document() -> impl Strategy<Value = Arc<Document>> {
    proptest::collection::vec(node(), 1..4).prop_filter_map("a target is missing", |nodes| {
        let mut writer = Writer { text: String::new(), next: 0, total: nodes.iter().map(count).sum() };
        nodes.iter().for_each(|n| writer.write(n));
        let text = format!(
            "<scxml version='1.0' name='random'><datamodel><data id='n' expr='0'/></datamodel>{}</scxml>",
            writer.text
        );
        let limits = Limits { microsteps: 60, ..Limits::default() };
        Document::load(&text, &Vocabulary::NONE, limits, None).ok().map(Arc::new)
    })
}

#[derive(Clone, Debug)]
enum Input {
    Event(u8),
    Wait(u64),
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![4 => (0u8..6).prop_map(Input::Event), 1 => (100u64..4_000).prop_map(Input::Wait)]
}

fn feed(session: &mut Session, input: &Input, now: Timestamp) -> Vec<Output> {
    match input {
        Input::Event(n) => session.handle(Event::external(format!("e{n}"), Value::Number(f64::from(*n))), now),
        Input::Wait(_) => session.handle_timeout(now),
    }
    std::iter::from_fn(|| session.poll_output()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn restore_equals_continue_after_every_input(document in document(), inputs in proptest::collection::vec(input(), 1..25)) {
        let mut now = T0;
        let mut kept = Session::start(Arc::clone(&document), Box::new(Counters::default()), "s1", now);
        while kept.poll_output().is_some() {}
        for input in &inputs {
            if let Input::Wait(ms) = input {
                now = now + Duration::from_millis(*ms);
            }
            let photo = kept.snapshot().expect("counters can be photographed");
            let data: Box<dyn Datamodel> = Box::new(Counters::default());
            let mut again = Session::restore(photo.clone(), Arc::clone(&document), data, now).expect("it fits");
            prop_assert_eq!(again.snapshot().expect("photo"), photo);
            let (one, other) = (feed(&mut kept, input, now), feed(&mut again, input, now));
            prop_assert_eq!(one, other);
            prop_assert_eq!(kept.snapshot().expect("photo"), again.snapshot().expect("photo"));
            prop_assert_eq!(kept.next_timeout(), again.next_timeout());
        }
    }

    #[test]
    fn the_configuration_is_always_legal(document in document(), inputs in proptest::collection::vec(input(), 1..25)) {
        let mut now = T0;
        let mut session = Session::start(Arc::clone(&document), Box::new(Counters::default()), "s1", now);
        for input in &inputs {
            if let Input::Wait(ms) = input {
                now = now + Duration::from_millis(*ms);
            }
            feed(&mut session, input, now);
            let photo = session.snapshot().expect("photo");
            // Restoring checks the configuration against the document.
            let restored = Session::restore(photo, Arc::clone(&document), Box::new(Counters::default()), now);
            prop_assert!(restored.is_ok(), "{:?}", restored.err());
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in ".{0,400}") {
        let _ = Document::load(&text, &Vocabulary::NONE, Limits::default(), None);
        let wrapped = format!("<scxml version='1.0'><state>{text}</state></scxml>");
        let _ = Document::load(&wrapped, &Vocabulary::NONE, Limits::default(), None);
    }
}

#[test]
fn a_photograph_does_not_fit_another_document() {
    let load = |text: &str| Arc::new(Document::load(text, &Vocabulary::NONE, Limits::default(), None).expect("valid"));
    let one = load("<scxml version='1.0'><state id='a'/></scxml>");
    let other = load("<scxml version='1.0'><state id='b'><state id='c'/></state></scxml>");
    let mut session = Session::start(one, Box::new(NullDatamodel::default()), "s1", T0);
    let photo = session.snapshot().expect("photo");
    let error = Session::restore(photo, other, Box::new(NullDatamodel::default()), T0).expect_err("does not fit");
    assert_eq!(error.to_string(), "the document has no state \"a\"");
}
