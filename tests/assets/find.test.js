import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, place } from "./page.js";

const bar = (id) => `<div><input id="${id}" data-find="output"><button data-find-step="-1">up</button><button data-find-step="1">down</button><b data-find-count></b></div>`;
const HTML = `${bar("one")}<pre id="output">Error: <b>er</b>ror\nno ERR<i>OR</i> here</pre><input id="other">`;

function rectangle() { return { top: this.startOffset * 10 }; }

const open = async (t, html = HTML) => {
  const page = await openPage(t, html, { scripts: ["find"] });
  page.window.Range.prototype.getBoundingClientRect = rectangle;
  page.find = (text, id = "one") => { page.type(page.$(`#${id}`), text); return page.count(id); };
  page.count = (id = "one") => page.$(`#${id}`).parentElement.querySelector("[data-find-count]").textContent;
  page.marked = (name) => [...page.highlights.get(name) ?? []].map((range) => range.toString());
  return page;
};

test("matches are found whatever their case, across elements", async (t) => {
  const page = await open(t);
  assert.equal(page.find("eRRor"), "1 of 3");
  assert.deepEqual(page.marked("found"), ["Error", "error", "ERROR"]);
  assert.deepEqual(page.marked("found-now"), ["Error"]);
  assert.equal(page.find("here"), "1 of 1");
  assert.deepEqual(page.marked("found"), ["here"]);
});

test("Enter goes on, Shift back, both around the ends; so do the buttons", async (t) => {
  const page = await open(t), input = page.$("#one"), [up, down] = page.all("button");
  page.find("error");
  page.press(input, "Enter");
  assert.deepEqual([page.count(), ...page.marked("found-now")], ["2 of 3", "error"]);
  page.press(input, "Enter");
  page.press(input, "Enter");
  assert.equal(page.count(), "1 of 3");
  page.press(input, "Enter", { shiftKey: true });
  assert.equal(page.count(), "3 of 3");
  page.click(down);
  assert.equal(page.count(), "1 of 3");
  page.click(up);
  assert.equal(page.count(), "3 of 3");
  page.press(input, "a");
  page.press(page.$("#other"), "Enter");
  page.click(page.$("#output"));
  assert.equal(page.count(), "3 of 3");
});

test("what is not there is said, and nothing typed says nothing", async (t) => {
  const page = await open(t);
  page.find("error");
  assert.equal(page.find("warning"), "not found");
  assert.deepEqual([page.marked("found"), page.marked("found-now")], [[], []]);
  page.press(page.$("#one"), "Enter");
  assert.equal(page.find(""), "");
  page.type(page.$("#other"), "error");
  assert.deepEqual(page.marked("found"), []);
});

test("matches do not overlap", async (t) => {
  const page = await open(t, `${bar("one")}<pre id="output">aaaaa</pre>`);
  assert.equal(page.find("aa"), "1 of 2");
});

test("the box scrolls the match into its middle", async (t) => {
  const page = await open(t), output = page.$("#output");
  place(output, { top: 5 });
  Object.defineProperty(output, "clientHeight", { value: 40 });
  output.scrollTop = 100;
  page.find("here"); // begins at 1 of its text node
  assert.equal(output.scrollTop, 100 + 10 - 5 - 20);
});

test("a letter whose small form is longer finds nothing rather than the wrong place", async (t) => {
  const page = await open(t, `${bar("one")}<pre id="output">İ error</pre>`);
  assert.equal(page.find("error"), "not found");
});

test("each input has its own matches, and an output that is gone has none", async (t) => {
  const page = await open(t, HTML + bar("two"));
  page.find("error");
  page.press(page.$("#two"), "Enter");
  assert.equal(page.count("two"), "");
  page.$("#output").remove();
  assert.equal(page.find("error", "two"), "not found");
});

test("a browser without highlights counts", async (t) => {
  const page = await open(t);
  delete page.window.CSS.highlights;
  assert.equal(page.find("error"), "1 of 3");
});

test("no more than ten thousand are found", async (t) => {
  const page = await open(t, `${bar("one")}<pre id="output">${"a".repeat(10_005)}</pre>`);
  assert.equal(page.find("a"), "1 of 10000");
});
