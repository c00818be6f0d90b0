// A page for the scripts of assets/js: jsdom's document, a clock that stands still, and small fakes of what jsdom lacks
// (layout, dialogs, navigation, the clipboard, highlights). Each test loads its scripts anew.
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { mock } from "node:test";
import { JSDOM, VirtualConsole } from "jsdom";

process.env.TZ = "Asia/Tokyo"; // the browser's zone: UTC+9 all year

const SCRIPTS = new URL("../../assets/js/", import.meta.url).href;
const FROM_WINDOW = [
  "CSS", "Event", "FormData", "KeyboardEvent", "MouseEvent", "MutationObserver", "NodeFilter", "Option", "Range", "document",
];
let loads = 0;

// Modules are told apart by a number in their address, which what they import inherits.
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (!found.url.startsWith(SCRIPTS)) return found;
    const url = new URL(found.url);
    url.search ||= new URL(context.parentURL).search;
    return { ...found, url: url.href, format: "module" };
  },
});

const define = (name, descriptor) => Object.defineProperty(globalThis, name, { configurable: true, ...descriptor });

class Location extends URL {
  visits = [];
  assign(path) { this.visits.push(path); }
}

const addDialogs = ({ HTMLDialogElement, Event }) => Object.assign(HTMLDialogElement.prototype, {
  showModal() { this.open = true; this.querySelector("button,input")?.focus(); },
  close() {
    if (!this.open) return;
    this.open = false;
    queueMicrotask(() => this.dispatchEvent(new Event("close")));
  },
});

/** What undoable typing does: replaces the selection. */
const addTyping = (document) => {
  document.execCommand = (command, _, text) => {
    assert.equal(command, "insertText");
    const input = document.activeElement;
    input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
    return true;
  };
};

export const forbidden = { get() { throw new Error("The operation is insecure."); } };

/** Lets promises and observers do what they have to do. */
export const settle = async () => { for (let i = 0; i < 3; i++) await new Promise(setImmediate); };

/** An answer of the server to `fetch`. */
export const answer = (status, body, headers = {}) => ({
  status, ok: status < 400, headers: new Headers(headers), json: async () => JSON.parse(JSON.stringify(body)),
});

/** Says where an element is, as layout would. */
export const place = (element, { left = 0, top = 0, width = 0, height = 0 }) => {
  element.getBoundingClientRect = () => ({ left, top, width, height, right: left + width, bottom: top + height });
};

const acts = (page) => ({
  $: (selector) => page.document.querySelector(selector),
  all: (selector) => [...page.document.querySelectorAll(selector)],
  tick: (ms) => mock.timers.tick(ms),
  /** The next frame, after all that observers noticed. */
  draw: async () => {
    await settle();
    page.frames.splice(0).forEach((act) => act());
    await settle();
  },
  /** Returns whether the browser would do what it does by itself, as no listener prevented it. */
  fire: (target, type, init = {}) => target.dispatchEvent(new page.window.Event(type, { bubbles: true, cancelable: true, ...init })),
  press: (target, key, init = {}) =>
    target.dispatchEvent(new page.window.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init })),
  point: (target, type, init = {}) =>
    target.dispatchEvent(new page.window.MouseEvent(type, { bubbles: true, cancelable: true, detail: 1, ...init })),
  click: (target, init = {}) =>
    target.dispatchEvent(new page.window.MouseEvent("click", { bubbles: true, cancelable: true, detail: 1, ...init })),
  type: (input, text) => {
    input.value = text;
    input.dispatchEvent(new page.window.Event("input", { bubbles: true }));
  },
});

/** Opens `html` in a new page and loads `scripts` into it; `t` closes it, and fails if a listener threw. */
export const openPage = async (t, html, { scripts, url = "https://console.example/", now = "2026-03-04T12:00:00Z", ...options }) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: Date.parse(now) });
  const errors = [], console = new VirtualConsole();
  console.on("jsdomError", (error) => errors.push(error.detail ?? error.cause ?? error));
  const { window } = new JSDOM(`<!doctype html><body>${html}</body>`, { url, virtualConsole: console, ...options });
  const { document } = window;
  const page = { window, document, errors, requests: [], copied: [], frames: [], confirms: [], highlights: new Map() };
  t.after(() => {
    mock.timers.reset();
    window.close();
    assert.deepEqual(errors, []);
  });
  addDialogs(window);
  addTyping(document);
  window.Element.prototype.scrollIntoView = () => {};
  window.CSS.highlights = page.highlights;
  for (const name of FROM_WINDOW) define(name, { value: window[name], writable: true });
  for (const name of ["innerWidth", "innerHeight", "scrollY"]) define(name, { get: () => window[name] });
  for (const name of ["localStorage", "sessionStorage"]) define(name, { get: () => window[name] });
  define("window", { value: window });
  for (const name of ["addEventListener", "dispatchEvent"]) define(name, { value: window[name].bind(window) });
  define("location", { value: page.location = new Location(url) });
  define("navigator", { value: page.navigator = { onLine: true, clipboard: { writeText: async (text) => { page.copied.push(text); } } } });
  define("requestAnimationFrame", { value: (act) => page.frames.push(act) });
  define("Highlight", { value: class Highlight extends Set { constructor(...ranges) { super(ranges); } } });
  define("confirm", { value: (text) => { page.confirms.push(text); return page.agrees ?? true; }, writable: true });
  define("fetch", { value: async (path, request = {}) => { page.requests.push({ path, ...request }); return page.server(path, request); } });
  Object.assign(page, acts(page));
  const load = ++loads;
  page.script = async (name) => {
    const module = await import(`${SCRIPTS}${name}.js?${load}`);
    await page.draw();
    return module;
  };
  page.modules = {};
  for (const name of scripts) page.modules[name] = await page.script(name);
  return page;
};
