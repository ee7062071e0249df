// The plan as a picture: layers from left to right, each node one layer after the last of its inputs.

import { el, svg } from "./format.js";

const WIDTH = 236;
const HEIGHT = 36;
const BETWEEN_LAYERS = 46;
const BETWEEN_NODES = 12;
const KINDS = { source: "stored array", fused: "fused pass", reduce: "reduction", output: "output" };

// Layers by longest path. An edge over several layers passes through a waypoint in each, so that it is drawn
// around the nodes there.
function layers(graph) {
  const inputs = new Map(graph.nodes.map((n) => [n.id, []]));
  for (const [from, to] of graph.edges) inputs.get(to)?.push(from);
  const depth = new Map();
  const visit = (id) => {
    if (!depth.has(id)) {
      depth.set(id, 0);
      depth.set(id, Math.max(0, ...inputs.get(id).map((i) => visit(i) + 1)));
    }
    return depth.get(id);
  };
  graph.nodes.forEach((n) => visit(n.id));
  // A source stands right before its first user, not at the far left.
  const users = new Map();
  for (const [from, to] of graph.edges) users.set(from, Math.min(users.get(from) ?? Infinity, depth.get(to)));
  for (const n of graph.nodes) if (n.kind === "source" && users.has(n.id)) depth.set(n.id, users.get(n.id) - 1);
  const rows = [];
  const put = (at, item) => {
    (rows[at] ??= []).push(item);
    return item;
  };
  const items = new Map(graph.nodes.map((n) => [n.id, put(depth.get(n.id), { node: n, before: [], after: [] })]));
  const paths = [];
  for (const [from, to] of graph.edges) {
    const path = [items.get(from)];
    for (let d = depth.get(from) + 1; d < depth.get(to); d += 1) path.push(put(d, { node: null, before: [], after: [] }));
    path.push(items.get(to));
    for (let i = 1; i < path.length; i += 1) {
      path[i].before.push(path[i - 1]);
      path[i - 1].after.push(path[i]);
    }
    paths.push(path);
  }
  return { rows: Array.from(rows, (row) => row ?? []), paths };
}

const size = (item) => (item.node ? HEIGHT : 4);

// Order within layers by the mean place of neighbours, to and fro; then places as near to the neighbours as the
// order allows.
function arrange(rows) {
  rows.forEach((row) => row.forEach((item, i) => (item.y = i)));
  const mean = (list, otherwise) => (list.length ? list.reduce((s, i) => s + i.y, 0) / list.length : otherwise);
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const forth = sweep % 2 === 0;
    for (const row of forth ? rows : [...rows].reverse()) {
      row.forEach((item) => (item.key = mean(forth ? item.before : item.after, item.y)));
      row.sort((a, b) => a.key - b.key);
      row.forEach((item, i) => (item.y = i));
    }
  }
  const spread = (row) => {
    let at = 0;
    for (const item of row) {
      item.y = at + size(item) / 2;
      at += size(item) + BETWEEN_NODES;
    }
  };
  rows.forEach(spread);
  for (let sweep = 0; sweep < 12; sweep += 1) {
    for (const row of sweep % 2 === 0 ? rows : [...rows].reverse()) {
      row.forEach((item) => (item.wish = mean([...item.before, ...item.after], item.y)));
      settle(row);
    }
  }
  const top = Math.min(...rows.flat().map((item) => item.y - size(item) / 2));
  rows.flat().forEach((item) => (item.y -= top));
}

// Puts each item where it wishes to be; those that would overlap form a block around the mean of their wishes.
function settle(row) {
  const blocks = [];
  for (const item of row) {
    let block = { items: [item], offset: [0], wish: item.wish, n: 1 };
    while (blocks.length) {
      const last = blocks[blocks.length - 1];
      const end = last.wish + last.offset[last.items.length - 1];
      const apart = (size(last.items.at(-1)) + size(block.items[0])) / 2 + BETWEEN_NODES;
      if (end + apart <= block.wish) break;
      blocks.pop();
      const shift = last.offset.at(-1) + apart;
      const offset = [...last.offset, ...block.offset.map((o) => o + shift)];
      const items = [...last.items, ...block.items];
      const wish = items.reduce((s, it, i) => s + it.wish - offset[i], 0) / items.length;
      block = { items, offset, wish, n: items.length };
    }
    blocks.push(block);
  }
  for (const block of blocks) block.items.forEach((item, i) => (item.y = block.wish + block.offset[i]));
}

