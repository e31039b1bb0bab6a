// Unpacks what planes.py packed: base 85, gzip, byte planes. No value here ever becomes HTML.

const ALPHABET = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
  .filter((letter) => !"<>&\"'`\\".includes(letter)).slice(0, 85).join("");

function base85(text) {
  const colon = text.indexOf(":");
  const size = Number(text.slice(0, colon));
  const digit = new Uint8Array(128);
  for (let i = 0; i < 85; i++) digit[ALPHABET.charCodeAt(i)] = i;
  const padded = new Uint8Array(Math.ceil(size / 4) * 4);
  for (let at = 0, from = colon + 1; at < padded.length; at += 4, from += 5) {
    let group = 0;
    for (let i = 0; i < 5; i++) group = group * 85 + digit[text.charCodeAt(from + i)];
    padded[at] = group >>> 24; padded[at + 1] = group >>> 16; padded[at + 2] = group >>> 8; padded[at + 3] = group;
  }
  return padded.subarray(0, size);
}

async function unpack(text) {
  const stream = new Blob([base85(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const length = new DataView(raw.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(raw.subarray(4, 4 + length)));
  const data = { about: header };
  let at = 4 + length;
  for (const spec of header.columns) {
    if (spec.how === "text") {
      const content = new TextDecoder().decode(raw.subarray(at, at + spec.width));
      data[spec.name] = spec.n ? content.split("\n") : [];
      at += spec.width;
    } else {
      data[spec.name] = column(raw, at, spec);
      at += spec.width * spec.n;
    }
  }
  return new Operations(data);
}

function column(raw, at, spec) {
  const { n, width, how } = spec;
  const values = how === "plain" && width <= 3 ? new Uint32Array(n) : new Float64Array(n);
  let scale = 1;
  for (let plane = 0; plane < width; plane++, scale *= 256) {
    for (let i = 0; i < n; i++) values[i] += raw[at + plane * n + i] * scale;
  }
  if (how === "delta") {
    for (let i = 0, sum = 0; i < n; i++) {
      const step = values[i];
      sum += step % 2 ? -(step + 1) / 2 : step / 2;
      values[i] = sum;
    }
  } else if (how === "novel") {
    for (let i = 0, most = -1; i < n; i++) {
      values[i] = values[i] === 0 ? ++most : most - values[i] + 1;
    }
  }
  return values;
}

// The same words as words.py's transaction().
function transaction(text) {
  try {
    const short = (value) => (Array.isArray(value) && value.length > 5 ? `[…,${JSON.stringify(value.slice(-4)).slice(1)}` : JSON.stringify(value));
    const step = ([f, key, value]) => {
      const name = typeof key === "string" ? key : JSON.stringify(key);
      if (value === null) return `${f} ${name}`;
      return f === "r" ? `r ${name} → ${short(value)}` : `${f} ${name} ${short(value)}`;
    };
    return JSON.parse(text).map(step).join(" · ") || "txn";
  } catch { return `txn ${text}`; }
}

const OUTCOMES = ["ok", "fail", "info"];

class Operations {
  constructor(data) {
    Object.assign(this, data);
    this.n = this.begin.length;
    this.holes = this.forms.map((form) => form.split("\u0001"));
    this.first = new Uint32Array(this.form.length + 1);
    for (let i = 0; i < this.form.length; i++) this.first[i + 1] = this.first[i] + this.holes[this.form[i]].length - 1;
    this.versions = new Float64Array(this.n).fill(-1);
    for (let i = 0, next = 0; i < this.n; i++) if (this.versioned[i]) this.versions[i] = this.version[next++];
    this.longest = 0;
    for (let i = 0; i < this.n; i++) if (this.took[i] > this.longest) this.longest = this.took[i];
  }

  // Texts are put together when asked for: a million of them would fill the memory.
  text(code) {
    const pieces = this.holes[this.form[code]];
    let words = pieces[0];
    for (let i = 1; i < pieces.length; i++) words += this.numbers[this.first[code] + i - 1] + pieces[i];
    return words;
  }

  beginS(i) { return this.begin[i] / 1e6; }
  tookS(i) { return this.took[i] === 0 ? null : (this.took[i] - 1) / 1e6; }
  endS(i) { return this.took[i] === 0 ? null : (this.begin[i] + this.took[i] - 1) / 1e6; }
  key(i) { const key = this.keys[this.key_[i]]; return key === "null" ? "" : key.replace(/^"|"$/g, ""); }
  errorOf(i) {
    const text = this.errors[this.error[i]];
    if (text === "null") return "";
    try { return [JSON.parse(text)].flat().filter((part) => part !== "").join(": "); } catch { return text; }
  }

  words(i) {
    const key = this.key(i), value = this.text(this.value[i]), more = this.text(this.more[i]);
    const name = this.functions[this.f[i]];
    if (name === "txn") return transaction(this.outcome[i] === 0 && more !== "null" && more !== "" ? more : value);
    let words = key ? `${name} ${key}` : name;
    const shown = value === "null" ? "" : value;
    const asks = name !== "read" && name !== "r" && name !== "contains";
    if (shown) words += asks ? ` ${shown}` : ` → ${shown}`;
    else if (!asks && this.outcome[i] === 0) words += " → null";
    if (more !== "null" && more !== "") words += this.outcome[i] === 0 ? ` → ${more}` : ` (saw ${more})`;
    return words;
  }

  // The first operation that began at a moment or later.
  from(seconds) {
    let low = 0, high = this.n;
    const wanted = seconds * 1e6;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.begin[middle] < wanted) low = middle + 1; else high = middle;
    }
    return low;
  }

  byEvent(event) {
    let low = 0, high = this.n - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.invoked[middle] === event) return middle;
      if (this.invoked[middle] < event) low = middle + 1; else high = middle - 1;
    }
    return -1;
  }
}
