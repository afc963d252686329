//! Built-in functions that iterate: each ends within its bounds, whatever its input.

use scxml::{Output, Session};

use crate::harness::{T0, data, document, outputs};
use crate::hostile::{Honest, session, within_bounds};

/// Endless iterators, huge lengths, and text compared with itself.
const SCRIPTS: &[&str] = &[
    "new Set({[Symbol.iterator]: Object.prototype.valueOf, next: Object})",
    "new Map({[Symbol.iterator]: Object.prototype.valueOf, next: Object.bind(null, {value: [1, 2]})})",
    "new WeakSet({[Symbol.iterator]: Object.prototype.valueOf, next: Object.bind(null, {value: Object})})",
    "new WeakMap({[Symbol.iterator]: Object.prototype.valueOf, next: Object.bind(null, {value: [Object, 2]})})",
    "Array.from({[Symbol.iterator]: Object.prototype.valueOf, next: Object})",
    "Object.fromEntries({[Symbol.iterator]: Object.prototype.valueOf, next: Object.bind(null, {value: [1, 2]})})",
    "Object.groupBy({[Symbol.iterator]: Object.prototype.valueOf, next: Object}, Object)",
    "Map.groupBy({[Symbol.iterator]: Object.prototype.valueOf, next: Object}, Object)",
    "Promise.all({[Symbol.iterator]: Object.prototype.valueOf, next: Object})",
    "Promise.any({[Symbol.iterator]: Object.prototype.valueOf, next: Object})",
    "Promise.race({[Symbol.iterator]: Object.prototype.valueOf, next: Object})",
    "Promise.allSettled({[Symbol.iterator]: Object.prototype.valueOf, next: Object})",
    "[...{[Symbol.iterator]: Object.prototype.valueOf, next: Object}]",
    "var [...x] = {[Symbol.iterator]: Object.prototype.valueOf, next: Object}",
    "Iterator.prototype.forEach.call({next: Object}, Object)",
    "Iterator.prototype.reduce.call({next: Object}, Object)",
    "Iterator.prototype.some.call({next: Object}, Function.prototype)",
    "Iterator.prototype.drop.call({next: Object}, 1e15).next()",
    "Iterator.from({next: Object}).filter(Function.prototype).next()",
    "new Set().union({size: 1, has: Object, keys: Object.bind(null, {next: Object})})",
    "new Set([1]).isSupersetOf({size: 1, has: Object, keys: Object.bind(null, {next: Object.bind(null, {value: 1})})})",
    "new Set(Array.prototype.values.call({length: '9007199254740991'}))",
    "new Set(Array.prototype.values.call({length: '900719925474'}))",
    "Array.from({length: '9007199254740991'})",
    "Array.from.call(Object, {length: '9007199254740991'})",
    "String.raw({raw: {length: 9007199254740991}})",
    "String.raw({raw: {length: '9007199254740991'}})",
    "Array.prototype.indexOf.call({length: 9007199254740991}, 1)",
    "Array.prototype.indexOf.call({length: '9007199254740991'}, 1)",
    "Array.prototype.lastIndexOf.call({length: '9007199254740991'}, 1)",
    "Array.prototype.includes.call({length: '9007199254740991'}, 1)",
    "Array.prototype.forEach.call({length: '9007199254740991'}, Object)",
    "Array.prototype.every.call({length: '9007199254740991'}, Object)",
    "Array.prototype.some.call({length: '9007199254740991'}, Object)",
    "Array.prototype.map.call({length: '4294967295'}, Object)",
    "Array.prototype.filter.call({length: '9007199254740991'}, Object)",
    "Array.prototype.reduce.call({length: '9007199254740991'}, Object)",
    "Array.prototype.reduceRight.call({length: '9007199254740991'}, Object)",
    "Array.prototype.find.call({length: '9007199254740991'}, Function.prototype)",
    "Array.prototype.findLast.call({length: '9007199254740991'}, Function.prototype)",
    "Array.prototype.join.call({length: '9007199254740991'}, '')",
    "Array.prototype.reverse.call({length: '9007199254740991'})",
    "Array.prototype.fill.call({length: '9007199254740991'}, 0)",
    "Array.prototype.copyWithin.call({length: '9007199254740991'}, 0, 1)",
    "Array.prototype.shift.call({length: '9007199254740991'})",
    "Array.prototype.unshift.call({length: '9007199254740990'}, 1)",
    "Array.prototype.splice.call({length: '9007199254740991'}, 0, 1)",
    "Array.prototype.slice.call({length: '4294967295'})",
    "Array.prototype.slice.call({length: '9007199254740991'}, 1, 1)",
    "Array.prototype.sort.call({length: '9007199254740991'})",
    "Array.prototype.flat.call({length: '9007199254740991'})",
    "Array.prototype.flatMap.call({length: '9007199254740991'}, Object)",
    "[new Array(4294967295)].flat()",
    "[1].flatMap(function () { return new Array(4294967295); })",
    "[].concat({[Symbol.isConcatSpreadable]: true, length: '9007199254740991'})",
    "Array.prototype.toLocaleString.call({length: '9007199254740991'})",
    "new Array(4294967295).toString()",
    "[new Array(4294967295)].join()",
    "new Array(4294967295).forEach(Object)",
    "Array.prototype.concat.call(new Array(4294967295), new Array(4294967295))",
    "'x'.repeat(2 ** 40)",
    "'x'.repeat(2000000).padStart(2 ** 40)",
    "'a'.repeat(1000000).indexOf('a'.repeat(500000) + 'b')",
    "'a'.repeat(1000000).includes('a'.repeat(500000) + 'b')",
    "'a'.repeat(1000000).lastIndexOf('b' + 'a'.repeat(500000))",
    "'a'.repeat(1000000).split('a'.repeat(500000) + 'b')",
    "'a'.repeat(1000000).replace('a'.repeat(500000) + 'b', 'c')",
    "'a'.repeat(1000000).replaceAll('a'.repeat(500000) + 'b', 'c')",
    "'\\u0301\\u0316'.repeat(100000).normalize()",
    "'\\u0301\\u0316'.repeat(500000).normalize('NFD')",
    "'a\\u0301\\u0316'.repeat(100000).localeCompare('b')",
    "2n ** (2n ** 40n)",
    "JSON.stringify(new Array(4294967295))",
    "JSON.stringify({}, new Array(4294967295))",
    "JSON.parse('[' + '0,'.repeat(500000) + '0]', Object)",
    "JSON.stringify({toJSON: Object}); var a = []; for (var n = 0; n < 3000; n++) a = [a]; JSON.stringify(a)",
    "var a = []; for (var n = 0; n < 100000; n++) a[n] = n; a.sort(Math.max)",
    "var a = []; for (var n = 0; n < 100000; n++) a[n] = {}; a.sort()",
    "/(x+x+)+y/.test('x'.repeat(100000))",
    "/(?:x*)*y/.test('x'.repeat(100000))",
    "RegExp.prototype[Symbol.replace].call({exec: Object, flags: 'g'}, 'x', 'y')",
    "RegExp.prototype[Symbol.match].call({exec: Object, flags: 'g'}, 'x')",
    "RegExp.prototype[Symbol.replace].call({exec: Object.bind(null, {length: 9007199254740991, index: 0}), flags: ''}, 'x', 'y')",
    "RegExp.prototype[Symbol.split].call({constructor: {[Symbol.species]: Object.bind(null, {exec: Object.bind(null, {length: 9007199254740991}), lastIndex: 1})}, flags: 'y'}, 'xxxx')",
    "Reflect.apply(Object, null, {length: 9007199254740991})",
    "Function.prototype.apply.call(Object, null, {length: '9007199254740991'})",
    "Reflect.construct(Object, {length: 9007199254740991})",
    "Object.defineProperties({}, Object.getOwnPropertyDescriptors('x'.repeat(100000)))",
    "var o = {}; for (var n = 0; n < 20000; n++) o = Object.create(o); var a = new Array(20000); a.__proto__ = o; for (;;) a.includes(1)",
    "var s = 'a'.repeat(30000) + 'b'; for (;;) s.indexOf('a'.repeat(10000) + 'c')",
    "var a = []; a.length = 4294967295; a.length = 0; var b = new Array(4294967295); b.pop(); delete b[4294967290]; b.length = 5",
    "var a = [1]; a[4294967290] = 1; a.sort(); a.reverse()",
    "for (var k in new Array(4294967295)); for (var k in 'x'.repeat(1000000));",
    "Iterator.prototype.toArray.call({next: Object})",
    "Iterator.prototype.includes.call({next: Object}, 1)",
    "Iterator.prototype.join.call({next: Object}, '')",
    "Iterator.prototype.every.call(Array.prototype.values.call({length: '9007199254740991'}), Object)",
    "Iterator.prototype.find.call(Array.prototype.values.call({length: '9007199254740991'}), Function.prototype)",
    "Iterator.prototype.includes.call(Array.prototype.values.call({length: '9007199254740991'}), 1)",
    "Iterator.prototype.drop.call(Array.prototype.values.call({length: '9007199254740991'}), 1e15).next()",
    "new Set().isDisjointFrom({size: 1, has: Object, keys: Array.prototype.values.bind({length: '9007199254740991'})})",
    "Array.prototype.with.call({length: '4294967295'}, 0, 1)",
    "Array.prototype.toSorted.call({length: '4294967295'})",
    "Array.prototype.toSpliced.call({length: '4294967295'}, 0, 4294967290)",
    "Array.prototype.findLastIndex.call({length: '9007199254740991'}, Function.prototype)",
    "Math.sumPrecise({[Symbol.iterator]: Object.prototype.valueOf, next: Object.bind(null, {value: 1})})",
    "var n = 0; Array.prototype.reverse.call({ get length() { return n++ ? 9007199254740991 : 0; } })",
    "class A { get length() { return 9007199254740991; } } Array.prototype.reverse.call(new A())",
    "Number.prototype.length = 9007199254740991; Array.prototype.reverse.call(5)",
    "var f = function () {}; Object.defineProperty(f, 'length', { value: 9007199254740991 }); Array.prototype.reverse.call(f)",
    "'a'.repeat(1000000).indexOf({ toString: function () { return 'a'.repeat(500000) + 'b'; } })",
    "String.prototype.indexOf.call({ toString: function () { return 'a'.repeat(1000000); } }, 'a'.repeat(500000) + 'b')",
    "var s = new Set([undefined]); s.isSupersetOf({ size: 1, has: Object, keys: Array.prototype.values.bind({ length: '1e15' }) })",
    "var o = { length: 1 }, i = Array.prototype.values.call(o); o.length = 9007199254740991; i.drop(1e15).next()",
];

