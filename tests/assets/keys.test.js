import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const FORM = `<form role="search"><input id="search"></form>`;
const HTML = `<input id="text"><textarea></textarea><select></select><dialog id="keys"><button>Close</button></dialog>
  <button data-act="keys"><i>keys</i></button><dialog id="ask"></dialog>`;

const open = async (t, html = FORM + HTML) => {
  const page = await openPage(t, html, { scripts: ["keys"] });
  page.keys = (...keys) => { for (const key of keys) page.press(page.document.activeElement, key); return page.location.visits; };
  return page;
};

for (const [key, path] of Object.entries({ o: "/", i: "/incidents", j: "/jobs", r: "/runs", e: "/endpoints", p: "/repository" })) {
  test(`g ${key} opens ${path}`, async (t) => {
    const page = await open(t);
    assert.deepEqual(page.keys("g", key), [path]);
  });
}

test("a letter alone, or long after g, opens nothing; g counts once", async (t) => {
  const page = await open(t);
  page.keys("j", "g");
  page.tick(1500);
  page.keys("j");
  assert.deepEqual(page.keys("g", "x", "j", "j"), ["/jobs"]);
  page.keys("g");
  page.tick(1499);
  assert.deepEqual(page.keys("r"), ["/jobs", "/runs"]);
});

test("n opens the form of a new job", async (t) => {
  const page = await open(t);
  assert.deepEqual(page.keys("n"), ["/jobs/new"]);
});

test("? and the button show the keys, once", async (t) => {
  const page = await open(t), dialog = page.$("#keys");
  page.keys("?");
  assert.equal(dialog.open, true);
  dialog.showModal = () => assert.fail("opened twice");
  page.click(page.$("[data-act=keys] i"));
  dialog.close();
  dialog.showModal = () => { dialog.open = true; };
  page.click(page.$("[data-act=keys] i"));
  assert.equal(dialog.open, true);
});

test("a page without the list of keys has none to show", async (t) => {
  const page = await open(t, FORM);
  page.keys("?");
});

test("/ goes into the search box, whose text it selects", async (t) => {
  const page = await open(t), box = page.$("#search");
  box.value = "old";
  assert.equal(page.press(page.document.body, "/"), false);
  assert.equal(page.document.activeElement, box);
  assert.deepEqual([box.selectionStart, box.selectionEnd], [0, 3]);
});

for (const selector of ["#text", "textarea", "select", "#search"]) {
  test(`in ${selector} letters are text, and Escape leaves it`, async (t) => {
    const page = await open(t), input = page.$(selector);
    input.focus();
    assert.equal(page.press(input, "/"), true);
    assert.deepEqual(page.keys("n", "g", "j", "?"), []);
    assert.equal(page.$("#keys").open, false);
    assert.equal(page.document.activeElement, input);
    page.keys("Escape");
    assert.notEqual(page.document.activeElement, input);
  });
}

test("with a modifier keys are the browser's", async (t) => {
  const page = await open(t);
  for (const init of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) assert.equal(page.press(page.document.body, "/", init), true);
  page.press(page.document.body, "n", { ctrlKey: true });
  assert.deepEqual(page.location.visits, []);
});

test("while a dialog is open, and while one signs in, keys do nothing", async (t) => {
  const page = await open(t);
  page.$("#ask").open = true;
  assert.deepEqual(page.keys("n"), []);
  page.$("#ask").open = false;
  page.document.body.insertAdjacentHTML("beforeend", `<form data-door="login"></form>`);
  assert.deepEqual(page.keys("n"), []);
});

test("what is typed after / while no box is there yet is the box's when it comes", async (t) => {
  const page = await open(t, "");
  assert.equal(page.press(page.document.body, "/"), false);
  assert.equal(page.press(page.document.body, "n"), false);
  page.keys("x", "Backspace", "1", "Shift");
  assert.deepEqual(page.location.visits, []);
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.equal(page.$("#search").value, "n1");
  assert.equal(page.document.activeElement, page.$("#search"));
});

test("Escape ends the waiting, and so do five seconds", async (t) => {
  const page = await open(t, "");
  page.keys("/", "Escape");
  assert.deepEqual(page.keys("n"), ["/jobs/new"]);
  page.keys("/");
  page.tick(5000);
  assert.deepEqual(page.keys("n"), ["/jobs/new", "/jobs/new"]);
});

test("keys that follow a box which went with its page are its text", async (t) => {
  const page = await open(t);
  page.$("#search").focus();
  page.$("#search").value = "ba";
  page.$("form").remove();
  page.keys("c", "k");
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.equal(page.$("#search").value, "back");
});
