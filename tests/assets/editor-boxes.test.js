import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const HTML = `<div id="editor"><pre data-ed-numbers="yaml">1</pre><textarea id="yaml" data-ed></textarea>
  <textarea id="grows" data-grow="2"></textarea><input type="checkbox" id="check"><input type="number" id="number">
  <details class="fold"><summary>More</summary><label>Time zone<input data-edit-field="tz"></label><label>Owner<input data-edit-field="owner"></label></details></div>
  <input id="outside">`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["editor-boxes"] });
  page.boxes = page.modules["editor-boxes"];
  page.yaml = page.$("#yaml");
  return page;
};
const withCaret = (area, value, start, end = start) => { area.value = value; area.focus(); area.setSelectionRange(start, end); };
const caret = (area) => [area.selectionStart, area.selectionEnd];

for (const [old, text, from, to] of [
  ["abc", "abc", 2, 2], ["abc", "abXc", 1, 1], ["abc", "abXc", 2, 2], ["abc", "abXc", 3, 4], ["abXc", "abc", 4, 3],
  ["abXYc", "abc", 4, 2], ["abXYc", "abc", 3, 2], ["abXYc", "abZZZc", 4, 5], ["abXYc", "abZZZc", 3, 3], ["", "abc", 0, 0], ["abc", "", 3, 0],
  ["abc", "xyz", 1, 1], ["aaa", "aa", 3, 2], ["aa", "aaa", 2, 2], ["schedule: 1 2\nx", "schedule: 1 2 *\nx", 15, 17],
]) {
  test(`from ${JSON.stringify(old)} to ${JSON.stringify(text)} place ${from} moves to ${to}`, async (t) => {
    assert.equal((await open(t)).boxes.moved(old, text, from), to);
  });
}

test("writing keeps the selection of the box that has the focus, and of no other", async (t) => {
  const { boxes, yaml, ...page } = await open(t);
  withCaret(yaml, "a: 1\nb: 2", 7, 9);
  boxes.write(yaml, "aaa: 1\nb: 2");
  assert.deepEqual([yaml.value, ...caret(yaml)], ["aaa: 1\nb: 2", 9, 11]);
  page.$("#outside").focus();
  boxes.write(yaml, "b");
  assert.equal(yaml.value, "b");
  assert.equal(page.document.activeElement.id, "outside");
});

test("writing what is there already touches nothing", async (t) => {
  const { boxes, yaml } = await open(t);
  withCaret(yaml, "abc", 1);
  yaml.setSelectionRange = () => assert.fail("moved");
  boxes.write(yaml, "abc");
});

test("an input without a caret is written too", async (t) => {
  const { boxes, ...page } = await open(t), number = page.$("#number");
  number.focus();
  boxes.write(number, "7");
  assert.equal(boxes.valueOf(number), "7");
});

test("a checkbox is yes or nothing", async (t) => {
  const { boxes, ...page } = await open(t), check = page.$("#check");
  assert.equal(boxes.valueOf(check), "");
  boxes.write(check, "yes");
  assert.deepEqual([check.checked, boxes.valueOf(check)], [true, "yes"]);
  boxes.write(check, "");
  assert.equal(check.checked, false);
});

test("the box has a line for each of the text and at least twelve, as wide as the longest, and numbers", async (t) => {
  const { boxes, yaml, ...page } = await open(t);
  yaml.value = "a\nlonger\nb";
  boxes.drawAll();
  assert.deepEqual([yaml.getAttribute("rows"), yaml.style.minWidth, page.$("pre").textContent], ["12", "10ch", "1\n2\n3"]);
  yaml.value = "\n".repeat(19);
  boxes.drawAll();
  assert.deepEqual([yaml.getAttribute("rows"), page.$("pre").textContent.split("\n").length], ["20", 20]);
});

test("a box that grows has between its own and twelve lines", async (t) => {
  const { boxes, ...page } = await open(t), grows = page.$("#grows");
  const rows = (text) => { grows.value = text; boxes.drawAll(); return grows.getAttribute("rows"); };
  assert.deepEqual([rows(""), rows("a\nb\nc"), rows("\n".repeat(30))], ["2", "3", "12"]);
});

test("a closed section names what is filled in it", async (t) => {
  const { boxes, ...page } = await open(t), head = page.$("summary");
  boxes.drawAll();
  assert.equal(head.dataset.set, undefined);
  page.all("[data-edit-field]").forEach((input) => { input.value = "x"; });
  boxes.drawAll();
  assert.equal(head.dataset.set, "time zone, owner");
  page.$("[data-edit-field=tz]").value = "";
  boxes.drawAll();
  assert.equal(head.dataset.set, "owner");
});

for (const [line, column, place] of [[1, 1, 0], [2, 1, 4], [2, 3, 6], [2, 99, 6], [9, 1, 7], [3, 2, 8]]) {
  test(`line ${line}, column ${column} is place ${place}`, async (t) => {
    const { boxes, yaml, ...page } = await open(t);
    yaml.value = "abc\nde\nf";
    boxes.goTo(yaml, line, column);
    assert.deepEqual(caret(yaml), [place, place]);
    assert.equal(page.document.activeElement.id, "yaml");
  });
}

for (const [text, at, after] of [["  a: 1", 6, "  a: 1\n  "], ["spec:", 5, "spec:\n  "], ["  env: ", 7, "  env: \n    "], ["  ab", 3, "  a\n  b"]]) {
  test(`a new line after ${JSON.stringify(text.slice(0, at))} is indented`, async (t) => {
    const { boxes, yaml } = await open(t);
    withCaret(yaml, text, at);
    assert.equal(boxes.insertIndentedLine(yaml), true);
    assert.equal(yaml.value, after);
  });
}

test("a new line that needs no indentation is the browser's", async (t) => {
  const { boxes, yaml } = await open(t);
  withCaret(yaml, "  a\nb", 5);
  assert.equal(boxes.insertIndentedLine(yaml), false);
});

test("the caret is noted within the editor alone, and put back", async (t) => {
  const { boxes, yaml, ...page } = await open(t);
  withCaret(yaml, "abc", 1, 2);
  const noted = boxes.caretOf(yaml);
  assert.deepEqual(noted, { id: "yaml", start: 1, end: 2 });
  assert.deepEqual([boxes.caretOf(page.$("#outside")), boxes.caretOf(page.document.body), boxes.caretOf(null)], [null, null, null]);
  page.$("#outside").focus();
  boxes.putCaret(noted);
  assert.deepEqual([page.document.activeElement.id, ...caret(yaml)], ["yaml", 1, 2]);
  assert.deepEqual(boxes.caretOf(page.$("#number")), { id: "number", start: null, end: null });
  boxes.putCaret({ id: "number", start: null, end: null });
  assert.equal(page.document.activeElement.id, "number");
  boxes.putCaret({ id: "gone", start: 0, end: 0 });
});