export class Plan {
  constructor(box, key) {
    this.box = box;
    this.key = key;
    this.graph = undefined;
  }

  draw(graph, job) {
    if (graph !== this.graph) {
      this.graph = graph;
      this.build(graph);
    }
    if (!graph || !job) return;
    for (const [stage, fills] of this.fills) {
      const s = job.stages.find((x) => x.id === stage);
      const share = s && s.tiles > 0 ? s.done / s.tiles : 0;
      for (const fill of fills) fill.setAttribute("width", String(WIDTH * share));
    }
  }

  build(graph) {
    this.fills = new Map();
    this.key.replaceChildren();
    if (!graph || graph.nodes.length === 0) {
      this.box.replaceChildren(el("p", { class: "muted" }, "no plan to show"));
      return;
    }
    const { rows, paths } = layers(graph);
    arrange(rows);
    rows.forEach((row, layer) => row.forEach((item) => (item.x = layer * (WIDTH + BETWEEN_LAYERS))));
    const width = rows.length * (WIDTH + BETWEEN_LAYERS) - BETWEEN_LAYERS;
    const height = Math.max(...rows.flat().map((item) => item.y + size(item) / 2));
    const title = `plan of ${graph.nodes.length} nodes: ${graph.nodes.map((n) => n.label).join(", ")}`;
    const picture = svg("svg", { viewBox: `-1 -1 ${width + 2} ${height + 2}`, width: width + 2, height: height + 2, role: "img", "aria-label": title, class: "plan" });
    picture.style.setProperty("--natural", `${width + 2}px`);
    for (const path of paths) picture.append(edge(path));
    for (const item of rows.flat()) if (item.node) picture.append(this.node(item));
    const notes = graph.notes.map((n) => el("li", {}, n));
    const words = el("div", { class: "words" }, ...graph.formulas.map(formula));
    if (notes.length) words.append(el("ul", { class: "notes muted" }, ...notes));
    this.box.replaceChildren(el("div", { class: "scroll" }, picture), words);
    const present = new Set(graph.nodes.map((n) => n.kind));
    for (const [kind, words] of Object.entries(KINDS)) {
      if (present.has(kind)) this.key.append(el("span", {}, el("span", { class: `swatch kind-${kind}` }), words));
    }
  }

  node({ node, x, y }) {
    const top = y - HEIGHT / 2;
    const box = svg("g", { class: `node kind-${node.kind}`, transform: `translate(${x} ${top})` });
    const full = svg("title");
    full.textContent = [node.label, node.detail].filter((t) => t !== "").join("\n");
    box.append(full, svg("rect", { class: "body", width: WIDTH, height: HEIGHT, rx: 5 }));
    if (node.stage !== null) {
      const fill = svg("rect", { class: "progress", y: HEIGHT - 3, width: 0, height: 3 });
      box.append(fill);
      if (!this.fills.has(node.stage)) this.fills.set(node.stage, []);
      this.fills.get(node.stage).push(fill);
    }
    const label = svg("text", { x: 9, y: node.detail === "" ? 22 : 15, class: "label" });
    label.textContent = clip(node.label, 32);
    box.append(label);
    if (node.detail !== "") {
      const detail = svg("text", { x: 9, y: 28, class: "detail" });
      detail.textContent = clip(node.detail, 40);
      box.append(detail);
    }
    return box;
  }
}

// What a pass evaluates, and what of it leaves.
function formula({ stage, lines, results }) {
  const head = el("div", { class: "muted" }, `stage ${stage} evaluates`);
  return el("div", {}, head, el("pre", {}, [...lines, ...results.map((r) => `→ ${r}`)].join("\n")));
}

const clip = (words, n) => (words.length > n ? `${words.slice(0, n - 1)}…` : words);

function edge(path) {
  let d = "";
  for (let i = 1; i < path.length; i += 1) {
    const [a, b] = [path[i - 1], path[i]];
    const from = a.x + (a.node ? WIDTH : 0);
    // A waypoint is as wide as a node: the line runs straight through it.
    const through = a.node ? "" : `L ${a.x + WIDTH} ${a.y} `;
    const start = a.node ? from : a.x + WIDTH;
    const middle = (start + b.x) / 2;
    d += `${i === 1 ? `M ${from} ${a.y} ` : through}C ${middle} ${a.y} ${middle} ${b.y} ${b.x} ${b.y} `;
  }
  return svg("path", { class: "edge", d });
}
