// The task stream: what each slot did when. A bar's height is divided by where its time went.

import { count, css, duration, percent, plural } from "./format.js";

const PHASES = ["decode", "compute", "wait"];

export class Stream {
  constructor() {
    this.rows = [];
  }

  // One row a slot, workers in their order; slots of workers that are gone are kept while they have intervals.
  layout(workers, intervals) {
    const slots = new Map(workers.map((w) => [w.name, w.slots]));
    for (const i of intervals) slots.set(i.worker, Math.max(slots.get(i.worker) ?? 0, i.slot + 1));
    this.rows = [];
    const n = [...slots.values()].reduce((a, b) => a + b, 0);
    this.pitch = n <= 8 ? 22 : n <= 24 ? 15 : n <= 64 ? 8 : 4;
    let y = 0;
    for (const [worker, of] of slots) {
      for (let slot = 0; slot < of; slot += 1, y += this.pitch) this.rows.push({ worker, slot, of, y });
      if (this.pitch >= 8) y += 4;
    }
    this.index = new Map(this.rows.map((row) => [`${row.worker}/${row.slot}`, row]));
    return y;
  }

  draw(g, axis, intervals, job, y0) {
    this.axis = axis;
    this.y0 = y0;
    this.shown = intervals.filter((i) => i.end_us >= axis.from && i.start_us <= axis.to && this.index.has(`${i.worker}/${i.slot}`));
    this.drawRows(g, axis, y0);
    const colours = { decode: css("--decode"), compute: css("--compute"), wait: css("--network"), other: css("--other") };
    const height = this.pitch - (this.pitch > 10 ? 3 : 1);
    for (const i of this.shown) {
      const y = y0 + this.index.get(`${i.worker}/${i.slot}`).y;
      const a = axis.clampX(i.start_us);
      // A gap between neighbours shows where one ends, as long as there is room for it.
      const gap = axis.x(i.end_us) - axis.x(i.start_us) > 4 ? 1 : 0;
      const width = Math.max(axis.clampX(i.end_us) - a - gap, 0.75);
      g.globalAlpha = job && i.job !== job.id ? 0.25 : 1;
      const length = Math.max(i.end_us - i.start_us, 1);
      g.fillStyle = colours.other;
      g.fillRect(a, y, width, height);
      let bottom = y + height;
      for (const phase of PHASES) {
        const part = Math.min(i[`${phase}_us`] / length, 1) * height;
        if (part <= 0) continue;
        g.fillStyle = colours[phase];
        g.fillRect(a, Math.max(bottom - part, y), width, Math.min(part, bottom - y));
        bottom -= part;
      }
    }
    g.globalAlpha = 1;
  }

  drawRows(g, axis, y0) {
    g.textAlign = "right";
    g.textBaseline = "middle";
    let drawnAt = -100;
    for (const row of this.rows) {
      const y = y0 + row.y;
      g.fillStyle = css("--track");
      g.fillRect(axis.left, y, axis.right - axis.left, this.pitch - (this.pitch > 10 ? 3 : 1));
      // The name stands at the middle of its worker's rows, where there is room for it.
      const middle = y + (row.of * this.pitch) / 2;
      if (row.slot > 0 || middle - drawnAt < 12) continue;
      drawnAt = middle;
      g.fillStyle = css("--muted");
      g.fillText(shorten(g, row.worker, axis.left - 14), axis.left - 8, middle - 1);
    }
  }

  // Words on what is at a point of the canvas.
  at(x, y, stages) {
    const row = this.rows.find((r) => y >= this.y0 + r.y && y < this.y0 + r.y + this.pitch);
    if (!row) return null;
    const us = this.axis.time(x);
    const slack = this.axis.time(x + 2) - us;
    const near = (i) => i.worker === row.worker && i.slot === row.slot && i.start_us - slack <= us && us <= i.end_us + slack;
    const i = this.shown.findLast(near);
    const lines = [`${row.worker}, slot ${row.slot}`];
    if (!i) return lines.concat("idle");
    const length = Math.max(i.end_us - i.start_us, 1);
    const stage = stages(i);
    lines.push(`job ${i.job}, stage ${i.stage}${stage ? `: ${stage}` : ""}`);
    const tiles = i.tiles === 1 ? `tile ${count(i.first_tile)}` : `${plural(i.tiles, "tile")} from ${count(i.first_tile)}`;
    lines.push(`${tiles} in ${duration(i.end_us - i.start_us)}`);
    const part = (us) => percent(us / length);
    lines.push(`decode ${part(i.decode_us)}, compute ${part(i.compute_us)}, waiting ${part(i.wait_us)}`);
    return lines;
  }
}

// The end of a name tells workers apart, so the beginning is left out.
function shorten(g, name, width) {
  if (g.measureText(name).width <= width) return name;
  let from = 1;
  while (from < name.length && g.measureText(`…${name.slice(from)}`).width > width) from += 1;
  return `…${name.slice(from)}`;
}
