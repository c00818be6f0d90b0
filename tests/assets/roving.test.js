import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const HTML = `<div data-rove id="group" tabindex="0"><i tabindex="-1">1</i><i tabindex="-1">2</i><i tabindex="-1">3</i></div>
  <div data-rove id="none" tabindex="0"></div><b tabindex="0">out</b>`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["roving"] });
  page.focused = () => page.document.activeElement.textContent;
  page.from = (start, ...keys) => {
    start.focus();
    for (const key of keys) page.press(page.document.activeElement, key);
    return page.focused();
  };
  return page;
};

test("the arrow keys go through the cells and stop at the ends", async (t) => {
  const page = await open(t), [first, , third] = page.all("i");
  assert.equal(page.from(first, "ArrowRight"), "2");
  assert.equal(page.from(first, "ArrowRight", "ArrowRight", "ArrowRight"), "3");
  assert.equal(page.from(third, "ArrowLeft"), "2");
  assert.equal(page.from(first, "ArrowLeft"), "1");
  assert.equal(page.from(first, "End"), "3");
  assert.equal(page.from(third, "Home"), "1");
});

test("from the group itself they begin at its ends", async (t) => {
  const page = await open(t), group = page.$("#group");
  assert.equal(page.from(group, "ArrowRight"), "1");
  assert.equal(page.from(group, "ArrowLeft"), "3");
  assert.equal(page.from(group, "End"), "3");
  assert.equal(page.from(group, "Home"), "1");
});

test("a key that was for the cells scrolls no page; others, and those with a modifier, are the browser's", async (t) => {
  const page = await open(t), [first] = page.all("i");
  first.focus();
  assert.equal(page.press(first, "ArrowRight"), false);
  for (const [key, init] of [["a"], ["ArrowUp"], ["ArrowRight", { ctrlKey: true }], ["ArrowRight", { metaKey: true }], ["Home", { altKey: true }]]) {
    first.focus();
    assert.equal(page.press(first, key, init), true);
    assert.equal(page.focused(), "1");
  }
});

test("outside a group, and in one without cells, nothing happens", async (t) => {
  const page = await open(t);
  page.$("b").focus();
  assert.equal(page.press(page.$("b"), "ArrowRight"), true);
  page.press(page.$("#none"), "ArrowRight");
  page.press(page.document, "ArrowRight");
  assert.equal(page.focused(), "out");
});
