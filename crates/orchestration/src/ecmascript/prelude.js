// The part of the data model that is easiest to say in its own language: a function that is called once for each session, before the
// document's first line, with the functions of the host that look up in the tenant's configuration. Nothing here can be reached by
// name from a document except `_event`, `In` and the session's variables. Built-in functions are taken now, so that a document that
// replaces them changes nothing here.
(function (lookups) {
  'use strict';
  const global = globalThis;
  const { defineProperty, freeze, keys, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { parse, stringify } = JSON;
  const isArray = Array.isArray;
  const { apply } = Reflect;
  const sort = Array.prototype.sort;
  const toObject = Object;
  // Not by a template, which is a call of `concat` here.
  const toText = String;
  const source = getOwnPropertyDescriptor(RegExp.prototype, 'source').get;

  // The engine looks up from its work at calls and turns of loops, not within a built-in function that goes through a string or an array:
  // `Array(4e9).reverse()` would not end for minutes. What such a function goes through is worked off before, in turns that it counts.
  const spend = (turns) => { for (let at = 0; at < turns; at++); };
  // Of text a turn is good for some characters.
  const CHARACTERS = 16;
  // Of text that is compared place by place with other text, it is good for so many comparisons.
  const COMPARISONS = 256;
  const sizeOf = (value) => {
    if (typeof value === 'string') return value.length / CHARACTERS;
    if (value === null || typeof value !== 'object') return 0;
    const { length } = value;
    return typeof length === 'number' ? length : 0;
  };
  // How far a built-in function of arrays goes. It reads the length once more, and must find the same: what is no array has to have a plain number.
  const lengthOf = (value) => {
    if (isArray(value)) return value.length;
    if (value === null || value === undefined) return 0;
    const object = toObject(value);
    const own = getOwnPropertyDescriptor(object, 'length');
    if (own === undefined ? !('length' in object) : typeof own.value === 'number') return own === undefined ? 0 : own.value;
    throw new TypeError('the length of what is no array must be a number of its own');
  };
  const asText = (value) => (value === null || value === undefined ? value : toText(value));
  const replace = (holder, name, value) =>
    defineProperty(holder, name, { value, writable: true, enumerable: false, configurable: true });
  // `work` says how many turns a call is worth; where it gives a second value, that is what the function is called on.
  const counted = (holder, names, work) => {
    for (let at = 0; at < names.length; at++) {
      const name = names[at];
      const built = holder[name];
      if (typeof built !== 'function') continue;
      replace(holder, name, {
        [name](...args) {
          const { turns, weight, on } = work(this, args);
          spend(turns * weight);
          const result = apply(built, on, args);
          if (result !== on) spend(sizeOf(result) * weight);
          return result;
        },
      }[name]);
    }
  };
  const sizeOfAll = (args) => {
    let size = 0;
    for (let each = 0; each < args.length; each++) size += sizeOf(args[each]);
    return size;
  };
  const metered = (holder, weight, names) =>
    counted(holder, names, (on, args) => ({ turns: sizeOf(on) + sizeOfAll(args), weight, on }));
  const ofArrays = (weight, names) =>
    counted(ARRAY, names, (on, args) => ({ turns: lengthOf(on) + sizeOfAll(args), weight, on }));
  const ofText = (weight, names) => counted(TEXT, names, (value, args) => {
    const on = asText(value);
    return { turns: sizeOf(on) + sizeOfAll(args), weight, on };
  });
  const ARRAY = Array.prototype;
  const TEXT = String.prototype;
  ofArrays(1, ['copyWithin', 'fill', 'includes', 'indexOf', 'join', 'lastIndexOf', 'reverse', 'shift', 'slice', 'splice', 'toReversed',
    'toSpliced', 'unshift', 'with', 'values', 'keys', 'entries']);
  replace(ARRAY, Symbol.iterator, ARRAY.values);
  // Each item is compared with several others, as text where nobody says how.
  ofArrays(32, ['sort', 'toSorted', 'toLocaleString']);
  metered(Array, 1, ['from', 'of']);
  ofText(1, ['concat', 'match', 'matchAll', 'padEnd', 'padStart', 'repeat', 'search', 'toLowerCase', 'toUpperCase', 'trim', 'trimEnd',
    'trimStart']);
  ofText(32, ['toLocaleLowerCase', 'toLocaleUpperCase']);
  // What is searched for may be compared at each place. An object that is no regular expression is text here.
  const isRegExp = (value) => {
    if (value === null || typeof value !== 'object') return false;
    try { apply(source, value, []); return true; } catch (e) { return false; }
  };
  counted(TEXT, ['includes', 'indexOf', 'lastIndexOf', 'replace', 'replaceAll', 'split'], (value, args) => {
    const on = asText(value);
    if (args.length > 0 && args[0] !== undefined && !isRegExp(args[0])) args[0] = toText(args[0]);
    const sought = args[0];
    const places = typeof sought === 'string' && on ? on.length * sought.length / COMPARISONS : 0;
    return { turns: sizeOf(on) + sizeOfAll(args) + places, weight: 1, on };
  });
  // Marks are brought into their order one by one.
  counted(TEXT, ['localeCompare', 'normalize'], (value, args) => {
    const on = asText(value);
    if (args.length > 0 && args[0] !== undefined) args[0] = toText(args[0]);
    const longest = on ? (args.length > 0 && args[0] ? on.length + args[0].length : on.length) : 0;
    return { turns: longest + longest * longest / COMPARISONS, weight: 1, on };
  });
  metered(JSON, CHARACTERS, ['parse', 'stringify']);
  metered(Object, 1, ['assign', 'defineProperties', 'entries', 'fromEntries', 'getOwnPropertyDescriptors', 'getOwnPropertyNames', 'keys',
    'values']);

  // These go through what nobody can measure before, so they are said in the language itself, where each turn counts.
  const append = (list, items) => {
    for (let at = 0; at < items.length; at++) {
      if (at in items) list[list.length] = items[at];
      else list.length += 1;
    }
    return list;
  };
  const flatten = (list, items, depth) => {
    for (let at = 0; at < items.length; at++) {
      if (!(at in items)) continue;
      if (depth >= 1 && isArray(items[at])) flatten(list, items[at], depth - 1);
      else list[list.length] = items[at];
    }
    return list;
  };
  const said = {
    concat(...others) {
      const list = isArray(this) ? append([], this) : [this];
      for (let at = 0; at < others.length; at++) {
        if (isArray(others[at])) append(list, others[at]);
        else list[list.length] = others[at];
      }
      return list;
    },
    flat(depth) { return flatten([], this, depth === undefined ? 1 : +depth); },
    flatMap(change, on) { return flatten([], apply(map, this, [change, on]), 1); },
  };
  const map = ARRAY.map;
  replace(ARRAY, 'concat', said.concat);
  replace(ARRAY, 'flat', said.flat);
  replace(ARRAY, 'flatMap', said.flatMap);
  replace(String, 'raw', ({ raw(pieces, ...values) {
    const { raw } = pieces;
    let text = '';
    for (let at = 0; at < raw.length; at++) text += raw[at] + (at + 1 < raw.length && at < values.length ? values[at] : '');
    return text;
  } }).raw);
  // What goes through somebody's iterator without calling anything that counts is not offered.
  const withhold = (holder, names) => { for (let at = 0; at < names.length; at++) delete holder[names[at]]; };
  if (typeof Iterator === 'function') withhold(Iterator.prototype, ['chunks', 'drop', 'includes', 'join', 'take', 'windows']);
  withhold(Set.prototype, ['difference', 'intersection', 'isDisjointFrom', 'isSubsetOf', 'isSupersetOf', 'symmetricDifference', 'union']);

  // What is compiled was looked at when the document was loaded, so nothing is made of text later.
  const Function = function () { throw new TypeError('code that is made of text is not supported'); };
  Function.prototype = getPrototypeOf(spend);
  replace(global, 'eval', () => Function());
  replace(global, 'Function', Function);
  const kinds = [spend, function* () {}, async () => {}, async function* () {}];
  for (let at = 0; at < kinds.length; at++) replace(getPrototypeOf(kinds[at]), 'constructor', Function);

  // What the tenant's configuration has, as it is now. Whatever is asked for, what is not there is undefined, and nothing is thrown.
  // The longest name of a list or an attribute, of a section and of a key: what is longer names nothing, and is not copied.
  const NAME_LENGTH = 255;
  const nameOf = (value) => {
    const name = typeof value === 'number' ? toText(value) : value;
    return typeof name === 'string' && name.length <= NAME_LENGTH ? name : undefined;
  };
  // A copy is worked off by its length, before it is made of its text.
  const copyOf = (text) => {
    if (text === undefined) return undefined;
    spend(text.length);
    return parse(text);
  };
  const tenant = freeze({
    list(name, section, ...keys) {
      const list = nameOf(name);
      const part = nameOf(section);
      if (list === undefined || part === undefined) return undefined;
      // A key that is undefined, as what the call's data lack, is not the whole section.
      if (keys.length === 0) return copyOf(lookups.section(list, part));
      const key = nameOf(keys[0]);
      return key === undefined ? undefined : lookups.value(list, part, key);
    },
    attribute_values(attribute) {
      const name = nameOf(attribute);
      return name === undefined ? undefined : copyOf(lookups.values(name));
    },
    is_open(schedule) {
      const name = nameOf(schedule);
      const length = name === undefined ? undefined : lookups.hours_length(name);
      if (length === undefined) return undefined;
      // Its lines are read anew each time.
      spend(length);
      return lookups.is_open(name);
    },
    option(section, ...keys) {
      const part = nameOf(section);
      if (part === undefined) return undefined;
      if (keys.length === 0) return copyOf(lookups.options(part));
      const key = nameOf(keys[0]);
      return key === undefined ? undefined : lookups.option(part, key);
    },
  });
  freeze(tenant.list);
  freeze(tenant.attribute_values);
  freeze(tenant.is_open);
  freeze(tenant.option);

  let event;
  let active = [];
  let platform = tenant;
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
    platform(objects) {
      objects.list = tenant.list;
      objects.attribute_values = tenant.attribute_values;
      objects.is_open = tenant.is_open;
      objects.option = tenant.option;
      platform = deepFreeze(objects);
    },
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
})
