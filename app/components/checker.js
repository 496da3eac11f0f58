// Checks a certificate file in the browser, without its program and without a server: whole numbers and ratios of them,
// exactly. After theory.md (3 to 9) and format.md; it answers as checker.py does, of which it shares no line.
//
// Not here: how a file is written, see proof_file.js; the windows and the defences, see proof_bounds.js; the page, see
// check.js.

import { DEFENCES, ONE, Windows, ZERO } from './proof_bounds.js';
import { Float, Ratio, Refused, Unreadable, read, refuse, sha256, unpacked, unreadable } from './proof_file.js';

export const MAX_BYTES = 2 ** 26;
const MAX_CELLS = 2 ** 20;
const STATEMENT = 'https://in-toto.io/Statement/v1', PREDICATE = 'urn:patchguard-explorer:certificate:v1';
const LARGEST = new Map([['logits', 2n ** 16n], ['local logits', 2n ** 16n], ['confidence', 1n], ['prediction', 1n], ['sharpened', 1n],
  ['tanh', 1n]]);
const TRUSTED = ['subject', 'network', 'framing', 'pixels_sha256', 'made_with', 'evidence.type', 'evidence.clip_high',
  'tolerance.delta'];
const SECTIONS = [
  ['.', ['claim', 'defence', 'evidence', 'framing', 'made_with', 'network', 'pixels_sha256', 'threat', 'tolerance', 'trusted',
    'windows', 'witnesses']],
  ['defence', ['name', 'threshold', 'window_size', 'wrapping']],
  ['evidence', ['clip_high', 'sha256', 'shape', 'step', 'type', 'values']],
  ['network', ['classes', 'device', 'image_size', 'name', 'receptive_field']],
  ['network.receptive_field', ['offset', 'size', 'stride', 'wrapping']],
  ['threat', ['on_network', 'patch_size', 'space']],
];

// What became of a file, and of a photo if there is one, both as bytes: {outcome: 'proved', 'refused' or 'unreadable',
// field, reason, claim, trusted, map}. The map is of every file that says what follows from its evidence, proved or not.
export async function check(bytes, photo = null) {
  let proof = null, map = null;
  try {
    if ([bytes, photo].some((data) => data?.length > MAX_BYTES)) unreadable(`a file of at most ${MAX_BYTES >> 20} MB`);
    proof = new Proof(bytes);
    const certified = await proof.check();
    map = proof.map(certified);
    if (photo) agree('subject[0].digest.sha256', await sha256(photo), proof.photo);
    if (proof.verdict !== 'certified') {
      const first = certified.indexOf(false), { across } = proof.windows;
      const where = proof.verdict === 'misclassified' ? 'without a patch'
        : `at window (${Math.floor(first / across)}, ${first % across})`;
      refuse('claim.verdict', `${proof.verdict} ${where}: nothing is proved`);
    }
    return { outcome: 'proved', claim: proof.words, trusted: proof.trusted, subject: proof.subject, map };
  } catch (error) {
    if (error instanceof Refused) return { outcome: 'refused', field: error.field, reason: error.message, map };
    if (error instanceof Unreadable) return { outcome: 'unreadable', reason: error.message, map };
    throw error;
  }
}

// What is said of numbers. -----------------------------------------------------------------------------------------------

const least = (a, b) => (a.exceeds(b) ? b : a);

function shown(value) {
  if (value instanceof Map) return `{${[...value.keys()].slice(0, 20).join(', ')}}`.slice(0, 300);
  if (Array.isArray(value)) return `[${value.slice(0, 20).map(shown).join(', ')}${value.length > 20 ? ', …' : ''}]`.slice(0, 300);
  return value instanceof Float ? value.text : String(value).slice(0, 300);
}

// Refuse what is not as expected, by the first field.
function agree(field, expected, got) {
  const maps = expected instanceof Map && got instanceof Map && expected.size === got.size;
  if (maps && [...expected.keys()].every((name) => got.has(name))) {
    for (const [name, one] of expected) agree(`${field}.${name}`, one, got.get(name));
  } else if (Array.isArray(expected) && Array.isArray(got) && expected.length === got.length) {
    expected.forEach((one, at) => agree(`${field}[${at}]`, one, got[at]));
  } else if (expected !== got) {
    refuse(field, `expected ${shown(expected)}, got ${shown(got)}`);
  }
}

