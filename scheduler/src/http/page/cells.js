// A stage's tiles as cells, in the order of the plan. While a cursor in time is set, or once the job has ended,
// colours say when each cell was done.

import { clock, count, duration, el, percent, plural } from "./format.js";
import { hideTip, showTip } from "./tip.js";

const ROWS_MAX = 24;
const COLUMNS_MAX = 128;

// Rows and columns: a column is one step of the outer dim where that gives a good shape.
export function shape(stage) {
  const cells = stage.cells.done.length;
  if (cells === stage.tiles) {
    let inner = 1;
    let best = 0;
    for (const dim of stage.grid.slice(1).reverse()) {
      inner *= dim.tiles;
      if (inner >= 2 && inner <= ROWS_MAX) best = inner;
    }
    if (best > 0 && cells / best <= COLUMNS_MAX && cells / best >= 8) return best;
    if (cells <= 64) return 1;
  }
  return Math.max(1, Math.round(Math.sqrt(cells / 6)));
}

// The tiles of a cell, as the scheduler puts them together.
export function tilesOf(stage, c) {
  const n = stage.cells.done.length;
  return [Math.ceil((c * stage.tiles) / n), Math.ceil(((c + 1) * stage.tiles) / n)];
}

// Where a tile lies in the grid, as words.
function place(stage, tile) {
  const words = [];
  for (const dim of stage.grid.slice().reverse()) {
    words.unshift(`${dim.name} ${tile % dim.tiles}`);
    tile = Math.floor(tile / dim.tiles);
  }
  return words.join(", ");
}

// Viridis without its darkest part, which a dark page swallows: lightness rises evenly, so that it also reads
// without colour.
const VIRIDIS = [
  [68, 57, 131], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48],
  [253, 231, 37],
];

