import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE, isShown, openEditor, stored, withDraft } from "./editor-page.js";

test("what is not saved is kept as a draft for its user and job, and marked", async (t) => {
  const page = await openEditor(t);
  page.type(page.$("#schedule"), "2");
  assert.deepEqual(page.draft(), {
    yaml: BASE, form: { schedule: "2", owner: "" }, dirty: ["schedule"], base: BASE, sha: "s1", before: null, at: "2026-03-04T12:00:00.000Z",
  });
  assert.equal(isShown(page, "#edit-unsaved"), true);
});

test("what is as it was saved is no draft", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "x");
  page.type(page.yaml, BASE);
  assert.deepEqual([page.draft(), isShown(page, "#edit-unsaved")], [null, false]);
});

test("a draft comes before the server's text, says of when it is, and is sent with the base it stands on", async (t) => {
  const page = await openEditor(t, withDraft(stored()));
  assert.deepEqual([page.yaml.value, page.$("#schedule").value, page.$("#owner").value], ["a: draft", "9", "d"]);
  assert.equal(isShown(page, "#edit-draft"), true);
  assert.equal(page.$("#edit-draft-at").textContent, "18:30");
  const { side, base, sha, dirty, seq } = page.last();
  assert.deepEqual([page.sent.length, side, base, sha, dirty, seq], [1, "draft", "old", "s0", ["owner"], 1]);
  assert.equal(page.draft().at, "2026-03-04T09:30:00.000Z");
});

test("a draft of another day says its date", async (t) => {
  const page = await openEditor(t, withDraft(stored({ at: "2026-03-01T09:30:00.000Z" })));
  assert.equal(page.$("#edit-draft-at").textContent, "1 Mar, 18:30");
});

test("another user's draft, and one of another job, are not shown", async (t) => {
  for (const key of ["crontopus-draft:bob:a/b", "crontopus-draft:ann:a/c"]) {
    await t.test(key, async (inner) => {
      const page = await openEditor(inner, withDraft(stored(), key));
      assert.deepEqual([page.yaml.value, page.sent, page.draft(key).yaml], [BASE, [], "a: draft"]);
    });
  }
});

test("a draft equal to the server's text is dropped without a word", async (t) => {
  const page = await openEditor(t, withDraft(stored({ yaml: BASE, dirty: [] })));
  assert.deepEqual([page.sent, page.draft(), isShown(page, "#edit-draft")], [[], null, false]);
});

test("a draft with changed fields counts though its text is the server's", async (t) => {
  const page = await openEditor(t, withDraft(stored({ yaml: BASE })));
  assert.equal(page.last().side, "draft");
});

test("a draft that cannot be read opens the editor all the same, and goes", async (t) => {
  const page = await openEditor(t, withDraft('{"yaml":"x"}'));
  assert.deepEqual([page.yaml.value, page.sent, page.draft()], [BASE, [], null]);
});

test("a draft of a file that was new stands on what the server has now", async (t) => {
  const page = await openEditor(t, withDraft(stored({ sha: "" })));
  assert.deepEqual([page.last().base, page.last().sha], [BASE, "s1"]);
});

test("a draft of a new job keeps its own base", async (t) => {
  const page = await openEditor(t, { path: "/jobs/new", filled: false, ...withDraft(stored({ sha: "", base: "template" }), "crontopus-draft:ann:new") });
  await page.load({ place: "new", sha: "" });
  assert.deepEqual([page.last().place, page.last().base], ["new", "template"]);
});

test("drafts of more than thirty days go when the editor opens", async (t) => {
  const page = await openEditor(t, withDraft(stored({ at: "2026-01-01T00:00:00Z" }), "crontopus-draft:ann:x/y"));
  assert.equal(page.draft("crontopus-draft:ann:x/y"), null);
});

test("a new connection brings back what was typed, without announcing it, and the caret", async (t) => {
  const page = await openEditor(t);
  page.yaml.focus();
  page.type(page.yaml, "a: typed");
  page.yaml.setSelectionRange(3, 5);
  page.fire(page.yaml, "selectionchange");
  page.yaml.blur();
  page.yaml.value = "";
  await page.load();
  assert.equal(page.yaml.value, "a: typed");
  assert.equal(isShown(page, "#edit-draft"), false);
  assert.equal(page.last().side, "draft");
  assert.equal(page.document.activeElement, page.yaml);
  assert.deepEqual([page.yaml.selectionStart, page.yaml.selectionEnd], [3, 5]);
});

test("it takes the focus from nobody who has it", async (t) => {
  const page = await openEditor(t);
  page.yaml.focus();
  page.type(page.yaml, "a: typed");
  page.$("#save").focus();
  await page.load();
  assert.equal(page.document.activeElement.id, "save");
});

test("a merge hides the note of a draft, and its undo outlives a reload", async (t) => {
  const before = { yaml: "a: mine", base: "old", sha: "s0" };
  const page = await openEditor(t, withDraft(stored({ before })));
  assert.equal(isShown(page, "#edit-draft"), true);
  page.click(page.$("#undo"));
  assert.deepEqual([page.yaml.value, page.last().base], ["a: mine", "old"]);
  await page.reply({ why: "merged", seq: 2, base: "n", sha: "s3", yaml: "a: both", form: {} });
  assert.equal(isShown(page, "#edit-draft"), false);
});

test("Discard drops the draft, and what the server sends is shown", async (t) => {
  const page = await openEditor(t, withDraft(stored()));
  page.click(page.$("#discard"));
  assert.equal(page.draft(), null);
  await page.load();
  assert.deepEqual([page.yaml.value, isShown(page, "#edit-draft")], [BASE, false]);
});

test("signing out asks before it drops drafts, and drops them all", async (t) => {
  const page = await openEditor(t, withDraft(stored(), "crontopus-draft:bob:x/y"));
  page.type(page.yaml, "a: 2");
  page.agrees = false;
  let heard = 0;
  page.window.addEventListener("click", () => { heard += 1; });
  assert.equal(page.click(page.$("#out")), false);
  assert.deepEqual([heard, Object.keys(localStorage).length], [0, 2]);
  page.agrees = true;
  assert.equal(page.click(page.$("#out")), true);
  assert.deepEqual([heard, Object.keys(localStorage)], [1, []]);
  assert.deepEqual(page.confirms, Array(2).fill("Signing out discards your unsaved changes (2 jobs). Sign out?"));
  page.type(page.yaml, "a: 3");
  assert.deepEqual(Object.keys(localStorage), []);
});

test("with one draft it says so, and without any it asks nothing", async (t) => {
  const page = await openEditor(t);
  page.click(page.$("#out"));
  assert.deepEqual(page.confirms, []);
  await page.load();
  page.type(page.yaml, "a: 2");
  page.click(page.$("#out"));
  assert.deepEqual(page.confirms, ["Signing out discards your unsaved changes (1 job). Sign out?"]);
});

test("where the browser keeps nothing, what is typed comes back all the same", async (t) => {
  const page = await openEditor(t, { storageQuota: 10 });
  page.type(page.yaml, "a: typed");
  page.yaml.value = "";
  await page.load();
  assert.equal(page.yaml.value, "a: typed");
});