// A list of so many whole numbers.
function whole(field, values, count, low, high) {
  const good = Array.isArray(values) && values.length === count
    && values.every((value) => typeof value === 'bigint' && value >= low && value <= high);
  return good ? values : refuse(field, `expected ${count} whole numbers of [${low}, ${high}], got ${shown(values)}`);
}


// A file. Fields are named from the predicate, with dots between the names; numbers of evidence are in steps.
class Proof {
  constructor(bytes) { this.statement = read(bytes); }

  field(field) {
    let content = this.statement;
    for (const name of field === '.' ? ['predicate'] : ['predicate', ...field.split('.')]) {
      if (!(content instanceof Map) || !content.has(name)) refuse(field, 'is missing');
      content = content.get(name);
    }
    return content;
  }

  word(field, words) {
    const value = this.field(field);
    return words.includes(value) ? value : refuse(field, `expected ${words.join('|')}, got ${shown(value)}`);
  }

  pair(field, low = 1n) { return whole(field, this.field(field), 2, low, 2n ** 20n).map(Number); }

  // A number of at least 0, a whole one or a ratio.
  exact(field) {
    const value = this.field(field), parts = /^([0-9]{1,350})(?:\/([1-9][0-9]{0,350}))?$/.exec(String(value));
    if (!['bigint', 'string'].includes(typeof value) || !parts) {
      refuse(field, `expected a whole number or a ratio of at least 0, got ${shown(value)}`);
    }
    const ratio = new Ratio(BigInt(parts[1]), BigInt(parts[2] ?? 1));
    agree(field, ratio.written(), value);
    return ratio;
  }

  // The windows, which hold all that the patch can corrupt (theory 2, Equation 1).
  geometry() {
    const patch = this.pair('threat.on_network'), size = this.pair('defence.window_size'), at = 'network.receptive_field';
    const [sees, stride] = [this.pair(`${at}.size`), this.pair(`${at}.stride`)], offset = this.pair(`${at}.offset`, 0n);
    if (this.word('threat.space', ['network', 'photo']) === 'network') {
      agree('threat.on_network', this.pair('threat.patch_size'), patch);
    }
    const ring = this.field(`${at}.wrapping`) === true, image = this.pair('network.image_size');
    agree('defence.wrapping', ring, this.field('defence.wrapping'));
    const cells = image.map((n, axis) => Math.floor((n + 2 * offset[axis] - sees[axis]) / stride[axis]) + 1);
    const map = ring ? [1, image[1]] : cells;
    map.forEach((n, axis) => {
      const needed = Math.min(n, Math.ceil((patch[axis] + sees[axis] - 1) / (ring ? 1 : stride[axis])));
      const k = size[axis];
      if (needed < 1 || k < needed || k > n) {
        refuse('defence.window_size', `expected ${needed} to ${n} cells for this patch, got ${k}`);
      }
    });
    this.windows = new Windows(...map, ...size, ring);
    // The first band that a patch meets, by its first column.
    this.bands = Array.from({ length: Math.max(0, image[1] - patch[1] + 1) }, (_, left) => left - sees[1] + 1);
  }