export function heat(x) {
  const at = Math.min(Math.max(x, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mix = VIRIDIS[i].map((a, k) => Math.round(a + (VIRIDIS[i + 1][k] - a) * (at - i)));
  return `rgb(${mix.join(",")})`;
}

// The scale as a CSS image.
export const ramp = () => `linear-gradient(to right, ${VIRIDIS.map((_, i) => heat(i / (VIRIDIS.length - 1))).join(",")})`;

export class CellGrid {
  constructor() {
    this.box = el("div", { class: "cells", role: "img" });
    this.cells = [];
    this.keys = [];
    this.stage = null;
    this.box.addEventListener("pointermove", (event) => this.hover(event));
    this.box.addEventListener("pointerleave", hideTip);
  }

  // `view.at_ms`: show the stage as it was then. `view.heat_ms`: colour by when, up to that time.
  draw(stage, view) {
    this.stage = stage;
    this.view = view;
    const n = stage.cells.done.length;
    if (this.cells.length !== n) {
      this.cells = Array.from({ length: n }, (_, c) => el("i", { "data-c": c }));
      this.keys = new Array(n).fill("");
      this.box.replaceChildren(...this.cells);
    }
    const rows = shape(stage);
    this.box.style.gridTemplateRows = `repeat(${rows}, 1fr)`;
    this.box.style.setProperty("--cell", `${rows <= 2 ? 22 : rows <= 8 ? 14 : 10}px`);
    this.box.classList.toggle("tight", n / rows > 80);
    for (let c = 0; c < n; c += 1) this.paint(c);
    const words = `${count(stage.done)} of ${plural(stage.tiles, "tile")} done, ${count(stage.running)} at workers`;
    const failed = stage.failed > 0 ? `, ${count(stage.failed)} failed` : "";
    this.box.setAttribute("aria-label", `${stage.name}: ${words}${failed}`);
  }

  paint(c) {
    const { done, running, failed, last_done_ms, first_done_ms } = this.stage.cells;
    const [from, to] = tilesOf(this.stage, c);
    const held = to - from;
    const { at_ms, heat_ms } = this.view;
    // What a worker held when the job ended was given up.
    const held_now = at_ms === null && heat_ms === null && running[c] > 0;
    let state = "";
    let share = done[c] / held;
    let colour = "";
    if (at_ms !== null) {
      if (last_done_ms[c] < 0 || first_done_ms[c] > at_ms) share = 0;
      else if (last_done_ms[c] > at_ms) {
        share *= (at_ms - first_done_ms[c] + 1) / (last_done_ms[c] - first_done_ms[c] + 1);
      }
    }
    if (failed[c] > 0 && at_ms === null) state = "failed";
    else if (share >= 1) state = "done";
    else if (share > 0) state = "part";
    else if (held_now) state = "running";
    if (heat_ms !== null && share > 0 && state !== "failed") colour = heat(last_done_ms[c] / heat_ms);
    const level = state === "part" ? Math.round(share * 20) * 5 : 100;
    const also = state === "part" && held_now ? " running" : "";
    const key = `${state}${also}|${level}|${colour}`;
    if (this.keys[c] === key) return;
    this.keys[c] = key;
    const cell = this.cells[c];
    cell.className = state + also;
    cell.style.setProperty("--level", `${level}%`);
    cell.style.setProperty("--colour", colour || "var(--done)");
  }

  hover(event) {
    const c = Number(event.target.dataset?.c ?? NaN);
    if (!Number.isInteger(c) || !this.stage) return hideTip();
    const { done, running, failed, last_done_ms, first_done_ms } = this.stage.cells;
    const [from, to] = tilesOf(this.stage, c);
    const held = to - from;
    const lines = [held === 1 ? `tile ${count(from)}: ${place(this.stage, from)}` : `tiles ${count(from)} to ${count(to - 1)}`];
    if (held > 1) lines.push(`${count(done[c])} of ${count(held)} done (${percent(done[c] / held)})`);
    if (failed[c] > 0) lines.push(held === 1 ? "failed" : `${count(failed[c])} failed`);
    if (running[c] > 0 && this.view.heat_ms === null) lines.push(held === 1 ? "at a worker" : `${count(running[c])} at workers`);
    if (done[c] === held) {
      const last = duration(last_done_ms[c] * 1000);
      const first = duration(first_done_ms[c] * 1000);
      lines.push(held === 1 || first === last ? `done ${last} after submission` : `done from ${first} to ${last} after submission`);
    } else if (done[c] + failed[c] === 0 && (running[c] === 0 || this.view.heat_ms !== null)) {
      lines.push(this.view.heat_ms === null ? "waiting" : "not done");
    }
    showTip(event, lines);
  }
}

// How much of the stages was done when: a curve under the cells, which also takes the pointer as a cursor in time.
export class DoneCurve {
  constructor(cursor) {
    this.box = el("div", { class: "curve" });
    this.canvas = el("canvas", { height: 54, role: "img", "aria-label": "share of tiles done over time" });
    this.legend = el("div", { class: "curve-legend" });
    this.box.append(this.canvas, this.legend);
    this.end_ms = 1;
    const at = (event) => {
      const { left, width } = this.canvas.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - left) / width, 0), 1) * this.end_ms;
    };
    this.canvas.addEventListener("pointermove", (event) => {
      cursor(at(event));
      showTip(event, [`${clock(at(event) * 1000)} after submission`, `${percent(this.shareAt(at(event)))} done`]);
    });
    this.canvas.addEventListener("pointerleave", () => {
      cursor(null);
      hideTip();
    });
  }

  // Times at which cells were done and how many tiles that were, in order.
  collect(job) {
    const points = [];
    let total = 0;
    for (const stage of job.stages) {
      total += stage.tiles;
      const { done, first_done_ms, last_done_ms } = stage.cells;
      for (let c = 0; c < done.length; c += 1) {
        if (done[c] === 0) continue;
        points.push([first_done_ms[c], done[c] / 2], [last_done_ms[c], done[c] / 2]);
      }
    }
    points.sort((a, b) => a[0] - b[0]);
    let sum = 0;
    this.points = points.map(([ms, n]) => [ms, (sum += n) / Math.max(total, 1)]);
  }

  shareAt(ms) {
    let [low, high] = [0, this.points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.points[middle][0] <= ms) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.points[low - 1][1];
  }

  draw(job, end_ms, heated) {
    this.end_ms = Math.max(end_ms, 1);
    this.collect(job);
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (width === 0) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const g = this.canvas.getContext("2d");
    g.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const x = (ms) => (ms / this.end_ms) * width;
    const y = (share) => height - 1 - share * (height - 3);
    const path = new Path2D();
    path.moveTo(0, y(0));
    let last = 0;
    for (const [ms, share] of this.points) {
      path.lineTo(x(ms), y(last));
      path.lineTo(x(ms), y(share));
      last = share;
    }
    path.lineTo(width, y(last));
    const area = new Path2D(path);
    area.lineTo(width, height);
    area.lineTo(0, height);
    let fill = style.getPropertyValue("--done");
    if (heated) {
      fill = g.createLinearGradient(0, 0, width, 0);
      for (let i = 0; i <= 7; i += 1) fill.addColorStop(i / 7, heat(i / 7));
    }
    g.globalAlpha = heated ? 0.85 : 0.25;
    g.fillStyle = fill;
    g.fill(area);
    g.globalAlpha = 1;
    g.strokeStyle = style.color;
    g.lineWidth = 1;
    g.stroke(path);
    const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => el("span", {}, part === 0 ? "submitted" : clock(part * this.end_ms * 1000)));
    this.legend.replaceChildren(...marks);
  }
}
