// Throughput over time: bytes after decoding as an area, bytes as stored as a line, and under it which limit bound.

import { css, rate } from "./format.js";
import { LIMITS } from "./state.js";

// A round number at or above x, so that the scale does not move with each figure.
function roundUp(x) {
  if (x <= 0) return 1e6;
  const ten = 10 ** Math.floor(Math.log10(x));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((m) => m * ten).find((m) => m >= x * 0.999);
}

export class Rates {
  constructor() {
    this.top = 0;
  }

  // `axis.x(us)` places instants; `rates` are steps that end at their instant.
  draw(g, axis, rates, y0, height) {
    const seen = rates.filter((r) => r.at_us >= axis.from && r.at_us <= axis.to);
    this.top = roundUp(Math.max(0, ...seen.map((r) => Math.max(r.decoded_per_s, r.stored_per_s))));
    const y = (v) => y0 + height - (v / this.top) * (height - 8);
    g.strokeStyle = css("--line");
    g.fillStyle = css("--muted");
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const part of [0, 0.5, 1]) {
      const at = Math.round(y(this.top * part)) + 0.5;
      g.beginPath();
      g.moveTo(axis.left, at);
      g.lineTo(axis.right, at);
      g.stroke();
      if (part > 0) g.fillText(rate(this.top * part), axis.left - 8, at);
    }
    const step = (key, close) => {
      const path = new Path2D();
      let last = null;
      for (const r of rates) {
        const [a, b] = [axis.clampX(r.from_us), axis.clampX(r.at_us)];
        if (b <= axis.left) continue;
        // Nothing was measured in between: nothing was done.
        if (last !== null && a > last + 1) {
          path.lineTo(last, y(0));
          path.lineTo(a, y(0));
        }
        if (last === null) path.moveTo(a, close ? y(0) : y(r[key]));
        path.lineTo(a, y(r[key]));
        path.lineTo(b, y(r[key]));
        last = b;
      }
      if (close && last !== null) path.lineTo(last, y(0));
      return path;
    };
    g.fillStyle = css("--decoded");
    g.globalAlpha = 0.3;
    g.fill(step("decoded_per_s", true));
    g.globalAlpha = 1;
    g.lineWidth = 1.5;
    g.strokeStyle = css("--decoded");
    g.stroke(step("decoded_per_s", false));
    g.strokeStyle = css("--stored");
    g.stroke(step("stored_per_s", false));
    g.lineWidth = 1;
  }

  drawLimits(g, axis, rates, y0, height) {
    const colours = Object.fromEntries(LIMITS.map((name) => [name, css(`--${name}`)]));
    rates.forEach((r) => {
      if (!r.limit) return;
      const [a, b] = [axis.clampX(r.from_us), axis.clampX(r.at_us)];
      if (b <= a) return;
      g.fillStyle = colours[r.limit];
      g.fillRect(a, y0, b - a + 0.3, height);
    });
  }
}

// The measurement that holds at an instant.
export function rateAt(rates, at_us) {
  return rates.find((r) => r.from_us <= at_us && at_us <= r.at_us) ?? null;
}
