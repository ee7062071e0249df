// The one tooltip of the page. It follows the pointer and stays within the window.

const tip = () => document.getElementById("tip");

export function showTip(event, lines) {
  const node = tip();
  node.replaceChildren(...lines.map((line) => {
    const row = document.createElement("div");
    row.textContent = line;
    return row;
  }));
  node.hidden = false;
  const { width, height } = node.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, window.innerWidth - width - 8);
  const below = event.clientY + 16;
  const y = below + height + 8 > window.innerHeight ? event.clientY - height - 10 : below;
  node.style.left = `${Math.max(8, x)}px`;
  node.style.top = `${Math.max(8, y)}px`;
}

export function hideTip() {
  tip().hidden = true;
}
