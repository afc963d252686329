//! Documents with harmful scripts: each ends within its bounds and affects its own session alone.

use std::sync::Arc;
use std::time::Duration;

use infra::SystemClock;
use orchestration::ecmascript::{ScriptLimits, SyntaxChecker};
use proptest::prelude::*;
use scxml::document::Syntax;
use scxml::{Datamodel, Document, End, Event, Limits, Output, Session, Value, Vocabulary};

use crate::harness::{T0, document, limited, outputs};

/// Known attacks on script engines.
const SCRIPTS: &[&str] = &[
    "while (true);",
    "do { try { throw 1 } catch (e) { continue } finally { continue } } while (true)",
    "label: for (;;) { for (;;) { continue label; } }",
    "(function f() { f(); })()",
    "(function f() { try { f() } finally { f() } })()",
    "var f = function () { return f.apply(null, arguments); }; f(1, 2, 3)",
    "var a = []; a[0] = a; JSON.stringify(a)",
    "var deep = []; for (;;) deep = [deep];",
    "var deep = []; for (var n = 0; n < 20000; n++) deep = [deep]; JSON.stringify(deep)",
    "JSON.parse('['.repeat(1000000))",
    "JSON.parse('{\"a\":'.repeat(200000))",
    "JSON.parse('[' + '0,'.repeat(800000) + '0]')",
    "JSON.parse('\"' + 'x'.repeat(3000000))",
    "Array(1e9)",
    "Array(1e9).fill(0)",
    "Array(1e9).join('x')",
    "new Array(4294967295).sort()",
    "[].concat(new Array(4294967295), new Array(4294967295))",
    "Array.from({length: 1e9})",
    "Array.prototype.slice.call({length: 9007199254740991})",
    "Array.prototype.reverse.call({length: 9007199254740991})",
    "Array.prototype.shift.call({length: 9007199254740991})",
    "Array.prototype.copyWithin.call({length: 9007199254740991}, 0, 1)",
    "Array.prototype.includes.call({length: 9007199254740991}, 1)",
    "new Set(Array.prototype.values.call({length: 9007199254740991}))",
    "var s = '[' + '0,'.repeat(500000) + '0]'; for (;;) JSON.parse(s)",
    "var s = 'x'.repeat(2e6); for (;;) s.indexOf('y')",
    "var a = []; for (var n = 0; n < 50000; n++) a[n] = n; for (;;) a.sort()",
    "for (;;) 2n ** 500000n",
    "var x = 0x1Fn; for (;;) x = x * x",
    "'x'.repeat(1e9)",
    "'x'.padEnd(1e9)",
    "var s = 'x'; for (;;) s += s;",
    "'x'.repeat(1e6).split('')",
    "'x'.repeat(1e6).replace(/x/g, 'y'.repeat(1e6))",
    "/(a*)*b/.test('a'.repeat(100000))",
    "/(a|a)*$/.test('a'.repeat(1000) + 'b')",
    "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(100000))",
    "new RegExp('(?:a{1000}){1000}{1000}')",
    "new RegExp('(?:(?:(?:a{999}){999}){999}){999}').test('a')",
    "new RegExp('('.repeat(100000))",
    "new RegExp('[' + 'a-z'.repeat(100000) + ']')",
    "/(?=(a+))a*b\\1/.test('a'.repeat(50000))",
    "Object.defineProperty(globalThis, 'x', { enumerable: true, get: function () { throw new Error('no'); } })",
    "Object.defineProperty(globalThis, 'x', { enumerable: true, get: function () { for (;;); } })",
    "Object.defineProperty(Object.prototype, 'values', { set: function () { for (;;); }, configurable: true })",
    "Object.prototype.toJSON = function () { for (;;); }; var o = {};",
    "Object.prototype.toJSON = function () { throw {}; }; var o = {};",
    "Array.prototype[Symbol.iterator] = function () { return { next: function () { return {}; } }; }",
    "Array.prototype.push = JSON.parse = JSON.stringify = Object.keys = undefined",
    "Object.freeze(globalThis); Object.freeze(Object.prototype)",
    "Object.setPrototypeOf(globalThis, null)",
    "var o = {}; o.__proto__ = Object.create(o);",
    "delete globalThis.In; globalThis.JSON = 1; globalThis.Array = 2; globalThis.Object = 3",
    "In = null; _event = 1; _genesys = 2; _sessionid = 3",
    "throw { toString: function () { for (;;); } }",
    "throw { get message() { for (;;); } }",
    "var e = new Error(); Object.defineProperty(e, 'message', { get: function () { throw e; } }); throw e",
    "throw null",
    "throw undefined",
    "throw Symbol.iterator",
    "({ valueOf: function () { for (;;); } }) + 1",
    "[1, 2, 3].sort(function () { for (;;); })",
    "var a = []; for (var n = 0; n < 50000; n++) a[n] = n; a.sort(function () { return Math.random() - 0.5; })",
    "a = new Date(NaN); a.toISOString()",
    "new Date(8.64e15 + 1).toString()",
    "eval('for(;;);')",
    "new Function('for(;;);')()",
    "(function () {}).constructor('return globalThis')().x = 1",
    "(async function () { for (;;); })()",
    "(async function () { await 1; })()",
    "(async function () { throw 1; })()",
    "(async function* () { yield 1; })().next()",
    "(function* () { for (;;) yield 1; })().next()",
    "for (var x of (function* () { for (;;) yield 1; })());",
    "[...(function* () { for (;;) yield 'x'.repeat(1000); })()]",
    "import('fs')",
    "new Promise(function (r) { r(); }).then(function () { for (;;); })",
    "new Proxy({}, { get: function () { for (;;); } }).x",
    "new WeakRef({})",
    "new Uint8Array(1e9)",
    "new SharedArrayBuffer(1e9)",
    "Atomics.wait()",
    "new Map([[1, 2]]).forEach(function (v, k, m) { m.set(Math.random(), 1); m.delete(k); })",
    "var m = new Map(); for (;;) m.set({}, 'x');",
    "var s = new Set([1]); s.forEach(function (v) { s.delete(v); s.add(v); })",
    "class A extends null { constructor() { super(); } } new A()",
    "with ({ get x() { for (;;); } }) x",
    "var o = {}; for (var n = 0; ; n++) o['k' + n] = n;",
    "Function.prototype.call = function () { for (;;); }; [1].map(String)",
    "Math.max.apply(null, new Array(100000))",
    "String.fromCharCode.apply(null, new Array(60000))",
    "'\\ud800'.normalize(); '\\ud800'.localeCompare('x'.repeat(100000))",
    "parseInt('9'.repeat(1000000)); Number('1' + '0'.repeat(1000000))",
    "(1e21 + 0.1).toFixed(100); (0.1).toString(2); (1e300).toPrecision(100)",
    "\0",
    "\u{2028}\u{feff}",
];

