import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, settle } from "./page.js";

const HTML = `<link rel="icon" href="/favicon.svg"><div class="app" data-incidents="0"><h1><span class="muted">production / </span>backup</h1></div>`;

const open = (t, html = HTML) => openPage(t, html, { scripts: ["title"] });
const icon = (page) => page.$("link").getAttribute("href");

test("the title is the page's own name, without its muted part", async (t) => {
  const page = await open(t);
  assert.deepEqual([page.document.title, icon(page)], ["backup · Crontopus", "/favicon.svg"]);
});

test("open incidents come first in the title and change the icon, live", async (t) => {
  const page = await open(t);
  page.$(".app").dataset.incidents = "3";
  await settle();
  assert.deepEqual([page.document.title, icon(page)], ["(3) backup · Crontopus", "/favicon-open.svg"]);
  page.$(".app").dataset.incidents = "0";
  await settle();
  assert.deepEqual([page.document.title, icon(page)], ["backup · Crontopus", "/favicon.svg"]);
});

test("a heading that changes its text, or a title that the page sets, is followed within a second", async (t) => {
  const page = await open(t);
  page.$("h1").lastChild.nodeValue = "other";
  page.document.title = "Job · Crontopus";
  page.tick(1000);
  assert.equal(page.document.title, "other · Crontopus");
});

test("a page without a frame keeps its title", async (t) => {
  const page = await open(t, "<h1>Sign in</h1>");
  assert.equal(page.document.title, "");
});
