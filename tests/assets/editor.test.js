import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE, isShown, openEditor } from "./editor-page.js";

test("the page is filled, and nothing is sent or kept", async (t) => {
  const page = await openEditor(t);
  assert.deepEqual([page.yaml.value, page.$("#schedule").value, page.$("#owner").value], [BASE, "1", ""]);
  assert.deepEqual([page.sent, page.draft(), isShown(page, "#edit-unsaved"), isShown(page, "#edit-draft")], [[], null, false, false]);
});

test("what is typed is sent after a rest, with its number", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: 2");
  page.tick(69);
  page.type(page.yaml, "a: 23");
  page.tick(69);
  assert.deepEqual(page.sent, []);
  page.tick(1);
  assert.deepEqual(page.sent, [{ port: "sent", seq: 2, side: "yaml", place: "a/b", yaml: "a: 23", form: { schedule: "1", owner: "" }, dirty: [] }]);
});

test("fields that were changed are named, and the form counts", async (t) => {
  const page = await openEditor(t);
  page.type(page.$("#schedule"), "2");
  page.type(page.$("#owner"), "ops");
  page.rest();
  assert.deepEqual([page.last().side, page.last().dirty, page.last().form], ["form", ["schedule", "owner"], { schedule: "2", owner: "ops" }]);
});

test("where both were typed the text counts", async (t) => {
  const page = await openEditor(t);
  page.type(page.$("#schedule"), "2");
  page.type(page.yaml, "a: 2");
  page.rest();
  assert.equal(page.last().side, "yaml");
});

test("inputs that are no field of the editor send nothing", async (t) => {
  const page = await openEditor(t);
  page.type(page.$("#free"), "x");
  page.rest();
  assert.deepEqual([page.sent, page.draft()], [[], null]);
});

test("before the page is filled nothing that is typed counts", async (t) => {
  const page = await openEditor(t, { filled: false });
  page.type(page.yaml, "a: 2");
  page.rest();
  page.click(page.$("#save"));
  page.click(page.$("#undo"));
  page.click(page.$("#discard"));
  await page.reply({ why: "read", seq: 0, yaml: "other", form: {} });
  assert.deepEqual([page.sent, page.yaml.value, Object.keys(localStorage)], [[], "a: 2", []]);
});

test("the answer to the latest is written, and fields are no longer changed", async (t) => {
  const page = await openEditor(t);
  page.type(page.$("#schedule"), "2");
  page.rest();
  await page.reply({ why: "read", seq: 1, yaml: "a: 2", form: { schedule: "two", owner: "x" } });
  assert.deepEqual([page.yaml.value, page.$("#schedule").value], ["a: 2", "two"]);
  page.type(page.$("#owner"), "y");
  page.rest();
  assert.deepEqual([page.last().dirty, page.last().side, page.last().seq], [["owner"], "form", 2]);
});

test("an answer to something older is not written; what was typed since is sent at once", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: 2");
  page.rest();
  page.type(page.yaml, "a: 23");
  page.rest();
  assert.equal(page.sent.length, 1);
  await page.reply({ why: "read", seq: 1, yaml: "a: TWO", form: {} });
  assert.equal(page.yaml.value, "a: 23");
  assert.deepEqual([page.sent.length, page.last().seq, page.last().yaml], [2, 2, "a: 23"]);
});

test("while an answer is awaited nothing is sent, but after ten seconds it is lost", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: 2");
  page.rest();
  page.tick(9800);
  page.type(page.yaml, "a: 3");
  page.rest();
  assert.equal(page.sent.length, 1);
  page.tick(130);
  page.type(page.yaml, "a: 4");
  page.rest();
  assert.deepEqual([page.sent.length, page.last().yaml], [2, "a: 4"]);
});

test("an answer is taken once", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: 2");
  page.rest();
  await page.reply({ why: "read", seq: 1, yaml: "a: two", form: {} });
  page.yaml.value = "typed by nobody";
  page.document.body.append("x");
  await page.draw();
  assert.equal(page.yaml.value, "typed by nobody");
});

test("a side that the answer leaves out stays as it is", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: [");
  page.rest();
  await page.reply({ why: "read", seq: 1 });
  assert.deepEqual([page.yaml.value, page.$("#schedule").value], ["a: [", "1"]);
});

test("what fills another job's page is not taken", async (t) => {
  const page = await openEditor(t, { path: "/jobs/a/other/edit" });
  assert.equal(page.yaml.value, "");
});

test("names in the address are decoded, and a slash at its end does not count", async (t) => {
  const page = await openEditor(t, { path: "/jobs/a/b%2Ec/edit/", filled: false });
  await page.load({ place: "a/b.c" });
  assert.equal(page.yaml.value, BASE);
});

test("Save sends the text with what it stands on, at once", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: 2");
  page.click(page.$("#save i"));
  page.rest();
  assert.equal(page.sent.length, 1);
  const { port, side, base, sha, yaml, seq } = page.last();
  assert.deepEqual([port, side, base, sha, yaml, seq], ["save", "yaml", BASE, "s1", "a: 2", 1]);
});

