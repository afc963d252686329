// The part of the data model that is easiest to say in its own language. Evaluated once for each session, before the
// document's first line; nothing here can be reached by name from a document except `_event`, `In` and the session's
// variables. Built-in functions are taken now, so that a document that replaces them changes nothing here.
(function () {
  'use strict';
  const global = globalThis;
  const { defineProperty, freeze, keys, getOwnPropertyDescriptor } = Object;
  const { parse, stringify } = JSON;
  const isArray = Array.isArray;
  const { apply } = Reflect;
  const sort = Array.prototype.sort;

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
