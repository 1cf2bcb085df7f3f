"use strict";
// Asks for the snapshot every second and shows it. Everything a vendor or a client named is set as
// text, never as HTML.

const SECOND = 1000;
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const shown = { vendor: "", cards: new Map(), armed: "" };

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let power = 0;
  while (bytes >= 1000 && power < units.length - 1) { bytes /= 1000; power += 1; }
  return `${bytes.toFixed(power && bytes < 10 ? 1 : 0)} ${units[power]}`;
}

function clock(epoch) {
  return new Date(epoch * SECOND).toISOString().slice(11, 19);
}

async function ask(method, path, body) {
  const reply = await fetch(`/_sandbox/${path}`, {
    method, body: body && JSON.stringify(body), cache: "no-store",
  });
  const text = await reply.text();
  const answer = text ? JSON.parse(text) : null;
  if (!reply.ok) throw new Error(answer.error);
  return answer;
}

// Vendors

function card(vendor) {
  const fields = { requests: "requests", accepted: "jobs", errors: "errors", bytes: "sent" };
  const values = {};
  const list = make("dl");
  for (const [name, label] of Object.entries(fields)) {
    values[name] = make("dd");
    list.append(make("div", {}, make("dt", { textContent: label }), values[name]));
  }
  const rate = make("span", { className: "rate" });
  const chart = svg("svg", { viewBox: "0 0 60 20", preserveAspectRatio: "none" });
  const variable = `AIRFLOW_CONN_${vendor.connection.conn_type.toUpperCase()}_DEFAULT`;
  const text = `${variable}='${JSON.stringify(vendor.connection)}'`;
  const element = make(
    "article", { className: "vendor" },
    make("h2", {}, make("span", { textContent: vendor.name }), rate), chart, list,
    make("details", {}, make("summary", { textContent: "connection" }), make("pre", { textContent: text })),
  );
  element.dataset.vendor = vendor.name;
  return { element, rate, chart, values };
}

function showVendor(vendor) {
  if (!shown.cards.has(vendor.name)) {
    const made = card(vendor);
    shown.cards.set(vendor.name, made);
    $("vendors").append(made.element);
    const button = make("button", { type: "button", textContent: vendor.name });
    button.dataset.vendor = vendor.name;
    button.addEventListener("click", () => choose(vendor));
    $("pick").append(button);
    if (!shown.vendor) choose(vendor);
  }
  const { rate, chart, values } = shown.cards.get(vendor.name);
  for (const name of ["requests", "accepted", "errors"]) values[name].textContent = number.format(vendor[name]);
  values.bytes.textContent = size(vendor.bytes);
  values.errors.classList.toggle("bad", vendor.errors > 0);
  // The last whole second: the current one has only begun.
  rate.textContent = `${number.format(vendor.rates.at(-2))}/s`;
  const top = Math.max(5, ...vendor.rates);
  chart.replaceChildren(svg("line", { x1: 0, x2: 60, y1: 20, y2: 20, "stroke-width": 0.3 }));
  vendor.rates.forEach((count, x) => {
    const height = 20 * count / top;
    if (count) chart.append(svg("rect", { x: x + 0.1, y: 20 - height, width: 0.8, height }));
  });
}

// Faults

function choose(vendor) {
  shown.vendor = vendor.name;
  for (const button of $("pick").children) {
    button.setAttribute("aria-pressed", button.dataset.vendor === vendor.name);
  }
  const parts = vendor.menu.flatMap((entry) => [
    make("h3", { textContent: entry.title }),
    make("div", {}, ...entry.choices.map((choice) => {
      const button = make("button", { type: "button", textContent: choice.label });
      button.dataset.fault = `${entry.route}:${choice.kind}`;
      button.addEventListener("click", () => {
        const count = $("count").value;
        arm(`${entry.route}:${choice.kind}${count}${choice.params && `,${choice.params}`}`);
      });
      return button;
    })),
  ]);
  $("menu").replaceChildren(...parts);
}

async function change(method, path, body) {
  try {
    await ask(method, path, body);
    $("refused").textContent = "";
  } catch (error) {
    $("refused").textContent = error.message;
    return false;
  }
  await refresh();
  return true;
}

const arm = (spec) => change("POST", "faults", { spec });

