import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const HTML = `<form data-go="" action="/runs"><input name="job" value=" "><input name="host" value="db 1"><input type="hidden" name="status" value="failed">
  <select name="space"><option value="">all</option><option value="a">a</option></select></form>
  <form id="other"><select id="lone"><option>x</option></select></form><input id="loose">`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["filters"] });
  page.form = page.$("[data-go]");
  page.submit = () => page.fire(page.form, "submit");
  page.form.requestSubmit = page.submit;
  return page;
};

test("what is filled becomes the address", async (t) => {
  const page = await open(t);
  assert.equal(page.submit(), false);
  assert.deepEqual(page.location.visits, ["/runs?host=db+1&status=failed"]);
});

test("nothing filled is the page itself", async (t) => {
  const page = await open(t);
  page.all("[data-go] input").forEach((input) => { input.value = ""; });
  page.submit();
  assert.deepEqual(page.location.visits, ["/runs"]);
});

test("a choice counts at once, a text with Enter", async (t) => {
  const page = await open(t);
  page.fire(page.$("[name=job]"), "change");
  assert.deepEqual(page.location.visits, []);
  page.$("select").value = "a";
  page.fire(page.$("select"), "change");
  assert.deepEqual(page.location.visits, ["/runs?host=db+1&status=failed&space=a"]);
});

test("React Router changes the page where it is there", async (t) => {
  const page = await open(t), went = [];
  page.window.__reactRouterDataRouter = { navigate: (path) => went.push(path) };
  page.submit();
  assert.deepEqual([went, page.location.visits], [["/runs?host=db+1&status=failed"], []]);
});

test("other forms and inputs are left alone", async (t) => {
  const page = await open(t);
  page.$("#other").requestSubmit = () => assert.fail("sent");
  assert.equal(page.fire(page.$("#other"), "submit"), true);
  page.fire(page.$("#lone"), "change");
  page.fire(page.$("#loose"), "change");
  assert.deepEqual(page.location.visits, []);
});
