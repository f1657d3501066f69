"use strict";
// Names come from initiators: all text goes in as text, never as markup.

const interval = 1000; // milliseconds between two readings
const shown = 100;     // sessions of each array that are shown
let before = null;     // the status that was read last, for rates

function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) {
    if (k === "click") e.addEventListener("click", v); else if (v) e.setAttribute(k, v);
  }
  for (const c of children.flat()) if (c !== null && c !== undefined) e.append(c);
  return e;
}

const count = n => n.toLocaleString("en-US").replace(/,/g, "\u202f");
function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let u = 0;
  while (n >= 1024 && u < units.length - 1) { n /= 1024; u++; }
  return (u === 0 ? Math.round(n) : n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0).replace(/\.0+$/, "")) + " " + units[u];
}
function time(seconds) {
  seconds = Math.floor(seconds);
  const d = Math.floor(seconds / 86400), h = Math.floor(seconds / 3600) % 24, m = Math.floor(seconds / 60) % 60, s = seconds % 60;
  if (d) return d + " d " + h + " h";
  if (h) return h + " h " + m + " min";
  return m ? m + " min " + s + " s" : s + " s";
}
const plural = (n, one, many) => count(n) + " " + (n === 1 ? one : many);
const hex = n => "0x" + n.toString(16).padStart(4, "0");

async function act(array, action) {
  const problem = document.getElementById("problem");
  try {
    const r = await fetch("control", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({array: array, actions: [action]})});
    const a = await r.json();
    problem.textContent = a.error || "";
  } catch (e) { problem.textContent = String(e); }
  problem.hidden = !problem.textContent;
  read(true);
}

function table(heads, rows) {
  return make("div", {class: "scroll"}, make("table", {},
    make("thead", {}, make("tr", {}, heads.map(h => make("th", h.startsWith(">") ? {class: "n"} : {}, h.replace(/^>/, ""))))),
    make("tbody", {}, rows)));
}
const cell = (...c) => make("td", {}, ...c);
const number = n => make("td", {class: "n"}, count(n));

function numbers(a, old, seconds) {
  const c = a.counters, o = old && old.counters;
  const rate = (key, form) => o && seconds > 0 ? make("small", {}, form(Math.max(0, (c[key] - o[key]) / seconds)) + "/s") : null;
  const box = (title, alarm, ...value) => make("div", alarm ? {class: "alarm"} : {}, make("dt", {}, title), make("dd", {}, ...value));
  const whole = n => count(Math.round(n));
  return make("dl", {class: "numbers"},
    box("Sessions", false, count(a.sessions_total)),
    box("Commands", false, count(c.commands), rate("commands", whole)),
    box("Received", false, bytes(c.bytes_in), rate("bytes_in", bytes)),
    box("Sent", false, bytes(c.bytes_out), rate("bytes_out", bytes)),
    box("PDUs received", false, count(c.pdus_in), rate("pdus_in", whole)),
    box("PDUs sent", false, count(c.pdus_out), rate("pdus_out", whole)),
    box("Logins granted", false, count(c.logins_granted)),
    box("Redirected", false, count(c.logins_redirected)),
    box("Refused, dropped", c.logins_refused + c.logins_dropped > 0, count(c.logins_refused) + ", " + count(c.logins_dropped)),
    box("Connections lost", false, count(c.connections_lost)),
    box("Check conditions", false, count(c.check_conditions)),
    box("Rejects", c.rejects > 0, count(c.rejects)));
}

function portals(a) {
  return table(["Portal", "Address", ">Group", "State", ""], a.portals.map(p => make("tr", {},
    cell(p.name), cell(make("code", {}, p.address)), number(p.portal_group_tag),
    cell(make("span", {class: "chip " + (p.up ? "good" : "bad")}, p.up ? "in service" : "out of service"), p.hidden ? " hidden" : ""),
    cell(make("button", {click: () => act(a.name, {portal: p.up ? {name: p.name, up: false, drop: "rst"} : {name: p.name, up: true}})}, p.up ? "take down" : "bring up")))));
}

