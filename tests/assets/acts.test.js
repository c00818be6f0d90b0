import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const HTML = `<div id="toasts"></div><button id="pause">Pause</button>
<form id="comment"><input name="text"></form>
<button id="copy" data-copy="x">copy</button><button id="open" data-open="dialog">Delete</button>
<form id="filter" action="/runs" data-go=""><button id="submit-filter">Filter</button></form>
<form id="typing" data-edit-port="sent"></form><form id="save" data-edit-port="save"></form>
<form id="sign-in" data-door="session"><button id="enter">Sign in</button></form>`;
const SENT = ["pause", "comment", "save"], LOCAL = ["copy", "open", "submit-filter", "filter", "typing", "enter", "sign-in"];

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["acts"] }), done = page.done = [];
  // React listens at its root, below the window.
  for (const type of ["click", "submit"]) {
    page.document.body.addEventListener(type, (event) => { event.preventDefault(); done.push(event.target.id); });
  }
  page.live = (readyState = 1) => Object.assign(page.window, { crontopusHeard: Date.now(), crontopusSocket: { readyState } });
  page.act = (id) => {
    const target = page.$(`#${id}`);
    if (target.tagName === "FORM") page.fire(target, "submit"); else page.click(target);
  };
  page.toasts = () => page.all(".toast span").map((words) => words.textContent);
  return page;
};

test("while the page is live everything is sent", async (t) => {
  const page = await open(t);
  page.live();
  [...SENT, ...LOCAL].forEach(page.act);
  assert.deepEqual([page.done, page.toasts()], [[...SENT, ...LOCAL], []]);
});

for (const [why, lose] of [
  ["the server is silent", (page) => { page.live(); page.tick(4001); }],
  ["the websocket is closed", (page) => page.live(3)],
  ["the browser is offline", (page) => { page.live(); page.navigator.onLine = false; }],
  ["nothing was heard yet", () => {}],
]) {
  test(`while ${why} acts are refused, and what the browser does alone works`, async (t) => {
    const page = await open(t);
    lose(page);
    [...SENT, ...LOCAL].forEach(page.act);
    assert.deepEqual(page.done, LOCAL);
    assert.equal(page.toasts().length, SENT.length);
    assert.match(page.toasts()[0], /^Not sent/);
  });
}

test("a connection lost right after an act says that the act is unsure", async (t) => {
  const page = await open(t);
  page.live();
  page.act("pause");
  page.tick(4500);
  assert.match(page.toasts()[0], /^The connection was lost right after/);
});

test("a connection lost after the server answered says nothing", async (t) => {
  const page = await open(t);
  page.live();
  page.act("pause");
  page.tick(10);
  page.live();
  page.tick(4500);
  assert.deepEqual(page.toasts(), []);
});

test("the toast itself can be closed, but Undo is an act", async (t) => {
  const page = await open(t);
  page.window.crontopus.say({ text: "Deleted.", undo: "k1" });
  const button = (label) => page.all(".toast button").find((each) => each.textContent === label);
  page.click(button("Undo"));
  assert.equal(page.toasts().length, 2);
  page.click(button("×"));
  assert.equal(page.toasts().length, 1);
});
