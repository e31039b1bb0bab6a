// What is looked at: a stretch of time, a filter, the operation under the pointer and the one picked.
// The panels change it through these methods only, and each is notified of every change.

class View {
  constructor(operations) {
    this.operations = operations;
    this.end = operations.about.end;
    this.from = 0;
    this.to = this.end;
    this.mask = new Uint8Array(operations.n).fill(1);
    this.matching = operations.n;
    this.hover = -1;
    this.time = null;
    this.picked = -1;
    this.lanes = false;
    this.listeners = [];
    this.marked = new Set(operations.about.marked.map((event) => operations.byEvent(event)));
    this.culprits = new Set(operations.about.culprits.map((event) => operations.byEvent(event)));
  }

  on(listener) { this.listeners.push(listener); }
  tell(what) { for (const listener of this.listeners) listener(what); }

  zoom(from, to) {
    const least = Math.min(1e-5, this.end);
    if (to - from < least) { const middle = (from + to) / 2; from = middle - least / 2; to = middle + least / 2; }
    const span = Math.min(to - from, this.end * 1.02);
    this.from = Math.max(-this.end * 0.01, Math.min(from, this.end * 1.01 - span));
    this.to = this.from + span;
    this.tell("range");
  }

  scale(factor, at = (this.from + this.to) / 2) {
    this.zoom(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  pan(share) { const step = (this.to - this.from) * share; this.zoom(this.from + step, this.to + step); }
  reset() { this.zoom(0, this.end); }

  point(time, operation) {
    if (time === this.time && operation === this.hover) return;
    this.time = time;
    this.hover = operation;
    this.tell("hover");
  }

  pick(operation) {
    this.picked = operation;
    this.tell("pick");
  }

  // Brings an operation into sight, with its neighbours around it.
  show(operation) {
    const o = this.operations, begin = o.beginS(operation), took = o.tookS(operation) ?? 0.001;
    const around = Math.max(took * 4, 1e-4);
    this.zoom(begin - around, begin + took + around);
    this.pick(operation);
  }

  filter(wanted) {
    const o = this.operations;
    const query = wanted.text.trim().toLowerCase();
    const has = (text) => text.toLowerCase().includes(query);
    const values = query ? Uint8Array.from({ length: o.form.length }, (_, code) => (has(o.text(code)) ? 1 : 0)) : null;
    const errors = query ? o.errors.map((text) => text !== "null" && has(text)) : [];
    const keys = query ? o.keys.map(has) : [];
    this.matching = 0;
    for (let i = 0; i < o.n; i++) {
      let fits = wanted.outcomes[o.outcome[i]]
        && (wanted.f < 0 || o.f[i] === wanted.f)
        && (wanted.key < 0 || o.key_[i] === wanted.key)
        && (wanted.node < 0 || o.node[i] === wanted.node)
        && (wanted.process === null || o.process[i] === wanted.process)
        && (!wanted.anomaly || this.marked.has(i));
      if (fits && query) fits = values[o.value[i]] || values[o.more[i]] || keys[o.key_[i]] || errors[o.error[i]];
      this.mask[i] = fits ? 1 : 0;
      this.matching += this.mask[i];
    }
    this.tell("filter");
  }

  faultsAt(time) { return this.operations.about.faults.filter((fault) => fault.from <= time && time < fault.to); }

  leaderAt(time) {
    let found = null;
    for (const leader of this.operations.about.leaders) if (leader.time <= time) found = leader;
    return found;
  }

  linesNear(time, within, most) {
    return this.operations.about.lines.filter((line) => Math.abs(line[0] - time) <= within)
      .sort((a, b) => b[2] - a[2] || Math.abs(a[0] - time) - Math.abs(b[0] - time)).slice(0, most)
      .sort((a, b) => a[0] - b[0]);
  }
}

function lasting(seconds) {
  if (seconds === null) return "never returned";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${seconds.toFixed(2)} s`;
}

// Makes an element; children are texts or elements, never HTML.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}
