// The windows of a map, and what the defences of certificate files predict and guarantee on them (theory.md, 3 to 9): in
// whole numbers and ratios, all exact. Not here: the fields of a file, see checker.js.

import { Ratio, refuse } from './proof_file.js';

const MAX_WORK = 10 ** 8;
export const ZERO = new Ratio(0n), ONE = new Ratio(1n);

const larger = (a, b) => (a > b ? a : b);
const sum = (values) => values.reduce((total, value) => total + value, 0n);
const total = (rows) => sum(rows.map(sum));
const firstLargest = (values) => values.reduce((best, value, at) => (value > values[best] ? at : best), 0);

// All windows of a map, row by row; around the right edge on a ring.
export class Windows {
  constructor(rows, columns, height, width, ring) {
    Object.assign(this, { rows, columns, height, width, cells: height * width, work: 0 });
    this.across = ring && width < columns ? columns : columns - width + 1;
    this.count = (rows - height + 1) * this.across;
  }

  spend(additions) {
    this.work += additions + 100;
    if (this.work > MAX_WORK) refuse('evidence', 'expected a certificate that can be checked in a minute');
  }

  // What each window holds, by running sums down its columns and along its rows.
  sums(rows) {
    this.spend(this.rows * this.columns + this.count);
    const held = [], reach = this.across + this.width - 1;
    const band = new Array(this.columns).fill(0n);
    rows.forEach((row, bottom) => {
      const above = rows[bottom - this.height];
      for (let c = 0; c < this.columns; c += 1) band[c] += above ? row[c] - above[c] : row[c];
      if (bottom < this.height - 1) return;
      let inside = 0n;
      for (let c = 0; c < reach; c += 1) {
        inside += band[c % this.columns];
        if (c >= this.width) inside -= band[c - this.width];
        if (c >= this.width - 1) held.push(inside);
      }
    });
    return held;
  }

  // The map with these numbers in a window, row by row, or with one number.
  filled(rows, window, content) {
    const changed = [...rows], top = Math.floor(window / this.across), left = window % this.across;
    for (let row = 0; row < this.height; row += 1) {
      const own = changed[top + row] = [...rows[top + row]];
      for (let column = 0; column < this.width; column += 1) {
        own[(left + column) % this.columns] = Array.isArray(content) ? content[row * this.width + column] : content;
      }
    }
    return changed;
  }

  // By window, what each class has outside it.
  outside(maps) {
    const left = maps.map((rows) => {
      const all = total(rows);
      return this.sums(rows).map((held) => all - held);
    });
    return Array.from({ length: this.count }, (_, window) => left.map((each) => each[window]));
  }
}

// The defences: what each predicts, and of every window both bounds, the rival, the other window that is lost (-1: none),
// what errors may take besides, and what a margin has to exceed. --------------------------------------------------------

const robustMasking = {
  threshold: true,
  // Each class loses its largest window, if that holds more than T of it all (theory 3).
  predict({ windows, part }, maps) {
    return firstLargest(maps.map((rows) => {
      const all = total(rows), most = windows.sums(rows).reduce(larger);
      return most * part.under > part.over * all ? all - most : all;
    }));
  },
  // The sound bounds and their tolerance (theory 5).
  bounds(proof) {
    const { windows, part, maps, label } = proof, left = windows.outside(maps), keep = ONE.minus(part);
    const rivals = left.map((each) => proof.strongest(each));
    const uppers = left.map((each, at) => new Ratio(each[rivals[at]]).by(keep));
    const rounding = uppers.reduce((a, b) => (b.exceeds(a) ? b : a)).by(keep).by(new Ratio(2n ** 50n));
    const error = proof.error.times(ONE.plus(ONE.by(keep))), tolerance = part.over ? error.plus(rounding) : error;
    const nothing = Array.from({ length: windows.rows }, () => new Array(windows.columns).fill(0n));
    return left.map((each, at) => {
      const rest = windows.sums(windows.filled(maps[label], at, 0n)), t = each[label], m = rest.reduce(larger);
      const overlap = windows.sums(windows.filled(nothing, at, 1n));
      const overlapping = rest.filter((_, other) => overlap[other]).reduce(larger), passes = part.times(new Ratio(t));
      const lower = new Ratio(t - (new Ratio(m).exceeds(passes) ? m : overlapping));
      // An error can let the largest window pass T.
      const doubt = new Ratio(m).plus(error).exceeds(passes) ? lower.minus(new Ratio(t - m)) : ZERO;
      return { lower, upper: uppers[at], rival: rivals[at], other: firstLargest(rest), doubt, tolerance };
    });
  },
};

const doubleMasking = {
  // Two rounds (theory 9): the majority, or the first disagreer that no second window denies.
  predict({ windows }, maps) {
    const one = windows.outside(maps).map(firstLargest);
    const majority = firstLargest(maps.map((_, c) => one.filter((label) => label === c).length));
    const at = one.findIndex((label, window) => label !== majority
      && windows.outside(maps.map((rows) => windows.filled(rows, window, 0n))).every((left) => firstLargest(left) === label));
    return at < 0 ? majority : one[at];
  },
  // The lead over the rival outside each window, and what a second window takes of it.
  bounds({ windows, maps, label, error }) {
    const leads = maps.map((rows) => rows.map((row, r) => row.map((value, c) => maps[label][r][c] - value)));
    return windows.outside(maps).map((left, at) => {
      // A second window takes no more of a lead than of the label's evidence, for none is negative.
      const most = windows.sums(windows.filled(maps[label], at, 0n)).reduce(larger);
      const order = left.map((_, c) => c).filter((c) => c !== label)
        .sort((a, b) => (left[a] === left[b] ? a - b : Number(left[a] < left[b]) * 2 - 1));
      let worst = null;
      for (const rival of order) {
        const lower = left[label] - left[rival];
        if (worst && lower - most > worst.margin) break;
        const rest = windows.sums(windows.filled(leads[rival], at, 0n)), other = firstLargest(rest);
        const margin = lower - rest[other];
        if (!worst || margin < worst.margin || (margin === worst.margin && rival < worst.rival)) {
          worst = { margin, rival, other, lower };
        }
      }
      const { margin, rival, other, lower } = worst;
      const bounds = { lower: new Ratio(lower), upper: new Ratio(lower - margin) };
      return { ...bounds, rival, other, doubt: ZERO, tolerance: error.plus(error) };
    });
  },
};

const boundedEvidence = {
  negative: true,
  // Nothing is masked (theory 9).
  predict: (_, maps) => firstLargest(maps.map(total)),
  // The least for the label and the most for a rival in each cell of a window.
  bounds(proof) {
    const { windows, maps, label, error } = proof, cells = BigInt(windows.cells);
    return windows.outside(maps).map((left) => {
      const rival = proof.strongest(left);
      const bounds = [left[label] + cells * proof.least, left[rival] + cells * proof.most].map((value) => new Ratio(value));
      return { lower: bounds[0], upper: bounds[1], rival, other: -1, doubt: ZERO, tolerance: error.plus(error) };
    });
  },
};

export const DEFENCES = new Map([
  ['robust masking', robustMasking], ['double masking on features', doubleMasking], ['bounded evidence', boundedEvidence],
]);
