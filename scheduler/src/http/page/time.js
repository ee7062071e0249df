// Throughput, limits and the task stream over one axis of time, so that they can be read against each other.

import { clock, css, el, rate, short } from "./format.js";
import { Rates, rateAt } from "./rates.js";
import { ended } from "./state.js";
import { Stream } from "./stream.js";
import { hideTip, showTip } from "./tip.js";

const CHART = 110;
const RIBBON = 8;
const AXIS = 20;
const GAP = 8;
// While a job runs its window grows in these steps, then moves along.
const SPANS_S = [1, 2, 5, 10, 20, 30, 60];

export class TimePanel {
  constructor(box, key, state) {
    this.state = state;
    this.rates = new Rates();
    this.stream = new Stream();
    this.canvas = el("canvas", { class: "time", role: "img", "aria-label": "throughput and what each slot did, over time" });
    box.append(this.canvas);
    const swatch = (name, word) => {
      const node = el("span", { class: "swatch" });
      node.style.background = `var(--${name})`;
      return el("span", {}, node, word);
    };
    key.append(
      swatch("decoded", "decoded/s"), swatch("stored", "stored/s"), el("span", { class: "bar-between" }),
      swatch("decode", "decode"), swatch("compute", "compute"), swatch("network", "waiting for bytes"), swatch("other", "other"),
    );
    this.pointer = null;
    this.canvas.addEventListener("pointermove", (event) => {
      this.pointer = event;
      this.draw();
      this.tip(event);
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      hideTip();
      this.draw();
    });
  }

  axis(width, job) {
    const now = this.state.now();
    let from = now - 60e6;
    let to = now;
    if (job && ended(job)) {
      [from, to] = [job.submitted_us, job.finished_us];
      to += Math.max((to - from) * 0.01, 1000);
    } else if (job && now - job.submitted_us < 59e6) {
      from = job.submitted_us;
      to = from + SPANS_S.find((s) => s * 1e6 >= (now - from) * 1.02) * 1e6;
    }
    const left = width < 600 ? 76 : 116;
    const right = width - 4;
    const x = (us) => left + ((us - from) / (to - from)) * (right - left);
    const clampX = (us) => Math.min(Math.max(x(us), left), right);
    const time = (at) => from + ((at - left) / (right - left)) * (to - from);
    return { from, to, left, right, x, clampX, time, origin: job ? job.submitted_us : now };
  }

  draw() {
    const { snapshot, intervals } = this.state;
    const job = this.state.job();
    const width = this.canvas.clientWidth;
    if (!snapshot || width === 0) return;
    const axis = this.axis(width, job);
    this.shownRates = job && job.rates.length > 1 ? job.rates : snapshot.rates;
    const seen = intervals.filter((i) => i.end_us >= axis.from && i.start_us <= axis.to);
    const rows = this.stream.layout(snapshot.workers.filter((w) => w.state !== "lost"), seen);
    const streamTop = CHART + GAP + RIBBON + GAP;
    const height = streamTop + Math.max(rows, 22) + AXIS;
    const g = this.prepare(width, height);
    this.rates.draw(g, axis, this.shownRates, 0, CHART);
    g.fillStyle = css("--muted");
    g.textAlign = "right";
    g.fillText("limit", axis.left - 8, CHART + GAP + RIBBON / 2);
    g.fillStyle = css("--track");
    g.fillRect(axis.left, CHART + GAP, axis.right - axis.left, RIBBON);
    this.rates.drawLimits(g, axis, this.shownRates, CHART + GAP, RIBBON);
    this.stream.draw(g, axis, seen, job, streamTop);
    this.drawAxis(g, axis, height);
    this.drawCursor(g, axis, height);
    this.canvas.dataset.intervals = String(this.stream.shown.length);
  }

  prepare(width, height) {
    const ratio = window.devicePixelRatio || 1;
    const style = `${height}px`;
    if (this.canvas.style.height !== style) this.canvas.style.height = style;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const g = this.canvas.getContext("2d");
    g.scale(ratio, ratio);
    g.font = "11px system-ui, sans-serif";
    return g;
  }

  drawAxis(g, axis, height) {
    const span = (axis.to - axis.from) / 1e6;
    const ten = 10 ** Math.floor(Math.log10(span / 5));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => span / s <= (axis.right - axis.left) / 90) ?? span;
    g.fillStyle = css("--muted");
    g.strokeStyle = css("--line");
    g.textBaseline = "bottom";
    const first = Math.ceil((axis.from - axis.origin) / 1e6 / step);
    for (let i = first; i * step <= (axis.to - axis.origin) / 1e6; i += 1) {
      const x = axis.x(axis.origin + i * step * 1e6);
      g.textAlign = x > axis.right - 24 ? "right" : "center";
      const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
      g.fillText(`${(i * step).toFixed(digits)} s`, x, height - 2);
      g.beginPath();
      g.moveTo(Math.round(x) + 0.5, 0);
      g.lineTo(Math.round(x) + 0.5, CHART);
      g.stroke();
    }
  }

  drawCursor(g, axis, height) {
    if (!this.pointer) return;
    const x = this.pointer.clientX - this.canvas.getBoundingClientRect().left;
    if (x < axis.left || x > axis.right) return;
    g.strokeStyle = css("--text");
    g.globalAlpha = 0.5;
    g.beginPath();
    g.moveTo(x, 0);
    g.lineTo(x, height - AXIS);
    g.stroke();
    g.globalAlpha = 1;
  }

  tip(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const axis = this.stream.axis;
    if (!axis || x < axis.left || x > axis.right) return hideTip();
    const job = this.state.job();
    const names = (i) => (job && job.id === i.job ? job.stages[i.stage]?.name : null);
    const at = axis.time(x);
    let lines = y > CHART + GAP + RIBBON ? this.stream.at(x, y, names) : null;
    if (!lines) {
      const r = rateAt(this.shownRates, at);
      lines = r ? [`decoded ${rate(r.decoded_per_s)}`, `stored ${rate(r.stored_per_s)}`, `${short(r.tasks_per_s)} tasks/s`] : ["nothing measured"];
      if (r?.limit) lines.push(`${r.limit} binds`);
    }
    if (job) lines.push(`${clock(Math.max(at - axis.origin, 0))} after submission`);
    showTip(event, lines);
  }
}
