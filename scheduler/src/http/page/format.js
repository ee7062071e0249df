// Figures as people read them, and the few helpers that make elements.

const BYTES = ["B", "kB", "MB", "GB", "TB", "PB"];

// Three significant digits, so that a figure keeps its width while it changes.
function three(x) {
  if (x === 0) return "0";
  const digits = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
  return x.toFixed(digits);
}

function scaled(x, units, step) {
  let i = 0;
  while (x >= step * 0.9995 && i < units.length - 1) {
    x /= step;
    i += 1;
  }
  return `${i === 0 ? Math.round(x) : three(x)} ${units[i]}`;
}

export const bytes = (n) => scaled(n, BYTES, 1000);

export const rate = (n) => `${bytes(n)}/s`;

export const count = (n) => Math.round(n).toLocaleString("en-US");

export const short = (n) => (n < 10000 ? count(n) : scaled(n, ["", "k", "M", "G"], 1000).trimEnd());

export const percent = (x) => `${Math.floor(x * 100 + 1e-9)} %`;

// A duration given in microseconds.
export function duration(us) {
  const s = us / 1e6;
  if (s < 0.0009995) return `${Math.round(us)} µs`;
  if (s < 0.9995) return `${three(s * 1000)} ms`;
  if (s < 59.95) return `${three(s)} s`;
  const whole = Math.round(s);
  const pad = (n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}:${pad(whole % 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}:${pad(Math.floor((whole % 3600) / 60))} h`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// A duration that a clock beside it counts: whole seconds, so that it does not flicker.
export const clock = (us) => (us < 10e6 ? `${(us / 1e6).toFixed(1)} s` : us < 60e6 ? `${Math.floor(us / 1e6)} s` : duration(us));

export const timeOfDay = (us) => new Date(us / 1000).toLocaleTimeString("en-GB");

export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

// An element with attributes and children; strings become text, never markup.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Sets text only if it is another, so that nothing is laid out or read aloud again without need.
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
