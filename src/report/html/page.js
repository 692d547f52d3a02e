"use strict";
const search = document.getElementById("search"), shown = document.getElementById("shown");
const boxes = [...document.querySelectorAll(".filter input[type=checkbox]")];
const edges = [...document.querySelectorAll("details.edge")], findings = [...document.querySelectorAll("details.finding")];
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), wanted = new Set(boxes.filter(box => box.checked).map(box => box.value));
  const matches = element => words.every(word => element.dataset.text.includes(word));
  let count = 0;
  for (const edge of edges) { edge.hidden = !(wanted.has(edge.dataset.status) && matches(edge)); count += !edge.hidden; }
  for (const finding of findings) finding.hidden = !matches(finding);
  shown.textContent = count + " of " + edges.length;
}
function reveal() {
  const edge = location.hash && document.getElementById(location.hash.slice(1));
  if (edge && edge.matches("details.edge")) { edge.hidden = false; edge.open = true; edge.scrollIntoView({ block: "center" }); edge.querySelector("summary").focus({ preventScroll: true }); }
}
let opened = [];
addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details.edge:not([open]), details.finding:not([open])")].slice(0, 400); for (const one of opened) one.open = true; });
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
addEventListener("hashchange", reveal);
document.querySelector(".filter").addEventListener("submit", event => event.preventDefault());
search.addEventListener("input", filter);
for (const box of boxes) box.addEventListener("change", filter);
filter(); reveal();
