"use strict";
const one = selector => document.querySelector(selector), all = (selector, root = document) => [...root.querySelectorAll(selector)];
const form = one(".filter"), list = one(".edges"), edges = all("li.edge"), findings = all("details.finding"), drawing = one("svg.tiers"), tip = one("#tip");
const search = one("#search"), shown = one("#shown"), sort = one("#sort"), tier = one("#tier"), unfold = one("#unfold"), boxes = all(".filter input[type=checkbox]");
const edgeOf = index => document.getElementById("edge-" + index).parentElement;
let only = "";

// The filter: words, statuses, and a tier that was chosen in the drawing.
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), wanted = new Set(boxes.filter(box => box.checked).map(box => box.value));
  const matches = element => words.every(word => element.dataset.text.includes(word));
  let count = 0;
  for (const edge of edges) {
    edge.hidden = !(wanted.has(edge.dataset.status) && matches(edge) && (!only || edge.dataset.from === only || edge.dataset.to === only));
    count += !edge.hidden;
  }
  for (const finding of findings) finding.hidden = !matches(finding);
  tier.hidden = !only;
  tier.textContent = "only " + only + "  ✕";
  one("#nothing").hidden = count > 0;
  shown.textContent = count + " of " + edges.length + " shown";
}
const orders = { status: () => 0, name: (a, b) => a.dataset.from.localeCompare(b.dataset.from) || a.dataset.to.localeCompare(b.dataset.to), time: (a, b) => b.dataset.time - a.dataset.time };
function choose(name) { only = name; filter(); one("#edges").scrollIntoView(); tier.focus({ preventScroll: true }); }
if (form) {
  form.hidden = false;
  form.addEventListener("submit", event => event.preventDefault());
  search.addEventListener("input", filter);
  for (const box of boxes) box.addEventListener("change", filter);
  sort.addEventListener("change", () => list.append(...[...edges].sort(orders[sort.value])));
  tier.addEventListener("click", () => { only = ""; filter(); search.focus(); });
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "open all";
    for (const edge of edges) if (!edge.hidden) edge.firstElementChild.open = open;
    unfold.textContent = open ? "close all" : "open all";
  });
  addEventListener("keydown", event => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); search.focus(); search.select(); }
    if (event.key === "Escape") { hide(); if (document.activeElement === search && search.value) { search.value = ""; filter(); } }
  });
  filter();
}

// A link to an edge or a finding opens it, even if the filter hides it.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let at = target; at && at !== document.body; at = at.parentElement) { at.hidden = false; if (at.tagName === "DETAILS") at.open = true; }
  const summary = target.matches("details") && target.querySelector("summary");
  if (summary) summary.focus({ preventScroll: true });
  if (!target.matches("section")) target.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", reveal);
reveal();

// The drawing: what is pointed at or focused is lit with its neighbours, and an arrow shows its steps.
function hide() { tip.hidden = true; if (drawing) { drawing.classList.remove("lit"); for (const lit of all(".lit", drawing)) lit.classList.remove("lit"); } }
function light(group) {
  hide();
  drawing.classList.add("lit");
  group.classList.add("lit");
  const node = group.dataset.node, nodes = new Set([node, group.dataset.from, group.dataset.to]);
  for (const arrow of all(".arrow", drawing)) if (node !== undefined && (arrow.dataset.from === node || arrow.dataset.to === node)) { arrow.classList.add("lit"); nodes.add(arrow.dataset.from); nodes.add(arrow.dataset.to); }
  for (const box of all(".tier", drawing)) if (nodes.has(box.dataset.node)) box.classList.add("lit");
}
function explain(group, x, y) {
  const parts = [], tags = group.dataset.tag.split(" ");
  for (const index of tags.slice(0, 3)) {
    const edge = edgeOf(index), title = document.createElement("h3"), why = edge.querySelector(".cause"), steps = edge.querySelector("table.steps");
    const status = edge.querySelector(".badge").cloneNode(true);
    title.append(status, " " + edge.querySelector(".name").textContent + " · " + edge.querySelector(".address").textContent);
    parts.push(title);
    if (why) { const text = document.createElement("p"); text.textContent = why.textContent; parts.push(text); }
    if (steps) { const copy = steps.cloneNode(true); all("tbody tr", copy).slice(8).forEach(row => row.remove()); parts.push(copy); }
  }
  if (tags.length > 3) { const more = document.createElement("p"); more.textContent = "and " + (tags.length - 3) + " more edges"; parts.push(more); }
  tip.replaceChildren(...parts);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(8, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(8, y - box.height - 14) : y + 18) + "px";
}
if (drawing) {
  // What is not much wider than the page is shown whole; a larger one scrolls, and begins at what fails.
  const frame = drawing.parentElement, size = document.createElement("button"), wide = +drawing.getAttribute("width");
  const show = fit => {
    drawing.classList.toggle("fit", fit);
    size.textContent = fit ? "full size" : "show whole";
    const fails = drawing.querySelector(".arrow.fail:not(.weak)") || drawing.querySelector(".tier");
    if (fit || !fails) return;
    const at = fails.getBoundingClientRect(), box = frame.getBoundingClientRect();
    frame.scrollBy({ left: at.left - box.left - box.width / 3, top: at.top - box.top - box.height / 3, behavior: "instant" });
  };
  const room = frame.clientWidth - 24;
  // A small one is enlarged, so that it is read from a distance.
  if (wide <= room) drawing.style.width = Math.min(room, wide * 1.5) + "px", drawing.style.height = "auto";
  if (wide > room) {
    size.type = "button";
    size.addEventListener("click", () => show(!drawing.classList.contains("fit")));
    one(".legend").append(size);
    show(wide < 2 * frame.clientWidth);
  }
  for (const title of all(".arrow title", drawing)) title.remove();
  for (const group of all(".arrow, .tier", drawing)) {
    const link = group.closest("a"), isArrow = group.matches(".arrow");
    if (!link) continue;
    if (isArrow) { const edge = edgeOf(group.dataset.tag.split(" ")[0]); link.setAttribute("aria-label", edge.querySelector(".name").textContent + " " + (group.querySelector("text")?.textContent ?? "") + ": " + edge.dataset.status); }
    link.addEventListener("pointermove", event => { if (!group.classList.contains("lit") || (isArrow && tip.hidden)) light(group); if (isArrow) explain(group, event.clientX, event.clientY); });
    link.addEventListener("pointerleave", hide);
    link.addEventListener("focus", () => { light(group); const box = group.getBoundingClientRect(); if (isArrow) explain(group, box.left + box.width / 2, box.top + box.height / 2); });
    link.addEventListener("blur", hide);
    if (!isArrow) link.addEventListener("click", event => { event.preventDefault(); hide(); choose(document.getElementById(link.getAttribute("href").slice(1)).querySelector("th").textContent); });
  }
}

// Commands and manifests are copied by a button, where the browser lets a page do that.
for (const block of all(".copied")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.addEventListener("click", () => navigator.clipboard.writeText(block.querySelector("pre").textContent).then(() => { button.textContent = "copied"; setTimeout(() => { button.textContent = "copy"; }, 1500); }, () => { button.textContent = "not allowed"; }));
  block.append(button);
}

// On paper everything that fits is open.
let opened = [];
addEventListener("beforeprint", () => { opened = all("details:not([open])").filter(fold => !fold.matches(".more:not(.manifest)")).slice(0, 400); for (const fold of opened) fold.open = true; });
addEventListener("afterprint", () => { for (const fold of opened) fold.open = false; });
