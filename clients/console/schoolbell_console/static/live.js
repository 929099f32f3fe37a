// The page Live: a sum every second becomes charts and the table of the latest.
"use strict";

const SLOTS = 60; // seconds that the charts show
const KEPT = 400; // rows that the filter looks through
const SHOWN = 40; // rows in the table
const AGAIN = 3000; // milliseconds until a lost stream is asked for anew
const SVG = "http://www.w3.org/2000/svg";
const page = document.getElementById("live");
const write = new Intl.NumberFormat(page.dataset.lang, { maximumFractionDigits: 1 });
const latest = [];
const totals = {};
let paused = false;
let source;

// A chart of some series: stacked areas, or lines.
class Chart {
  constructor(id, stacked) {
    this.root = document.getElementById(id);
    this.stacked = stacked;
    this.paths = [...this.root.querySelectorAll("[data-series]")];
    this.values = this.paths.map(() => new Array(SLOTS).fill(0));
  }
  push(sample) {
    this.paths.forEach((path, index) => {
      this.values[index].shift();
      this.values[index].push(sample[path.dataset.series] ?? 0);
    });
  }
  draw() {
    const sums = this.values[0].map((_, slot) => {
      const column = this.values.map((series) => series[slot]);
      return this.stacked ? column.reduce((sum, one) => sum + one, 0) : Math.max(...column);
    });
    const top = niceTop(Math.max(...sums));
    this.root.querySelector("[data-top]").textContent = write.format(top);
    const base = new Array(SLOTS).fill(0);
    this.paths.forEach((path, index) => {
      const series = this.values[index];
      const upper = series.map((value, slot) => (this.stacked ? base[slot] : 0) + value);
      const line = (points) => points.map((value, slot) => `${slot} ${(100 - (value / top) * 100).toFixed(2)}`);
      const over = line(upper);
      if (this.stacked) {
        path.setAttribute("d", `M${over.join("L")}L${line(base).reverse().join("L")}Z`);
        upper.forEach((value, slot) => (base[slot] = value));
      } else {
        path.setAttribute("d", `M${over.join("L")}`);
      }
      const now = this.root.querySelector(`[data-now="${path.dataset.series}"]`);
      now.textContent = write.format(series[SLOTS - 1]);
    });
  }
}

// The least of 1, 2 and 5 times a power of ten that is not below a value.
function niceTop(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value);
}

const kinds = new Chart("by-kind", true);
const providers = new Chart("by-provider", true);
const latency = new Chart("latency", false);

function take(sum) {
  kinds.push(sum.kinds);
  providers.push(sum.providers);
  latency.push(sum.latency ? { half: sum.latency[0], most: sum.latency[1] } : {});
  for (const [state, count] of Object.entries(sum.outcomes)) totals[state] = (totals[state] ?? 0) + count;
  const news = new Set(sum.rows.map((row) => row.id));
  const older = latest.filter((row) => !news.has(row.id)); // a delivery is shown as it stands now
  latest.splice(0, latest.length, ...sum.rows.reverse(), ...older);
  latest.length = Math.min(latest.length, KEPT);
}

function show(sum) {
  const count = Object.values(sum.kinds).reduce((all, one) => all + one, 0);
  tile("rate", write.format(count));
  tile("half", sum.latency ? `${write.format(Math.round(sum.latency[0]))} ms` : "–");
  tile("most", sum.latency ? `${write.format(Math.round(sum.latency[1]))} ms` : "–");
  for (const chart of [kinds, providers, latency]) chart.draw();
  for (const place of page.querySelectorAll("[data-outcome]")) {
    place.textContent = write.format(totals[place.dataset.outcome] ?? 0);
  }
  if (sum.state) showState(sum.state);
  showRows();
}

function tile(name, text) {
  page.querySelector(`[data-tile="${name}"]`).textContent = text;
}

function showState(state) {
  const lanes = [...page.querySelectorAll("[data-lane]")];
  const counts = lanes.map((row) => (state.backlog[row.dataset.lane] ?? [0, 0]).reduce((a, b) => a + b));
  const top = niceTop(Math.max(...counts));
  lanes.forEach((row, index) => {
    row.querySelector(".fill").setAttribute("width", `${(100 * counts[index]) / top}%`);
    row.querySelector(".num").textContent = write.format(counts[index]);
  });
  tile("waiting", write.format(counts.reduce((a, b) => a + b, 0)));
  const colors = { connected: "good", degraded: "warn", disconnected: "bad" };
  document.getElementById("links").replaceChildren(
    ...state.links.map((link) =>
      make("li", "", [
        make("span", "", [make("strong", "", link.name), make("bdi", "help", link.app)]),
        make("span", `badge ${colors[link.connectivity] ?? "idle"}`, [make("span", "dot", ""), link.text]),
        make("span", "help", link.trouble),
      ]),
    ),
  );
}

const filter = document.getElementById("filter");

function isWanted(row) {
  const text = filter.elements.text.value.trim();
  return (
    (!filter.elements.kind.value || row.kind === filter.elements.kind.value) &&
    (!filter.elements.state.value || row.state === filter.elements.state.value) &&
    (!text || row.student.includes(text) || row.user.includes(text))
  );
}

function showRows() {
  const rows = document.getElementById("rows");
  const labels = rows.dataset.labels.split("|");
  const focused = rows.contains(document.activeElement) ? document.activeElement.dataset.id : "";
  const wanted = latest.filter(isWanted).slice(0, SHOWN);
  rows.replaceChildren(...wanted.map((row) => tableRow(row, labels)));
  document.getElementById("no-rows").hidden = wanted.length > 0;
  if (focused) rows.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

function tableRow(row, labels) {
  const link = make("a", "", row.time);
  link.href = `${page.dataset.detail}?id=${encodeURIComponent(row.id)}`;
  link.dataset.id = row.id;
  const state = make("span", `badge state ${row.state}`, [make("span", "dot", ""), row.state_text]);
  const cells = [link, row.kind_text, make("bdi", "", row.student), make("bdi", "", row.user), row.provider, state];
  return make(
    "tr",
    "",
    cells.map((content, index) => {
      const cell = make("td", "", [content]);
      cell.dataset.label = labels[index];
      return cell;
    }),
  );
}

// An element with text or children; text stays text, whatever is in it.
function make(name, classes, content) {
  const found = document.createElement(name);
  if (classes) found.className = classes;
  found.append(...(Array.isArray(content) ? content : [content]));
  return found;
}

function note(name, isShown) {
  page.querySelector(`[data-note="${name}"]`).hidden = !isShown;
}

function open() {
  source = new EventSource(page.dataset.events);
  source.onmessage = (event) => {
    const sum = JSON.parse(event.data);
    delete page.dataset.waiting;
    note("lost", sum.away);
    take(sum);
    if (!paused && !document.hidden) requestAnimationFrame(() => show(sum));
  };
  source.addEventListener("denied", () => {
    source.close();
    note("lost", false);
    note("denied", true);
  });
  source.onerror = async () => {
    note("lost", true);
    if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
    const status = await fetch(document.body.dataset.answering).then((answer) => answer.status, () => 0);
    if (status === 401) {
      note("lost", false);
      note("denied", true);
    } else setTimeout(open, AGAIN);
  };
}

filter.addEventListener("input", showRows);
filter.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.target.setAttribute("aria-pressed", String(paused));
  event.target.textContent = paused ? event.target.dataset.go : event.target.dataset.stop;
  if (!paused) showRows();
});
open();