/// Tighter bounds than those of a call's session: a script within them is within the others.
fn data() -> Box<dyn Datamodel> {
    limited(ScriptLimits { evaluation: 100, input: 300, time: Duration::from_millis(500), ..ScriptLimits::default() })
}

pub fn session(script: &str) -> Option<Session> {
    let text = format!(
        "<scxml version='1.0' datamodel='ecmascript'><datamodel><data id='kept' expr='1'/></datamodel><state id='a'>
        <transition event='go'><script><![CDATA[{script}]]></script><log expr='kept'/></transition>
        <transition event='error'/><transition event='again'><log expr='kept'/></transition></state></scxml>"
    );
    let document = Document::load(&text, &Vocabulary::NONE, Limits::default(), None).ok()?;
    Some(Session::start(Arc::new(document), data(), "s1", T0))
}

/// XML knows no character 0 (XML 1.0 section 2.2), so that a document with it may be refused before any script of it runs.
fn may_not_load(script: &str) -> bool {
    script.contains('\0')
}

fn tell(session: &mut Session, name: &str) -> Vec<Output> {
    session.handle(Event::external(name, Value::Undefined), T0);
    outputs(session)
}

/// A harmless session that runs next to all others.
pub struct Honest {
    session: Session,
    told: u64,
}

impl Honest {
    pub fn new() -> Self {
        let text = "<scxml version='1.0' datamodel='ecmascript'><datamodel><data id='n' expr='0'/></datamodel><state id='a'>
            <transition event='go'><script>n = [1, 2, 3].reduce(function (a, b) { return a + b; }, n) - 5;</script><log expr='n'/></transition></state></scxml>";
        Self { session: Session::start(document(text), data(), "honest", T0), told: 0 }
    }

    pub fn goes_on(&mut self, beside: &str) {
        self.told += 1;
        let said = tell(&mut self.session, "go");
        let text = self.told.to_string();
        assert!(matches!(&said[..], [Output::Log { text: told, .. }] if *told == text), "{said:?} beside {beside}");
    }
}

