// The operations as a list: filtered by kind, key, process, node, outcome and text, a page at a time.

const PAGE = 200;

class Browser {
  constructor(view, place) {
    this.view = view;
    this.o = view.operations;
    this.page = 0;
    this.found = [];
    this.head = make("p", { class: "muted", role: "status", id: "found" });
    this.body = make("tbody");
    const names = ["began", "process", "node", "operation", "outcome", "took", "version", "error"];
    const numeric = new Set(["began", "took", "version"]);
    const head = make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { class: numeric.has(name) ? "n" : "" }, name))));
    this.rows = make("div", { id: "rows", tabindex: "0", role: "group", "aria-label": "Operations" }, make("table", {}, head, this.body));
    this.picked = make("div", { id: "picked", hidden: true, role: "status" });
    const turn = (way) => () => { this.page += way; this.list(); this.rows.scrollTop = 0; };
    this.back = make("button", { type: "button", onclick: turn(-1) }, "Earlier");
    this.next = make("button", { type: "button", onclick: turn(1) }, "Later");
    place.append(this.form(), make("div", { class: "tools" }, this.back, this.next, this.head), this.rows, this.picked);
    let waiting = 0;
    view.on((what) => {
      if (what === "range" || what === "filter") { clearTimeout(waiting); waiting = setTimeout(() => this.search(), 60); }
      if (what === "pick") { this.explain(); this.mark(true); }
      if (what === "hover") this.mark(false);
    });
    this.search();
  }

  form() {
    const o = this.o, apply = () => this.apply();
    const choice = (id, label, options) => make("label", {}, label, make("select", { id, onchange: apply },
      make("option", { value: "-1" }, "all"), ...options.map(([value, words]) => make("option", { value }, words))));
    const used = new Set(o.key_);
    const keys = [...used].slice(0, 2000).map((code) => [code, o.keys[code].slice(0, 60)]).filter(([, words]) => words !== "null")
      .sort((a, b) => a[1].localeCompare(b[1], "en", { numeric: true }));
    const outcome = (name) => make("label", {}, make("input", { type: "checkbox", checked: true, id: `only-${name}`, onchange: apply }), { ok: "ok", fail: "failed", info: "unknown" }[name]);
    let waiting = 0;
    const soon = () => { clearTimeout(waiting); waiting = setTimeout(apply, 150); };
    return make("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); apply(); } },
      make("label", {}, "Search", make("input", { type: "search", id: "search", placeholder: "value, key or error", oninput: soon })),
      choice("by-f", "Kind", o.functions.map((name, code) => [code, name])),
      keys.length ? choice("by-key", "Key", keys) : "",
      choice("by-node", "Node", o.nodes.map((name, code) => [code, name || "none"])),
      make("label", {}, "Process", make("input", { type: "text", inputmode: "numeric", size: "4", id: "by-process", oninput: soon })),
      ...OUTCOMES.map(outcome),
      this.view.marked.size ? make("label", {}, make("input", { type: "checkbox", id: "only-anomaly", onchange: apply }), "the anomaly's only") : "",
      make("button", { type: "reset", onclick: () => setTimeout(apply) }, "Clear"));
  }

  apply() {
    const get = (id) => document.getElementById(id);
    const number = (id) => Number(get(id)?.value ?? -1);
    const process = get("by-process").value.trim().replace(/^p/, "");
    this.view.filter({
      text: get("search").value, f: number("by-f"), key: number("by-key"), node: number("by-node"),
      process: process === "" ? null : Number(process), outcomes: OUTCOMES.map((name) => get(`only-${name}`).checked),
      anomaly: get("only-anomaly")?.checked ?? false,
    });
  }

  search() {
    const view = this.view, o = this.o, first = o.from(view.from), last = o.from(view.to);
    const found = new Uint32Array(last - first);
    let count = 0;
    for (let i = first; i < last; i++) if (view.mask[i]) found[count++] = i;
    this.found = found.subarray(0, count);
    this.page = 0;
    this.list();
  }

  list() {
    const pages = Math.max(1, Math.ceil(this.found.length / PAGE));
    this.page = Math.max(0, Math.min(this.page, pages - 1));
    const from = this.page * PAGE, shown = this.found.subarray(from, from + PAGE);
    this.back.disabled = this.page === 0;
    this.next.disabled = this.page >= pages - 1;
    const number = (value) => value.toLocaleString("en");
    this.head.textContent = this.found.length === 0 ? "No operation matches in the time shown above."
      : `${number(from + 1)} to ${number(from + shown.length)} of ${number(this.found.length)} in the time shown above`
        + (this.view.matching === this.o.n ? "" : ` (${number(this.view.matching)} match in the whole run)`);
    this.body.replaceChildren(...Array.from(shown, (i) => this.row(i)));
  }

  row(i) {
    const o = this.o, outcome = OUTCOMES[o.outcome[i]], cell = (words, cls = "") => make("td", { class: cls }, words);
    const row = make("tr", { class: outcome + (this.view.culprits.has(i) ? " culprit" : "") + (i === this.view.picked ? " on" : "") },
      cell(`${o.beginS(i).toFixed(4)} s`, "n"), cell(`p${o.process[i]}`), cell(o.nodes[o.node[i]]), make("td", {}, make("code", {}, o.words(i).slice(0, 300))),
      cell(outcome, "outcome"), cell(o.took[i] ? lasting(o.tookS(i)) : "never", "n"), cell(o.versions[i] < 0 ? "" : String(o.versions[i]), "n"), cell(o.errorOf(i).slice(0, 200)));
    row.dataset.at = i;
    row.tabIndex = -1;
    row.addEventListener("pointerenter", () => this.view.point(o.beginS(i), i));
    row.addEventListener("pointerleave", () => this.view.point(null, -1));
    row.addEventListener("click", () => this.view.pick(i));
    return row;
  }

  mark(scroll) {
    for (const row of this.body.children) {
      const at = Number(row.dataset.at), picked = at === this.view.picked;
      row.classList.toggle("on", picked || at === this.view.hover);
      if (picked && scroll) this.rows.scrollTop = row.offsetTop - this.rows.clientHeight / 2;
    }
  }

  explain() {
    const o = this.o, i = this.view.picked, view = this.view;
    this.picked.hidden = i < 0;
    if (i < 0) return;
    const at = Array.prototype.indexOf.call(this.found, i);
    if (at >= 0 && Math.floor(at / PAGE) !== this.page) { this.page = Math.floor(at / PAGE); this.list(); }
    const line = (name, words) => (words ? make("p", {}, make("b", {}, `${name} `), words) : null);
    const ended = o.endS(i), middle = ended ?? o.beginS(i);
    this.picked.replaceChildren(...[
      make("p", {}, make("code", {}, o.words(i)), view.culprits.has(i) ? make("b", { class: "alarm" }, " ✗ could not have happened") : ""),
      line("outcome", `${OUTCOMES[o.outcome[i]]} ${o.errorOf(i)}`),
      line("when", `${o.beginS(i).toFixed(6)} s to ${ended === null ? "never" : `${ended.toFixed(6)} s`}, ${lasting(o.tookS(i))}`),
      line("who", `p${o.process[i]} on ${o.nodes[o.node[i]] || "an unknown node"}, event ${o.invoked[i]} of the history`),
      line("version", o.versions[i] < 0 ? "" : String(o.versions[i])),
      ...view.faultsAt(middle).map((fault) => line("during", `${fault.fault} on ${fault.nodes.join(", ")}: ${fault.proof}`)),
      ...view.linesNear(middle, 0.25, 5).map((found) => line(`log of ${found[1]}`, `${found[0].toFixed(3)} s ${found[3]}`)),
      make("p", {}, make("button", { type: "button", onclick: () => view.show(i) }, "Zoom to it")),
    ].filter(Boolean));
  }
}
