import assert from "node:assert/strict";
import { test } from "node:test";
import { forbidden, openPage } from "./page.js";

const NOW = "2026-03-04T12:00:00Z", DAY_MS = 86_400_000;
const old = (days) => new Date(Date.parse(NOW) - days * DAY_MS).toISOString();
const draft = (more = {}) => ({ yaml: "a: 1", form: {}, dirty: [], at: NOW, ...more });

// The module itself, as editor.js has it.
const open = async (t, options) => {
  const page = await openPage(t, "", { scripts: ["drafts"], ...options });
  page.drafts = page.modules.drafts;
  page.leaves = () => page.fire(page.window, "beforeunload");
  return page;
};

const forbid = (name = "localStorage") => Object.defineProperty(globalThis, name, { configurable: true, ...forbidden });

test("a draft comes back as it was, for its user and job alone", async (t) => {
  const { drafts } = await open(t), key = drafts.keyOf("ann", "a/b");
  drafts.save(key, draft({ dirty: ["name"] }));
  assert.deepEqual(drafts.load(key), draft({ dirty: ["name"] }));
  assert.equal(drafts.load(drafts.keyOf("bob", "a/b")), null);
  assert.equal(drafts.load(drafts.keyOf("ann", "a/c")), null);
  assert.equal(JSON.parse(localStorage.getItem("crontopus-draft:ann:a/b")).yaml, "a: 1");
});

test("what is dropped is gone", async (t) => {
  const { drafts } = await open(t), key = drafts.keyOf("ann", "new");
  drafts.save(key, draft());
  drafts.drop(key);
  assert.deepEqual([drafts.load(key), drafts.keys(), localStorage.length], [null, [], 0]);
});

test("only drafts are named", async (t) => {
  const { drafts } = await open(t);
  localStorage.setItem("crontopus-theme", "dark");
  localStorage.setItem("crontopus-draft:bob:x", "{}");
  drafts.save(drafts.keyOf("ann", "new"), draft());
  assert.deepEqual(drafts.keys().toSorted(), ["crontopus-draft:ann:new", "crontopus-draft:bob:x"]);
});

for (const text of ["{", "null", "7", '"x"', "{}", '{"yaml":"x"}', '{"yaml":1,"dirty":[],"form":{}}', '{"yaml":"","dirty":"x","form":{}}', '{"yaml":"","dirty":[]}']) {
  test(`${text} is no draft`, async (t) => {
    const { drafts } = await open(t), key = drafts.keyOf("ann", "new");
    localStorage.setItem(key, text);
    assert.equal(drafts.load(key), null);
  });
}

test("after thirty days a draft is dropped, and at once what cannot be read", async (t) => {
  const { drafts } = await open(t);
  drafts.save("crontopus-draft:ann:young", draft({ at: old(29.99) }));
  drafts.save("crontopus-draft:ann:old", draft({ at: old(30) }));
  drafts.save("crontopus-draft:ann:never", draft({ at: "" }));
  localStorage.setItem("crontopus-draft:ann:broken", "{");
  localStorage.setItem("crontopus-theme", "dark");
  drafts.dropOld();
  assert.deepEqual(Object.keys(localStorage).toSorted(), ["crontopus-draft:ann:young", "crontopus-theme"]);
});

test("what the browser keeps can be left", async (t) => {
  const page = await open(t);
  page.drafts.save(page.drafts.keyOf("ann", "new"), draft());
  assert.equal(page.leaves(), true);
});

test("where storage is full the tab keeps the draft, and asks before it is left", async (t) => {
  const page = await open(t, { storageQuota: 200 }), { drafts } = page, key = drafts.keyOf("ann", "new");
  drafts.save(key, draft({ yaml: "x".repeat(500) }));
  assert.equal(drafts.load(key).yaml.length, 500);
  assert.equal(page.leaves(), false);
  assert.deepEqual(drafts.keys(), [key]);
  drafts.save(key, draft({ yaml: "short" }));
  assert.equal(page.leaves(), true);
  drafts.save(key, draft({ yaml: "x".repeat(500) }));
  drafts.drop(key);
  assert.equal(page.leaves(), true);
});

test("where storage is forbidden the tab keeps the draft", async (t) => {
  const page = await open(t), { drafts } = page, key = drafts.keyOf("ann", "new");
  forbid();
  assert.equal(drafts.load(key), null);
  assert.deepEqual(drafts.keys(), []);
  drafts.save(key, draft());
  assert.deepEqual([drafts.load(key), drafts.keys(), page.leaves()], [draft(), [key], false]);
  drafts.drop(key);
  assert.deepEqual([drafts.load(key), page.leaves()], [null, true]);
});
