// How a certificate file is written (format.md): JSON of one form, numbers in lowest terms, bytes in base64 of zlib, and
// SHA-256. Not here: what the fields say, see checker.js.

const MAX_VALUES = 2 ** 20;
const MAX_DEPTH = 900, MAX_DIGITS = 4300;                         // of Python, which reads no more

export class Unreadable extends Error {}

export class Refused extends Error {
  constructor(field, what) { super(what); this.field = field; }
}

export const refuse = (field, what) => { throw new Refused(field, what); };

// JSON, of which only the one form of RFC 8785 is taken, so that no name stands twice. -----------------------------------

export const unreadable = (what) => { throw new Unreadable(`expected ${what}`); };

// A number with a point or an exponent, which no field may be.
export class Float {
  constructor(text) { this.text = text; }
}

// As Python writes a float: so it stands in the files that checker.py reads.
function writtenFloat(value) {
  const [, first, rest = '', power] = /^-?(\d)(?:\.(\d+))?e(.+)$/.exec(value.toExponential());
  const sign = value < 0 || Object.is(value, -0) ? '-' : '', at = Number(power), digits = first + rest;
  if (at >= 16 || at < -4) {
    return `${sign}${first}${rest && `.${rest}`}e${at < 0 ? '-' : '+'}${String(Math.abs(at)).padStart(2, '0')}`;
  }
  if (at < 0) return `${sign}0.${'0'.repeat(-at - 1)}${digits}`;
  return `${sign}${digits.slice(0, at + 1).padEnd(at + 1, '0')}.${digits.slice(at + 1) || '0'}`;
}

export function read(bytes) {
  let text = '', at = 0, values = 0;
  for (const byte of bytes) values += byte === 44 || byte === 91 || byte === 123;                               // , [ {
  if (values > MAX_VALUES) unreadable(`at most ${MAX_VALUES} values`);
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    unreadable('JSON in UTF-8');
  }
  const fail = () => unreadable(`the canonical form of RFC 8785, each name once, at sign ${at}`);
  const take = (sign) => (text.startsWith(sign, at) ? Boolean(at += sign.length) : false);

  function string() {
    let end = at;
    for (let slashes = 1; slashes % 2;) {                         // a quotation mark after an odd number is one of the text
      end = text.indexOf('"', end + 1);
      if (end < 0) fail();
      for (slashes = 0; text[end - 1 - slashes] === '\\';) slashes += 1;
    }
    const written = text.slice(at, end + 1);
    let value = null;
    try {
      value = JSON.parse(written);
    } catch {
      fail();
    }
    if (JSON.stringify(value) !== written || /\p{Surrogate}/u.test(value)) fail();
    at = end + 1;
    return value;
  }

  function number() {
    const form = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
    form.lastIndex = at;
    const [written, point, power] = form.exec(text) ?? fail();
    at += written.length;
    if (point === undefined && power === undefined) {
      if (written === '-0' || written.replace('-', '').length > MAX_DIGITS) fail();
      return BigInt(written);
    }
    const value = Number(written);
    if (!Number.isFinite(value) || writtenFloat(value) !== written) fail();
    return new Float(written);
  }

  function list(value, end, depth, one) {
    if (depth > MAX_DEPTH) fail();
    if (take(end)) return value;
    do one(); while (take(','));
    if (!take(end)) fail();
    return value;
  }

  function content(depth = 0) {
    if (text[at] === '"') return string();
    if (take('[')) {
      const listed = [];
      return list(listed, ']', depth, () => listed.push(content(depth + 1)));
    }
    if (take('{')) {
      const names = new Map();
      let last = null;
      return list(names, '}', depth, () => {
        const name = text[at] === '"' ? string() : fail();
        if ((last !== null && name <= last) || !take(':')) fail();
        names.set(last = name, content(depth + 1));
      });
    }
    for (const [word, value] of [['true', true], ['false', false], ['null', null]]) if (take(word)) return value;
    return number();
  }

  const statement = content();
  if (at !== text.length) fail();
  return statement;
}

const modulus = (a) => (a < 0n ? -a : a);

// A ratio in lowest terms.
export class Ratio {
  constructor(over, under = 1n) {
    let [a, b] = [modulus(over), under];
    while (b) [a, b] = [b, a % b];
    [this.over, this.under] = a ? [over / a, under / a] : [0n, 1n];
  }
  plus(other) { return new Ratio(this.over * other.under + other.over * this.under, this.under * other.under); }
  minus(other) { return this.plus(other.times(new Ratio(-1n))); }
  times(other) { return new Ratio(this.over * other.over, this.under * other.under); }
  by(other) { return new Ratio(this.over * other.under, this.under * other.over); }
  exceeds(other) { return this.over * other.under > other.over * this.under; }
  // To the nearest whole number, to the even one between two.
  rounded() {
    const whole = this.over / this.under, twice = 2n * (this.over % this.under);
    return twice > this.under || (twice === this.under && whole % 2n) ? whole + 1n : whole;
  }
  // The one way in which a number is written: as text if it is a ratio or large.
  written() {
    if (this.under !== 1n) return `${this.over}/${this.under}`;
    return modulus(this.over) < 2n ** 53n ? this.over : String(this.over);
  }
  // For the eye alone.
  number() { return Number(this.over * 10n ** 30n / this.under) / 1e30; }
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export async function sha256(bytes) {
  // Without a secure context, as over plain http from another machine, a page has no crypto.subtle.
  return globalThis.crypto?.subtle ? hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))) : ownSha256(bytes);
}

// FIPS 180-4; its constants are the first 32 bits of the fractions of roots of the first primes.
export function ownSha256(bytes) {
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root) => ((root % 1) * 2 ** 32) | 0;
  const constants = primes.map((prime) => fraction(Math.cbrt(prime)));
  const state = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64), view = new DataView(padded.buffer);
  padded.set(bytes);
  padded[bytes.length] = 128;
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const turn = (word, by) => (word >>> by) | (word << (32 - by)), w = new Int32Array(64);
  for (let block = 0; block < padded.length; block += 64) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let n = 0; n < 64; n += 1) {
      if (n < 16) {
        w[n] = view.getInt32(block + 4 * n);
      } else {
        const [x, y] = [w[n - 15], w[n - 2]];
        w[n] = w[n - 16] + w[n - 7] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
      }
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + constants[n] + w[n];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, n) => { state[n] += word; });
  }
  const found = new DataView(new ArrayBuffer(32));
  state.forEach((word, n) => found.setInt32(4 * n, word));
  return hex(new Uint8Array(found.buffer));
}

// The bytes of a text in base64 of zlib, no more than so many; null if it is none.
export async function unpacked(text, most) {
  try {
    const binary = atob(text), packed = new Uint8Array(binary.length), parts = [];
    if (btoa(binary) !== text) return null;
    for (let at = 0; at < binary.length; at += 1) packed[at] = binary.charCodeAt(at);
    let fed = 0, size = 0;
    const slices = new ReadableStream({                           // small, since all that a slice unpacks to comes at once
      pull(to) {
        if (fed >= packed.length) to.close();
        else to.enqueue(packed.slice(fed, fed += 4096));
      },
    });
    const reader = slices.pipeThrough(new DecompressionStream('deflate')).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      size += part.value.length;
      if (size > most) {
        reader.cancel().catch(() => {});
        return null;
      }
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  } catch {
    return null;
  }
}
