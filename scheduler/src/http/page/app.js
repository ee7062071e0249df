// Puts the page together: one state, and views that draw it.

import { drawFacts, JobList, JobView } from "./jobs.js";
import { count, duration, el, percent, plural, text, timeOfDay } from "./format.js";
import { Plan } from "./plan.js";
import { State, ended, jobTiles, jobTitle, listen } from "./state.js";
import { TimePanel } from "./time.js";
import { Limits, Workers } from "./workers.js";

const at = (id) => document.getElementById(id);

const state = new State();
const jobView = new JobView(at("job"), state);
const jobList = new JobList(at("jobs"), state, changed);
const limits = new Limits(at("limit"));
const time = new TimePanel(at("time"), at("time-key"), state);
const workers = new Workers(at("workers"));
const plan = new Plan(at("plan"), at("plan-key"));

let waiting = false;

// Draws at the browser's next frame, however many changes came before it.
function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function draw() {
  drawLink();
  if (!state.snapshot) return;
  const job = state.job();
  drawCluster();
  jobView.draw();
  jobList.draw();
  limits.draw(state.snapshot, job);
  time.draw();
  workers.draw(state.snapshot.workers);
  plan.draw(job ? state.plan(job, changed) : null, job);
  drawErrors();
  drawTitle(job);
  announce();
}

function drawLink() {
  const link = at("link");
  link.classList.toggle("lost", !state.connected && state.snapshot !== null);
  link.classList.toggle("live", state.connected);
  const since = state.snapshot ? `not connected; this is how it was at ${timeOfDay(state.snapshot.at_us)}` : "connecting";
  text(link, state.connected ? "live" : since);
}

function drawCluster() {
  const { workers, cluster } = state.snapshot;
  const here = workers.filter((w) => w.state !== "lost");
  const sum = (key) => here.reduce((n, w) => n + w[key], 0);
  drawFacts(at("cluster"), [
    ["scheduler", cluster.address],
    ["workers", count(here.length)],
    ["slots busy", `${count(sum("busy"))} of ${count(sum("slots"))}`],
    ["up", duration(Math.max(state.now() - cluster.started_us, 1e6) - (Math.max(state.now() - cluster.started_us, 1e6) % 1e6))],
  ]);
  text(at("foot"), `dasklike ${cluster.dasklike}`);
}

function drawErrors() {
  const errors = state.snapshot.errors;
  const key = errors.map((e) => `${e.at_us}${e.message}`).join("|");
  const box = at("errors");
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  const names = new Map(state.snapshot.jobs.map((job) => [job.id, jobTitle(job)]));
  const row = (e) => {
    const where = [e.job === null ? null : names.get(e.job) ?? `job ${e.job}`, e.worker].filter((w) => w !== null).join(", ");
    return el("li", {}, el("time", { class: "numbers muted" }, timeOfDay(e.at_us)), el("b", {}, where), el("span", {}, e.message));
  };
  box.replaceChildren(errors.length ? el("ul", { class: "errors" }, ...errors.map(row)) : el("p", { class: "muted" }, "none"));
}

function drawTitle(job) {
  const { tiles, done } = job ? jobTiles(job) : { tiles: 0, done: 0 };
  const share = tiles > 0 ? done / tiles : 0;
  const how = !job ? "" : `${ended(job) ? job.state : percent(share)} · ${jobTitle(job)} · `;
  const title = `${how}dasklike`;
  if (document.title !== title) document.title = title;
}

const toldOf = new Set();

// Says aloud, for screen readers, that a job has ended while the page was open.
function announce() {
  for (const job of state.snapshot.jobs) {
    if (!ended(job)) toldOf.add(job.id);
    else if (toldOf.delete(job.id)) text(at("news"), `${jobTitle(job)} ${job.state}${job.error ? `: ${job.error}` : ""}`);
  }
}

listen(state, changed);
// Clocks run between updates.
setInterval(changed, 500);
window.addEventListener("resize", changed);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
