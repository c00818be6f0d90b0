// Helpers over the DOM that several scripts share.

export const byId = (id) => document.getElementById(id);

export const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

/** The nearest element around the event's target that matches, the target itself included; else null. */
export const around = (event, selector) => event.target.closest?.(selector) ?? null;

/** Changes the text of an element and keeps React's text node. */
export const writeText = (element, words) => {
  const text = element.firstChild;
  if (text && text.nodeValue !== words) text.nodeValue = words;
};

export const withModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;

/** Returns a function that runs `act` in the next frame, once however often it is called until then. */
export const inNextFrame = (act) => {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; act(); });
  };
};

/** Calls `act` when elements are added or removed, or one of `attributes` changes: React may redraw at any time. */
export const onChange = (act, ...attributes) => {
  const what = { childList: true, subtree: true };
  if (attributes.length) Object.assign(what, { attributes: true, attributeFilter: attributes });
  new MutationObserver(act).observe(document.body, what);
};

/** Focuses the page itself, when the focused element is gone. */
export const focusPage = () => (byId("main") || document.body).focus();

/** The stored value, or null; also if storage is disabled (private windows may throw). */
export const remembered = (storage, key) => {
  try { return globalThis[storage].getItem(key); } catch { return null; }
};

/** Stores the value; false if storage is disabled. */
export const remember = (storage, key, value) => {
  try { globalThis[storage].setItem(key, value); return true; } catch { return false; }
};

export const forget = (storage, key) => {
  try { globalThis[storage].removeItem(key); } catch { /* storage is disabled */ }
};
