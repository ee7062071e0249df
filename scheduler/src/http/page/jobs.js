// The list of jobs, and the one that is shown: how far, how fast, how long yet, what failed.

import { CellGrid, DoneCurve, ramp } from "./cells.js";
import { bytes, clock, count, duration, el, percent, plural, rate, short, text, timeOfDay } from "./format.js";
import { ended, jobTiles, jobTitle } from "./state.js";

const STATES = {
  queued: ["○", "queued"],
  running: ["▶", "running"],
  finished: ["✓", "finished"],
  failed: ["✕", "failed"],
  cancelled: ["■", "cancelled"],
};

function pill(state) {
  const [sign, word] = STATES[state];
  return el("span", { class: `pill ${state}` }, el("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}

const started = (job) => job.started_us ?? job.submitted_us;

const took = (job, now) => (job.finished_us ?? now) - job.submitted_us;

// Tiles a second lately, or 0 if that cannot be said yet.
function pace(job) {
  const last = job.rates.slice(-20).map((r) => r.tasks_per_s);
  return last.length < 2 ? 0 : last.reduce((a, b) => a + b, 0) / last.length;
}

export class JobView {
  constructor(box, state) {
    this.box = box;
    this.state = state;
    this.id = null;
    this.grids = [];
    this.cursor = null;
    this.curve = new DoneCurve((at_ms) => {
      this.cursor = at_ms;
      this.drawCells();
    });
  }

  draw() {
    const job = this.state.job();
    if (!job) return this.drawNone();
    if (this.id !== job.id || this.grids.length !== job.stages.length) this.build(job);
    this.job = job;
    const { tiles, done } = jobTiles(job);
    const share = tiles === 0 ? (job.state === "finished" ? 1 : 0) : done / tiles;
    const now = this.state.now();
    text(this.percent, percent(share));
    this.bar.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
    this.fill.style.width = `${share * 100}%`;
    this.box.dataset.state = job.state;
    if (this.pillState !== job.state) {
      this.pillState = job.state;
      this.pill.replaceChildren(pill(job.state));
    }
    this.error.hidden = job.error === null;
    text(this.errorText, job.error ?? "");
    this.drawFacts(job, tiles, done, now);
    this.drawCells();
  }

  drawNone() {
    if (this.id === "") return;
    this.id = "";
    this.grids = [];
    const address = this.state.snapshot?.cluster.address;
    this.box.replaceChildren(el("h2", {}, "No job yet"), el("p", { class: "muted" }, `the scheduler (${address}) waits for one`));
  }

  build(job) {
    this.id = job.id;
    this.pillState = null;
    this.title = el("h2", { class: "title" }, jobTitle(job));
    this.pill = el("span");
    this.percent = el("span", { class: "percent" });
    this.fill = el("div", { class: "fill" });
    this.bar = el("div", { class: "bar big", role: "progressbar", "aria-label": "tiles done", "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
    this.facts = el("dl", { class: "facts big" });
    this.errorText = el("span");
    this.error = el("p", { class: "failure", role: "alert", hidden: true }, el("strong", {}, "failed "), this.errorText);
    this.grids = job.stages.map((stage) => {
      const grid = new CellGrid();
      const dims = stage.grid.map((dim) => `${count(dim.tiles)} ${dim.name}`).join(" × ");
      const left = el("span", {}, el("b", {}, `stage ${stage.id}`), ` ${stage.name}`);
      const right = el("span", { class: "muted numbers" });
      const note = stage.cells.done.length < stage.tiles
        ? `${dims} = ${plural(stage.tiles, "tile")}, about ${short(stage.tiles / stage.cells.done.length)} to a cell`
        : `${dims} = ${plural(stage.tiles, "tile")}`;
      const view = el("div", { class: "stage" }, el("div", { class: "head" }, left, right), grid.box);
      return { grid, right, note, view };
    });
    this.key = el("div", { class: "key" });
    this.keyKind = null;
    this.box.replaceChildren(
      el("div", { class: "head" }, this.title, this.pill, this.percent),
      this.bar,
      this.error,
      this.facts,
      ...this.grids.map((g) => g.view),
      el("div", { class: "head under" }, el("span", { class: "muted" }, "done over time: point at it to see the cells as they were then"), this.key),
      this.curve.box,
    );
  }

  drawFacts(job, tiles, done, now) {
    const left = tiles - done;
    const speed = pace(job);
    const seconds = (ended(job) ? took(job, now) : Math.max(now - started(job), 1)) / 1e6;
    const facts = [["tiles", `${count(done)} of ${count(tiles)}`]];
    if (ended(job)) facts.push(["took", duration(took(job, now))]);
    else {
      facts.push(["running for", clock(took(job, now))]);
      facts.push(["remaining", speed > 0 ? `about ${clock((left / speed) * 1e6)}` : "not known yet"]);
    }
    facts.push(["read", `${bytes(job.stored_bytes)} → ${bytes(job.decoded_bytes)}`]);
    const last = job.rates[job.rates.length - 1];
    const perSecond = ended(job) || !last ? job.decoded_bytes / seconds : last.decoded_per_s;
    facts.push([ended(job) ? "decoded, on average" : "decoded now", rate(perSecond)]);
    facts.push(["submitted", timeOfDay(job.submitted_us)]);
    drawFacts(this.facts, facts);
  }

  drawCells() {
    const job = this.job;
    if (!job) return;
    const over = ended(job);
    const end_ms = took(job, this.state.now()) / 1000;
    const heat_ms = over ? end_ms : null;
    job.stages.forEach((stage, i) => {
      const { grid, right, note } = this.grids[i];
      const waits = stage.done + stage.running === 0 && stage.after.length > 0 && !over;
      text(right, waits ? `waits for stage ${stage.after.join(", ")} · ${note}` : note);
      grid.draw(stage, { at_ms: this.cursor, heat_ms });
    });
    this.curve.draw(job, end_ms, over);
    this.drawKey(over, end_ms);
  }

  drawKey(over, end_ms) {
    const kind = over ? `when ${end_ms}` : "state";
    if (this.keyKind === kind) return;
    this.keyKind = kind;
    const sample = (name) => el("span", { class: "cells sample" }, el("i", { class: name }));
    const entry = (name, word) => el("span", {}, sample(name), word);
    if (!over) {
      this.key.replaceChildren(entry("", "waiting"), entry("running", "at a worker"), entry("done", "done"), entry("failed", "failed"));
      return;
    }
    const scale = el("span", { class: "ramp" });
    scale.style.backgroundImage = ramp();
    this.key.replaceChildren(
      el("span", {}, "done early ", scale, " late"),
      entry("", "not done"),
      ...(this.job.state === "failed" ? [entry("failed", "failed")] : []),
    );
  }
}

// Terms and values; nodes are kept so that text can be selected while it changes.
export function drawFacts(list, facts) {
  const terms = facts.map((f) => f[0]).join("|");
  if (list.dataset.terms !== terms) {
    list.dataset.terms = terms;
    list.replaceChildren(...facts.map(([term]) => el("div", {}, el("dt", {}, term), el("dd", { class: "numbers" }))));
  }
  facts.forEach(([, value], i) => text(list.children[i].lastChild, value));
}

export class JobList {
  constructor(box, state, changed) {
    this.box = box;
    this.state = state;
    this.rows = new Map();
    this.list = el("ul", { class: "jobs" });
    this.empty = el("p", { class: "muted" }, "none yet");
    box.append(this.empty, this.list);
    this.changed = changed;
  }

  draw() {
    const jobs = this.state.snapshot.jobs;
    const shown = this.state.job()?.id;
    this.empty.hidden = jobs.length > 0;
    for (const id of [...this.rows.keys()]) {
      if (!jobs.some((job) => job.id === id)) {
        this.rows.get(id).row.remove();
        this.rows.delete(id);
      }
    }
    jobs.forEach((job, i) => {
      if (!this.rows.has(job.id)) this.rows.set(job.id, this.build(job));
      const { row, button, sign, fill, time } = this.rows.get(job.id);
      if (this.list.children[i] !== row) this.list.insertBefore(row, this.list.children[i] ?? null);
      const { tiles, done } = jobTiles(job);
      const share = tiles === 0 ? 0 : done / tiles;
      row.className = job.state;
      text(sign, STATES[job.state][0]);
      sign.setAttribute("aria-label", STATES[job.state][1]);
      fill.style.width = `${share * 100}%`;
      text(time, ended(job) ? duration(took(job, 0)) : percent(share));
      button.setAttribute("aria-current", String(job.id === shown));
    });
  }

  build(job) {
    const sign = el("span", { class: "sign", role: "img" });
    const fill = el("div", { class: "fill" });
    const time = el("span", { class: "numbers" });
    const name = el("span", { class: "name", title: jobTitle(job) }, jobTitle(job));
    const button = el("button", { type: "button" }, sign, name, time, el("div", { class: "bar" }, fill));
    button.addEventListener("click", () => {
      this.state.chosen = job.id;
      this.changed();
    });
    return { row: el("li", {}, button), button, sign, fill, time };
  }
}
