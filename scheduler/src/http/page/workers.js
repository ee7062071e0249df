// The table of workers, and which limit binds.

import { bytes, count, el, percent, short, text } from "./format.js";
import { LIMITS, ended, jobTitle } from "./state.js";

const HEADS = ["worker", "slots", "CPU", "memory of its process, and bound", "read, stored → decoded", "tasks done", "queued"];

export class Workers {
  constructor(box) {
    this.body = el("tbody");
    const heads = HEADS.map((h) => el("th", { scope: "col" }, h));
    this.table = el("table", {}, el("thead", {}, el("tr", {}, ...heads)), this.body);
    this.empty = el("p", { class: "muted" }, "no worker is connected");
    box.append(this.empty, this.table);
    this.rows = new Map();
  }

  draw(workers) {
    this.empty.hidden = workers.length > 0;
    this.table.hidden = workers.length === 0;
    for (const [name, row] of this.rows) {
      if (!workers.some((w) => w.name === name)) {
        row.tr.remove();
        this.rows.delete(name);
      }
    }
    workers.forEach((worker, i) => {
      if (!this.rows.has(worker.name)) this.rows.set(worker.name, build(worker));
      const row = this.rows.get(worker.name);
      if (this.body.children[i] !== row.tr) this.body.insertBefore(row.tr, this.body.children[i] ?? null);
      fill(row, worker);
    });
  }
}

function meter(label) {
  const fill = el("div", { class: "fill" });
  const mark = el("div", { class: "mark" });
  const words = el("span", { class: "numbers" });
  const bar = el("div", { class: "bar", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill, mark);
  return { fill, mark, words, bar, cell: el("td", {}, el("div", { class: "meter" }, bar, words)) };
}

function set(meter, share, words) {
  meter.fill.style.width = `${Math.min(Math.max(share, 0), 1) * 100}%`;
  meter.bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  meter.bar.setAttribute("aria-valuetext", words);
  text(meter.words, words);
}

function build(worker) {
  const state = el("span", { class: "muted" });
  const slots = el("td", { class: "slots" });
  const cpu = meter("CPU");
  const memory = meter("memory");
  memory.bar.classList.add("memory");
  const cells = ["read", "tasks", "queued"].map(() => el("td", { class: "numbers" }));
  const tr = el("tr", {}, el("th", { scope: "row" }, worker.name, " ", state), slots, cpu.cell, memory.cell, ...cells);
  return { tr, state, slots, cpu, memory, cells };
}

function fill(row, w) {
  row.tr.className = w.state;
  text(row.state, w.state === "connected" ? "" : w.state);
  const words = `${w.busy} of ${w.slots}`;
  if (row.slots.dataset.words !== words) {
    row.slots.dataset.words = words;
    const squares = w.slots <= 16 ? Array.from({ length: w.slots }, (_, i) => el("i", { class: i < w.busy ? "busy" : "" })) : [];
    row.slots.replaceChildren(...squares, el("span", { class: "numbers" }, words));
  }
  set(row.cpu, w.cpu_percent / 100 / Math.max(w.slots, 1), `${Math.round(w.cpu_percent)} %`);
  const limit = Math.max(w.limit_bytes, 1);
  set(row.memory, w.resident_bytes / limit, `${bytes(w.resident_bytes)} of ${bytes(w.limit_bytes)}`);
  row.memory.mark.style.left = `${Math.min(w.reserved_bytes / limit, 1) * 100}%`;
  row.memory.bar.title = `resident ${bytes(w.resident_bytes)}, reserved by tasks ${bytes(w.reserved_bytes)}, bound ${bytes(w.limit_bytes)}`;
  row.memory.bar.classList.toggle("over", w.resident_bytes > w.limit_bytes);
  text(row.cells[0], `${bytes(w.stored_bytes)} → ${bytes(w.decoded_bytes)}`);
  text(row.cells[1], count(w.tasks_done));
  text(row.cells[2], short(w.queued_tasks));
}

const WHY = {
  network: "slots wait for bytes from the store",
  decode: "slots spend most of their time decompressing chunks",
  compute: "slots spend most of their time evaluating the expression",
  memory: "tasks wait until others give memory back",
  scheduler: "slots wait for the scheduler to give them tasks that are ready",
};

// Bars of what slots spend their time on; once a job has ended, how long each limit bound during it.
export class Limits {
  constructor(box) {
    this.words = el("p", { class: "verdict" });
    this.rows = LIMITS.map((name) => {
      const m = meter(name);
      m.fill.style.background = `var(--${name})`;
      const row = el("div", { class: "limit" }, el("span", {}, name), m.bar, m.words);
      return { name, m, row };
    });
    this.note = el("p", { class: "muted small" });
    box.append(this.words, ...this.rows.map((r) => r.row), this.note);
  }

  draw(snapshot, job) {
    const now = snapshot.limit;
    const past = job && ended(job) ? boundShares(job) : null;
    const live = past === null || snapshot.jobs.some((other) => other.state === "running");
    const share = (name) => (live ? now[name] : past[name]);
    const binds = live ? now.binds : LIMITS.reduce((a, b) => (past[b] > past[a] ? b : a));
    this.words.replaceChildren(...(binds ? [el("b", {}, binds), ` ${live ? "binds" : "bound"}: ${live ? WHY[binds] : WHY[binds].replace("spend", "spent").replace("wait", "waited")}`] : ["nothing runs, nothing binds"]));
    for (const { name, m, row } of this.rows) {
      row.classList.toggle("binds", name === binds);
      set(m, share(name), percent(share(name)));
    }
    text(this.note, live ? "shares of slot time now" : `share of the time in which each bound, over ${jobTitle(job)}`);
  }
}

function boundShares(job) {
  const sums = Object.fromEntries(LIMITS.map((name) => [name, 0]));
  let total = 0;
  job.rates.forEach((r) => {
    const length = r.at_us - r.from_us;
    if (!r.limit || length <= 0) return;
    sums[r.limit] += length;
    total += length;
  });
  if (total === 0) return null;
  for (const name of LIMITS) sums[name] /= total;
  return sums;
}