function showFaults(faults) {
  $("clear").disabled = !faults.length;
  const state = JSON.stringify(faults);
  if (state === shown.armed) return; // a button must not move away under a click
  shown.armed = state;
  const rows = faults.map((fault) => {
    const spent = fault.count !== null && fault.served >= fault.count;
    const served = fault.count === null ? `hit ${fault.served}` : `hit ${fault.served} of ${fault.count}`;
    const button = make("button", { type: "button", className: "quiet", textContent: "clear" });
    button.setAttribute("aria-label", `clear ${fault.spec}`);
    button.addEventListener("click", () => change("DELETE", `faults?spec=${encodeURIComponent(fault.spec)}`));
    return make(
      "li", { className: spent ? "spent" : "" },
      make("code", { textContent: fault.spec }), make("small", { textContent: served }), button,
    );
  });
  $("armed").replaceChildren(...(rows.length ? rows : [none("None is armed: every request succeeds.")]));
}

function none(text) {
  return make("li", { className: "none", textContent: text });
}

// Jobs and requests

// Lets a list show these rows; an element stays in place while its row does, so that a click reaches it.
function keep(list, rows, empty, { key, create, update }) {
  const left = new Map([...list.children].map((element) => [element.dataset.key ?? "", element]));
  rows.forEach((row, index) => {
    const element = left.get(key(row)) ?? create(row);
    left.delete(key(row));
    element.dataset.key = key(row);
    element.dataset.vendor = row.vendor;
    update(element, row);
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  for (const element of left.values()) element.remove();
  if (!rows.length) list.append(none(empty));
}

function jobTone(job) {
  if (/fail|cancel|error/i.test(job.status)) return "bad";
  return job.progress >= 1 ? "good" : "busy";
}

const JOBS = {
  key: (job) => job.id,
  create(job) {
    const buttons = ["finish", "fail"].map((action) => {
      const button = make("button", { type: "button", className: "quiet", textContent: action });
      button.addEventListener("click", () => change("POST", `jobs/${encodeURIComponent(job.id)}`, { action }));
      return button;
    });
    const about = make("span"), bar = make("i"), word = make("span", { className: "word" });
    const element = make(
      "li", {},
      make("span", { className: "dot", title: job.vendor }), make("code", { textContent: job.id }), word,
      make("div", { className: "track" }, bar), make("div", { className: "meta" }, about, ...buttons),
    );
    return Object.assign(element, { parts: { about, bar, buttons, word } });
  },
  update(element, job) {
    const { about, bar, buttons, word } = element.parts;
    element.className = jobTone(job);
    word.textContent = job.status;
    bar.style.width = `${Math.max(100 * job.progress, 3)}%`;
    about.textContent = `${job.polls} ${job.polls === 1 ? "poll" : "polls"} · since ${job.created.slice(11, 19)}`;
    for (const button of buttons) button.hidden = element.className !== "busy";
  },
};

function statusOf(request) {
  if (request.status === null) return ["…", "busy"];
  if (request.status === 0) return ["cut", "bad"];
  return [String(request.status), request.status < 400 ? "good" : request.status < 500 ? "warn" : "bad"];
}

const REQUESTS = {
  key: (request) => `${request.at} ${request.path}`,
  create(request) {
    const what = make("code", { textContent: `${request.method} ${request.path}` });
    if (request.fault) what.append(make("span", { className: "fault", textContent: request.fault }));
    return make(
      "li", { title: request.route },
      make("span", { className: "dot" }), make("span", { className: "status" }),
      what, make("time", { textContent: clock(request.at) }),
    );
  },
  update(element, request) {
    const [status, tone] = statusOf(request);
    element.className = tone;
    element.querySelector(".status").textContent = status;
  },
};

// The page

function show(snapshot) {
  snapshot.vendors.forEach(showVendor);
  showFaults(snapshot.faults);
  keep($("jobs"), snapshot.jobs, "None yet: run a DAG with one of the connections above.", JOBS);
  keep($("requests"), snapshot.requests, "None yet.", REQUESTS);
  const moved = Math.abs(snapshot.offset) > 1 ? ", the vendors' clock" : " UTC";
  $("state").textContent = new Date(snapshot.now * SECOND).toISOString().slice(0, 19).replace("T", " ") + moved;
  $("state").className = "live";
}

async function refresh() {
  try {
    show(await ask("GET", "snapshot"));
  } catch {
    $("state").textContent = "the sandbox does not answer";
    $("state").className = "gone";
  }
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, SECOND);
}

$("clear").addEventListener("click", () => change("DELETE", "faults"));
$("own").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await arm($("spec").value)) $("spec").value = "";
});
watch();