  // The evidence on its grid, and how far errors move the sum of a class (theory 5, Numerics).
  async evidence(types) {
    this.type = this.word('evidence.type', types);
    this.step = this.exact('evidence.step');
    const delta = this.exact('tolerance.delta'), { rows, columns } = this.windows, cells = new Ratio(BigInt(rows * columns));
    let limit = new Ratio(LARGEST.get(this.type));
    if (this.field('evidence.clip_high') !== null) limit = least(limit, this.exact('evidence.clip_high'));
    this.classes = this.field('network.classes');
    if (!Array.isArray(this.classes) || this.classes.length < 2 || this.classes.some((name) => typeof name !== 'string')) {
      refuse('network.classes', 'expected the names of two classes or more');
    }
    const shape = [this.classes.length, rows, columns];
    agree('evidence.shape', shape.map(BigInt), this.field('evidence.shape'));
    const { over, under } = this.step, steps = over ? cells.times(limit).by(this.step) : ZERO;
    if (over & (over - 1n) || under & (under - 1n) || !steps.exceeds(new Ratio(2n ** 50n)) || steps.exceeds(new Ratio(2n ** 53n))) {
      refuse('evidence.step', 'expected the power of two with which all cells hold about 2^52 steps');
    }
    this.most = limit.by(this.step).rounded();
    this.least = ['local logits', 'tanh'].includes(this.type) ? -this.most : 0n;
    this.unit = this.step.by(cells);
    const size = 8 * shape.reduce((product, side) => product * side), text = this.field('evidence.values');
    if (typeof text !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) refuse('evidence.values', 'expected base64');
    const data = await unpacked(text, Math.min(size, 8 * MAX_CELLS));
    if (data?.length !== size) {
      refuse('evidence.values', `expected base64 of zlib of ${size} bytes, at most ${8 * MAX_CELLS}, and nothing else`);
    }
    agree('evidence.sha256', await sha256(data), this.field('evidence.sha256'));
    const view = new DataView(data.buffer);
    const flat = Array.from({ length: size / 8 }, (_, at) => view.getBigInt64(8 * at, true));
    this.legal('evidence.values', flat, flat.length);
    this.maps = this.classes.map((_, c) => Array.from({ length: rows }, (__, row) =>
      flat.slice((c * rows + row) * columns, (c * rows + row + 1) * columns)));
    const each = this.type === 'tanh' ? delta.by(new Ratio(20n)) : delta;
    let moved = cells.times(least(each, limit).plus(this.step));
    if (this.type === 'prediction') moved = this.exact('tolerance.moved');  // how many votes are close is not in the evidence
    this.moved = delta.over ? moved : ZERO;
  }

  legal(field, values, count) {
    whole(field, values, count, this.least, this.most);
    if (this.type === 'prediction' && values.some((value) => value !== 0n && value !== this.most)) {
      refuse(field, `expected votes, of 0 or ${this.most} steps`);
    }
    return values;
  }

  // The evidence with a witness in its window: legal contents (theory 6), the least for other classes.
  attacked(field, witness) {
    const given = witness instanceof Map ? witness : new Map(), { windows } = this;
    agree(field, ['for_label', 'for_rival', 'rival', 'window'], [...given.keys()]);
    const [at] = whole(field, [given.get('window')], 1, 0n, BigInt(windows.count - 1)).map(Number);
    const [rival] = whole(field, [given.get('rival')], 1, 0n, BigInt(this.maps.length - 1)).map(Number);
    windows.spend(this.maps.length * windows.rows * windows.columns);
    const changed = this.maps.map((rows) => windows.filled(rows, at, this.least));
    const [own, others] = ['for_label', 'for_rival'].map((name) => this.legal(field, given.get(name), windows.cells));
    changed[rival] = windows.filled(this.maps[rival], at, others);
    changed[this.label] = windows.filled(this.maps[this.label], at, own);
    if (['confidence', 'sharpened'].includes(this.type) && own.some((value, cell) => value && others[cell])) {
      refuse(field, 'expected at most one class in each cell: all share one confidence');
    }
    return changed;
  }

  requireRing() { agree('defence.wrapping', true, this.field('defence.wrapping')); }

  // The class other than the label with most, the lowest on ties.
  strongest(values) {
    return values.reduce((best, value, c) => (c !== this.label && (best < 0 || value > values[best]) ? c : best), -1);
  }