/// Asserts that it has ended or continues, and can be queried, snapshotted and terminated.
pub fn within_bounds(session: &mut Session, script: &str) {
    let said = tell(session, "go");
    let ended = said.iter().any(|o| matches!(o, Output::Done(End::Limit(_))));
    assert_eq!(ended, session.is_over(), "{script}: {said:?}");
    let photo = session.snapshot();
    if let (Ok(photo), false) = (&photo, ended) {
        let again = Session::restore(photo.clone(), document_of(script), data(), T0);
        drop(again);
    }
    tell(session, "again");
    session.terminate(T0);
    assert!(session.is_over());
}

fn document_of(script: &str) -> Arc<Document> {
    document(&format!(
        "<scxml version='1.0' datamodel='ecmascript'><datamodel><data id='kept' expr='1'/></datamodel><state id='a'>
        <transition event='go'><script><![CDATA[{script}]]></script><log expr='kept'/></transition>
        <transition event='error'/><transition event='again'><log expr='kept'/></transition></state></scxml>"
    ))
}

#[test]
fn a_hostile_script_ends_within_its_bounds_and_costs_no_other_session() {
    let mut honest = Honest::new();
    for script in SCRIPTS {
        let Some(mut session) = session(script) else {
            assert!(may_not_load(script), "it does not load: {script}");
            continue;
        };
        within_bounds(&mut session, script);
        honest.goes_on(script);
        // The document's own script runs at its start, and again when it is restored.
        let at_start = format!(
            "<scxml version='1.0' datamodel='ecmascript'><script><![CDATA[{script}]]></script><state id='a'><transition event='error'/></state></scxml>"
        );
        let mut session = Session::start(document(&at_start), data(), "s2", T0);
        outputs(&mut session);
        if let Ok(photo) = session.snapshot() {
            drop(Session::restore(photo, document(&at_start), data(), T0));
        }
        honest.goes_on(script);
    }
}

#[test]
fn a_hostile_expression_is_checked_within_its_bounds() {
    let mut checker = SyntaxChecker::new(ScriptLimits::default(), Arc::new(SystemClock::start())).expect("fits");
    let deep =
        ["(".repeat(100_000), "[".repeat(100_000), "{a:".repeat(100_000), "!".repeat(400_000), "a=>".repeat(100_000)];
    let closing = ["1);})(); for (;;); (function(){(1", "1\n);}); throw 1; (function(){return (1"];
    for text in deep.iter().map(String::as_str).chain(closing).chain(SCRIPTS.iter().copied()) {
        for syntax in [Syntax::Expression, Syntax::Location, Syntax::Script] {
            let _ = checker.check(syntax, text);
        }
        assert_eq!(checker.check(Syntax::Expression, "1 + 1"), Ok(()), "after {:.60}", text);
    }
}

#[test]
fn a_document_runs_nothing_while_it_is_checked() {
    let mut checker = SyntaxChecker::new(ScriptLimits::default(), Arc::new(SystemClock::start())).expect("fits");
    let closes =
        ["1);}); globalThis.ran = 1; (function(){return (1", "a = 1; }); globalThis.ran = 1; (function(__value){ b"];
    for text in closes {
        for syntax in [Syntax::Expression, Syntax::Location, Syntax::Script] {
            let _ = checker.check(syntax, text);
        }
    }
    for (text, is_right) in
        [("1 + 1", true), ("1 +", false), ("let a, a", false), ("break b", false), ("1); let a, a; (1", false)]
    {
        assert_eq!(checker.check(Syntax::Expression, text).is_ok(), is_right, "{text}");
    }
    for (text, is_right) in
        [("var a = 1;", true), ("let a; let a;", false), ("break __end;", false), ("/* open", false)]
    {
        assert_eq!(checker.check(Syntax::Script, text).is_ok(), is_right, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Several harmful scripts in one session: later ones see the changes of earlier ones.
    #[test]
    fn hostile_scripts_in_a_row_stay_within_their_bounds(picked in proptest::collection::vec(0..SCRIPTS.len(), 1..4)) {
        let script: String = picked.iter().map(|at| format!("try {{ {} }} catch (e) {{}}\n", SCRIPTS[*at])).collect();
        let mut honest = Honest::new();
        match session(&script) {
            Some(mut session) => within_bounds(&mut session, &script),
            None => prop_assert!(may_not_load(&script), "it does not load: {}", script),
        }
        honest.goes_on(&script);
    }
}