#[test]
fn a_built_in_function_that_goes_through_something_ends_within_its_bounds() {
    let mut honest = Honest::new();
    for script in SCRIPTS {
        let mut session = session(script).unwrap_or_else(|| panic!("it does not load: {script}"));
        within_bounds(&mut session, script);
        honest.goes_on(script);
    }
}

/// Their results for harmless input.
#[test]
fn what_is_counted_gives_what_it_gave() {
    let expected = [
        ("[1, 2, 3].concat(4, [5, [6]]).join()", "1,2,3,4,5,6"),
        ("[1, , 3].concat([, 5]).length", "5"),
        ("[1, [2, [3, [4]]]].flat().length", "3"),
        ("[1, [2, [3, [4]]]].flat(Infinity).join('')", "1234"),
        ("[1, 2].flatMap(function (n) { return [n, n * 10]; }).join()", "1,10,2,20"),
        ("String.raw`a${1}\\n${2}`", "a1\\n2"),
        ("Array.prototype.map.call('abc', function (c) { return c + c; }).join()", "aa,bb,cc"),
        ("(function () { return Array.prototype.slice.call(arguments, 1).join(); })(1, 2, 3)", "2,3"),
        ("Array.prototype.join.call({ length: 2, 0: 'a', 1: 'b' })", "a,b"),
        ("'a-b-c'.split('-').length", "3"),
        ("'a1b2'.split(/[0-9]/).join()", "a,b,"),
        ("'aXbX'.replace('X', 'y') + 'aXbX'.replaceAll('X', 'y') + 'aXbX'.replace(/x/gi, 'z')", "aybXaybyazbz"),
        ("'abcabc'.indexOf('c') + 'abcabc'.lastIndexOf('c') * 10 + ('abc'.includes('b') ? 100 : 0)", "152"),
        ("'undefined'.indexOf() + 'a'.localeCompare('b')", "-1"),
        ("'e\\u0301'.normalize('NFC').length", "1"),
        ("new Set([1, 2, 2]).size + new Map([[1, 2]]).get(1)", "4"),
        ("Array.from({ length: 3 }, function (_, at) { return at; }).join()", "0,1,2"),
    ];
    for (expression, value) in expected {
        let text = format!(
            "<scxml version='1.0' datamodel='ecmascript'><state><onentry><log expr=\"{}\"/></onentry></state></scxml>",
            expression.replace('&', "&amp;").replace('<', "&lt;")
        );
        let mut session = Session::start(document(&text), data(), "s1", T0);
        let said = outputs(&mut session);
        assert!(matches!(&said[..], [Output::Log { text, .. }] if text == value), "{expression}: {said:?}");
    }
}