  // Refuse a file that says anything else than what follows from its evidence; which windows are certified.
  async check() {
    const { statement } = this;
    const names = (section) => (section instanceof Map ? [...section.keys()] : section);
    agree('', ['_type', 'predicate', 'predicateType', 'subject'], names(statement));
    for (const [field, expected] of SECTIONS) agree(field, expected, names(this.field(field)));
    agree('_type, predicateType', [STATEMENT, PREDICATE], [statement.get('_type'), statement.get('predicateType')]);
    [this.subject, this.photo] = photoOf(statement.get('subject'));
    this.geometry();
    const name = this.word('defence.name', [...DEFENCES.keys()]), defence = DEFENCES.get(name);
    await this.evidence(defence.types);
    this.part = this.exact('defence.threshold');
    this.error = this.moved.by(this.step);
    if (!ONE.exceeds(this.part) || (this.part.over && !defence.threshold)) {
      refuse('defence.threshold', 'expected 0 <= T < 1, and 0 where there is no T');
    }
    [this.label] = whole('claim.label', [this.field('claim.label')], 1, 0n, BigInt(this.maps.length - 1)).map(Number);
    this.found = defence.bounds(this);
    const counted = this.found.map((one) => one.certified);
    const sure = counted.every(Boolean) ? 'certified' : 'undecided';
    this.verdict = this.found.every((one) => one.lower.exceeds(one.upper)) ? sure : 'not certified';
    if (defence.predict(this, this.maps) !== this.label) this.verdict = 'misclassified';
    const witnesses = this.field('witnesses');
    (Array.isArray(witnesses) ? witnesses : [null]).forEach((witness, at) => {
      const attacked = this.attacked(`witnesses[${at}]`, witness);
      if (!defence.witnesses || defence.predict(this, attacked) === this.label) {
        refuse(`witnesses[${at}]`, 'expected contents that change the prediction');
      }
    });
    this.trusted = [...TRUSTED];
    if (this.field('threat.space') === 'photo') this.trusted.push('threat.on_network');
    if (this.type === 'prediction' && this.moved.over) this.trusted.push('tolerance.moved');
    this.words = this.verdict === 'certified' ? this.sentence(name, defence.alerts) : `Nothing is claimed: ${this.verdict}.`;
    const kind = `keeps the label${defence.alerts ? ' or raises an alert' : ''}`;
    const claim = { label: BigInt(this.label), kind, verdict: this.verdict, words: this.words };
    agree('claim', new Map(Object.entries(claim)), this.field('claim'));
    const tolerance = { delta: this.field('tolerance.delta'), moved: this.moved.written() };
    agree('tolerance', new Map(Object.entries(tolerance)), this.field('tolerance'));
    const windows = {
      lower: this.found.map((one) => one.lower.written()),
      upper: this.found.map((one) => one.upper.written()),
      rival: this.found.map((one) => BigInt(one.rival)),
      other: this.found.map((one) => BigInt(one.other)),
    };
    agree('windows', new Map(Object.entries(windows)), this.field('windows'));
    agree('trusted', this.trusted, this.field('trusted'));
    return counted;
  }

  sentence(name, alerts) {
    const image = this.field('threat.space') === 'photo' ? 'original photo' : 'image that the network sees';
    return `No ${this.pair('threat.patch_size').join('x')}-pixel patch anywhere on the ${image} can change '`
      + `${this.classes[this.label]}' under ${name}${alerts ? ' without an alert' : ''}.`;
  }

  // What there is to draw: of each window whether it is certified, its margin in units of the evidence, the rival and the
  // other window; of each cell the evidence of the label, as a share of the most; and how many additions it took.
  map(certified) {
    const { rows, columns, height, width, across, work } = this.windows, { classes, label, verdict } = this;
    // Of smoothing they are places of the patch, each with its window.
    const at = this.found.map((one, n) => one.window ?? n), places = this.found[0].window !== undefined;
    const states = this.found.map((one, at) => {
      if (verdict === 'misclassified' || !one.lower.exceeds(one.upper)) return 'not certified';
      return certified[at] ? 'certified' : 'undecided';
    });
    return {
      rows, columns, height, width, verdict, states, at, work, label: classes[label], windowsAcross: across,
      across: places ? at.length : across, down: places ? 1 : rows - height + 1, places,
      margins: this.found.map((one) => one.margin.number()),
      tolerances: this.found.map((one) => one.tolerance.number()),
      rivals: this.found.map((one) => classes[one.rival]),
      others: this.found.map((one) => one.other),
      evidence: this.maps[label].flat().map((value) => Number(value) / Number(this.most)),
    };
  }
}

// The photo's name and SHA-256.
function photoOf(subject) {
  const good = Array.isArray(subject) && subject.length === 2 && subject.every((one) => {
    const digest = one instanceof Map && one.size === 2 && typeof one.get('name') === 'string' && one.get('digest');
    return digest instanceof Map && digest.size === 1 && /^[0-9a-f]{64}$/.test(digest.get('sha256'));
  });
  return good ? [subject[0].get('name'), subject[0].get('digest').get('sha256')] : refuse('subject', 'expected two, each with a SHA-256');
}