function units(a) {
  const rows = [];
  for (const t of a.targets) {
    if (!t.luns.length) rows.push(make("tr", {}, make("td", {class: "name"}, t.name), make("td", {colspan: "5"}, "no logical units")));
    t.luns.forEach((l, i) => rows.push(make("tr", {},
      make("td", {class: "name"}, i ? "" : t.name, !i && t.alias ? make("span", {class: "sub"}, t.alias) : null),
      number(l.lun), make("td", {class: "n"}, bytes(l.blocks * l.block_size)), number(l.block_size), cell(l.store), cell(make("code", {}, l.serial)))));
  }
  return table(["Target", ">LUN", ">Size", ">Block", "Store", "Serial"], rows);
}

function sessions(a) {
  if (!a.sessions_total) return make("p", {class: "empty"}, "Nobody is logged in.");
  const rows = a.sessions.map(s => {
    const n = s.negotiated, links = s.connections;
    return make("tr", {},
      number(s.serial),
      make("td", {class: "name"}, s.initiator, make("span", {class: "sub"}, s.type === "discovery" ? "discovery" : s.target)),
      cell(make("code", {}, s.isid), make("span", {class: "sub"}, "TSIH " + hex(s.tsih))),
      cell(links.length ? links.map(l => make("span", {class: "mono"}, "CID " + l.cid + " \u00b7 " + l.portal + " \u2190 " + l.remote, make("br"))) :
        make("span", {class: "chip bad"}, "waits for its initiator")),
      cell("burst " + bytes(n.FirstBurstLength) + " / " + bytes(n.MaxBurstLength),
        make("span", {class: "sub"}, (n.InitialR2T ? "InitialR2T" : "no InitialR2T") + ", " + (n.ImmediateData ? "ImmediateData" : "no ImmediateData") + ", ERL " + n.ErrorRecoveryLevel),
        make("span", {class: "sub"}, "auth " + n.AuthMethod + (links.length ? ", digests " + links[0].HeaderDigest + "/" + links[0].DataDigest : ""))),
      make("td", {class: "n"}, count(s.commands), make("span", {class: "sub"}, s.commands_open + " open" + (s.commands_held ? ", " + s.commands_held + " held" : ""))),
      make("td", {class: "n"}, bytes(links.reduce((x, l) => x + l.bytes_in, 0)), make("span", {class: "sub"}, bytes(links.reduce((x, l) => x + l.bytes_out, 0)))),
      cell(make("button", {click: () => act(a.name, {drop: {which: {serial: s.serial}, how: "rst"}})}, "drop")));
  });
  const more = a.sessions_total - a.sessions.length;
  return [table([">#", "Initiator", "ISID", "Connection", "Negotiated", ">Commands", ">In, out", ""], rows),
    more > 0 ? make("p", {class: "empty"}, "and " + plural(more, "more session", "more sessions")) : null];
}

function draw(status) {
  const seconds = before ? status.uptime_seconds - before.uptime_seconds : 0;
  let text = plural(status.arrays.length, "array", "arrays") + " \u00b7 up " + time(status.uptime_seconds) + " \u00b7 process " + status.pid;
  const r = status.recording;
  if (r) text += " \u00b7 " + (r.error ? "recording has ended: " + r.error : "recording to " + r.dir + ", " + bytes(r.bytes));
  document.getElementById("summary").textContent = text;
  document.getElementById("arrays").replaceChildren(...status.arrays.map(a => {
    const old = before && before.arrays.find(b => b.name === a.name);
    return make("section", {"aria-label": a.name},
      make("h2", {}, a.name, a.profile === a.name ? null : make("small", {}, a.profile)),
      make("p", {class: "about"}, a.description || ""),
      numbers(a, old, seconds),
      make("div", {class: "pair"}, make("div", {}, make("h3", {}, "Portals"), portals(a)), make("div", {}, make("h3", {}, "Targets"), units(a))),
      make("h3", {}, "Sessions"), sessions(a));
  }));
  before = status;
}

let due = 0;
async function read(now) {
  clearTimeout(due);
  const state = document.getElementById("state"), dot = document.getElementById("dot");
  try {
    const r = await fetch("status.json?sessions=" + shown, {cache: "no-store"});
    if (!r.ok) throw new Error("status " + r.status);
    const status = await r.json();
    const selecting = String(getSelection()).length > 0; // do not take away what somebody is about to copy
    if (now || !before || !selecting) draw(status);
    state.textContent = "live";
    dot.className = "";
  } catch (e) {
    state.textContent = "no answer";
    dot.className = "off";
  }
  clearTimeout(due);
  due = setTimeout(read, interval);
}
read(true);
