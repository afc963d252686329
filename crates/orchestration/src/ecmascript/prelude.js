// The part of the data model that is easiest to say in its own language. Evaluated once for each session, before the
// document's first line; nothing here can be reached by name from a document except `_event`, `In` and the session's
// variables. Built-in functions are taken now, so that a document that replaces them changes nothing here.
(function () {
  'use strict';
  const global = globalThis;
  const { defineProperty, freeze, keys, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { parse, stringify } = JSON;
  const isArray = Array.isArray;
  const { apply } = Reflect;
  const sort = Array.prototype.sort;

  // The engine looks up from its work at calls and turns of loops, not within a built-in function that goes through a string or an array:
  // `Array(4e9).reverse()` would not end for minutes. What such a function goes through is worked off before, in turns that it counts.
  const spend = (turns) => { for (let at = 0; at < turns; at++); };
  // Of text a turn is good for some characters.
  const CHARACTERS = 16;
  const sizeOf = (value) => {
    if (typeof value === 'string') return value.length / CHARACTERS;
    if (value === null || typeof value !== 'object') return 0;
    const { length } = value;
    return typeof length === 'number' ? length : 0;
  };
  const replace = (holder, name, value) =>
    defineProperty(holder, name, { value, writable: true, enumerable: false, configurable: true });
  const metered = (holder, weight, names) => {
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      const built = holder[name];
      if (typeof built !== 'function') continue;
      replace(holder, name, {
        [name](...args) {
          let size = sizeOf(this);
          for (let each = 0; each < args.length; each++) size += sizeOf(args[each]);
          spend(size * weight);
          const result = apply(built, this, args);
          if (result !== this) spend(sizeOf(result) * weight);
          return result;
        },
      }[name]);
    }
  };
  const ARRAY = Array.prototype;
  metered(ARRAY, 1, ['concat', 'copyWithin', 'fill', 'flat', 'includes', 'indexOf', 'join', 'lastIndexOf', 'reverse', 'shift', 'slice',
    'splice', 'toReversed', 'toSpliced', 'unshift', 'with', 'values', 'keys', 'entries']);
  replace(ARRAY, Symbol.iterator, ARRAY.values);
  // Each item is compared with several others, as text where nobody says how.
  metered(ARRAY, 32, ['sort', 'toSorted', 'toLocaleString']);
  metered(Array, 1, ['from', 'of']);
  metered(String.prototype, 1, ['concat', 'includes', 'indexOf', 'lastIndexOf', 'match', 'matchAll', 'padEnd', 'padStart', 'repeat',
    'replace', 'replaceAll', 'search', 'split', 'toLowerCase', 'toUpperCase', 'trim', 'trimEnd', 'trimStart']);
  metered(String.prototype, 32, ['localeCompare', 'normalize', 'toLocaleLowerCase', 'toLocaleUpperCase']);
  metered(JSON, CHARACTERS, ['parse', 'stringify']);
  metered(Object, 1, ['assign', 'defineProperties', 'entries', 'fromEntries', 'getOwnPropertyDescriptors', 'getOwnPropertyNames', 'keys',
    'values']);

  // What is compiled was looked at when the document was loaded, so nothing is made of text later.
  const Function = function () { throw new TypeError('code that is made of text is not supported'); };
  Function.prototype = getPrototypeOf(spend);
  replace(global, 'eval', () => Function());
  replace(global, 'Function', Function);
  const kinds = [spend, function* () {}, async () => {}, async function* () {}];
  for (let at = 0; at < kinds.length; at++) replace(getPrototypeOf(kinds[at]), 'constructor', Function);

  let event;
  let active = [];
  let platform = {};
  const loops = [];

  const fixed = (name, value) =>
    defineProperty(global, name, { value, writable: false, enumerable: false, configurable: false });
  const computed = (name, get) => defineProperty(global, name, { get, enumerable: false, configurable: false });

  const deepFreeze = (value) => {
    if (value !== null && typeof value === 'object') {
      for (const key of keys(value)) deepFreeze(value[key]);
      freeze(value);
    }
    return value;
  };

  computed('_event', () => event);
  computed('_genesys', () => platform);
  fixed('In', (id) => {
    for (let at = 0; at < active.length; at++) if (active[at] === id) return true;
    return false;
  });

  return {
    session(id, name, location, start) {
      fixed('_sessionid', id);
      fixed('_name', name);
      const processor = { location };
      fixed('_ioprocessors', deepFreeze({
        scxml: processor,
        'http://www.w3.org/TR/scxml/#SCXMLEventProcessor': processor,
      }));
      fixed('_data', deepFreeze(start));
    },
    platform(objects) { platform = deepFreeze(objects); },
    event(value) { event = freeze(value); },
    active(ids) { active = ids; },
    declare(name) {
      if (getOwnPropertyDescriptor(global, name) === undefined) global[name] = undefined;
    },
    openLoop(array) {
      if (!isArray(array)) throw new TypeError('not an array');
      const copy = [];
      for (let at = 0; at < array.length; at++) copy[at] = array[at];
      loops[loops.length] = copy;
      return copy.length;
    },
    bindItem(at, item, index) {
      global[item] = loops[loops.length - 1][at];
      if (index !== undefined) global[index] = at;
    },
    closeLoop() { loops.length -= 1; },
    // Variables are what stands on the global object and is enumerable: declared data, and what scripts made with `var`.
    // Functions come back by running the document's script again.
    snapshot() {
      const values = {};
      const empty = [];
      // In a fixed order: equal variables give equal photographs.
      for (const name of apply(sort, keys(global), [])) {
        const value = global[name];
        if (value === undefined) empty[empty.length] = name;
        else if (typeof value !== 'function') values[name] = value;
      }
      return stringify({ values, empty });
    },
    restore(text) {
      const { values, empty } = parse(text);
      for (const name of keys(values)) global[name] = values[name];
      for (const name of empty) global[name] = undefined;
    },
  };
})()