test("Ctrl+S saves, Cmd+S too, and the browser does not", async (t) => {
  const page = await openEditor(t);
  assert.equal(page.press(page.yaml, "s", { ctrlKey: true }), false);
  assert.equal(page.press(page.yaml, "s", { metaKey: true }), false);
  assert.equal(page.press(page.yaml, "s"), true);
  assert.deepEqual(page.sent.map(({ port }) => port), ["save", "save"]);
  page.$("#save").remove();
  assert.equal(page.press(page.yaml, "s", { ctrlKey: true }), true);
});

test("what was saved is no draft any more", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: 2");
  page.click(page.$("#save"));
  await page.reply({ why: "saved", seq: 1, place: "a/b", base: "a: 2", sha: "s2", yaml: "a: 2", form: {} });
  assert.deepEqual([page.draft(), isShown(page, "#edit-unsaved")], [null, false]);
  page.type(page.yaml, "a: 3");
  page.click(page.$("#save"));
  assert.deepEqual([page.last().base, page.last().sha], ["a: 2", "s2"]);
});

test("an answer that changes the text makes it a draft", async (t) => {
  const page = await openEditor(t);
  page.type(page.$("#schedule"), "2");
  page.rest();
  await page.reply({ why: "read", seq: 1, yaml: "a: two", form: {} });
  const draft = page.draft();
  assert.deepEqual([draft.yaml, draft.dirty], ["a: two", []]);
});

test("what was typed while it was saved stays, as a draft of the saved file, and is sent", async (t) => {
  const page = await openEditor(t, { path: "/jobs/new", filled: false });
  await page.load({ place: "new", sha: "" });
  page.type(page.yaml, "a: 2");
  page.click(page.$("#save"));
  page.type(page.yaml, "a: 23");
  await page.reply({ why: "saved", seq: 1, place: "a/b", base: "a: 2", sha: "s2", yaml: "a: 2", form: {} });
  assert.equal(page.yaml.value, "a: 23");
  assert.deepEqual([page.draft("crontopus-draft:ann:new"), page.draft().yaml, page.draft().sha], [null, "a: 23", "s2"]);
  assert.deepEqual([page.last().seq, page.last().place, page.last().port], [2, "a/b", "sent"]);
});

test("a merge is asked for, written, and can be undone", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: mine");
  page.rest();
  page.click(page.$("#merge"));
  assert.deepEqual([page.last().side, page.last().port], ["merge", "sent"]);
  await page.reply({ why: "merged", seq: 1, base: "a: theirs", sha: "s2", yaml: "a: both", form: { schedule: "m" } });
  assert.deepEqual([page.yaml.value, page.$("#schedule").value, page.draft().before], ["a: both", "m", { yaml: "a: mine", base: BASE, sha: "s1" }]);
  page.click(page.$("#undo"));
  assert.equal(page.yaml.value, "a: mine");
  const { side, base, sha, seq } = page.last();
  assert.deepEqual([side, base, sha, seq], ["draft", BASE, "s1", 3]);
  assert.equal(page.draft().before, null);
  const count = page.sent.length;
  page.click(page.$("#undo"));
  assert.equal(page.sent.length, count);
});

test("an answer that was on its way when a merge was written is not written over it", async (t) => {
  const page = await openEditor(t);
  page.type(page.yaml, "a: mine");
  page.rest();
  await page.reply({ why: "merged", seq: 1, base: "n", sha: "s2", yaml: "a: both", form: {} });
  await page.reply({ why: "read", seq: 1, yaml: "a: mine", form: {} });
  assert.equal(page.yaml.value, "a: both");
});

test("leaving the editor forgets what it edits", async (t) => {
  const page = await openEditor(t);
  page.location.href = "https://console.example/jobs";
  page.$("#edit-answer").remove();
  await page.draw();
  page.type(page.yaml, "x");
  page.rest();
  assert.deepEqual([page.sent, page.draft()], [[], null]);
});

test("while the editor's page is drawn anew it still knows what it edits", async (t) => {
  const page = await openEditor(t), port = page.$("#edit-answer");
  port.remove();
  await page.draw();
  page.type(page.yaml, "x");
  assert.equal(page.draft().yaml, "x");
});

test("a line of an error is gone to", async (t) => {
  const page = await openEditor(t);
  page.click(page.$("#go"));
  assert.deepEqual([page.document.activeElement.id, page.yaml.selectionStart], ["yaml", 7]);
});

test("Enter indents in the text, but not where it means something else", async (t) => {
  const page = await openEditor(t);
  const enter = (init = {}) => { page.yaml.value = "spec:"; page.yaml.focus(); page.yaml.setSelectionRange(5, 5); return page.press(page.yaml, "Enter", init); };
  assert.equal(enter(), false);
  assert.equal(page.yaml.value, "spec:\n  ");
  for (const init of [{ shiftKey: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }, { isComposing: true }]) {
    assert.equal(enter(init), true);
    assert.equal(page.yaml.value, "spec:");
  }
  assert.equal(page.press(page.$("#schedule"), "Enter"), true);
});
