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

// Exponentials and logarithms, which are no ratios: to some 70 digits, as whole numbers of 2^-256. -------------------------

const BITS = 256n, UNITY = 1n << BITS;

function exponential(x) {
  let sum = UNITY;                                                // of x / 2^16, squared so often
  for (let term = UNITY, n = 1n; term !== 0n && term !== -1n; n += 1n) {
    term = term * (x >> 16n) / n >> BITS;
    sum += term;
  }
  for (let n = 0; n < 16; n += 1) sum = sum * sum >> BITS;
  return sum;
}

// Of a number between a half and two, by Halley's method.
function nearLogarithm(m) {
  let y = BigInt(Math.round(Math.log(Number(m) / 2 ** 256) * 2 ** 52)) << (BITS - 52n);
  for (let n = 0; n < 3; n += 1) {
    const e = exponential(y);
    y += (2n * (m - e) << BITS) / (m + e);
  }
  return y;
}

const LOGARITHM_OF_2 = nearLogarithm(2n * UNITY);

// Exactly as far from 0 for 2^k as for its inverse.
function logarithm({ over, under }) {
  const power = over.toString(2).length - under.toString(2).length;
  const m = power < 0 ? (over << (BITS - BigInt(power))) / under : (over << BITS) / (under << BigInt(power));
  return new Ratio(BigInt(power) * LOGARITHM_OF_2 + nearLogarithm(m), UNITY);
}

// Of what the softmax of these sums gives to one of them; a sum is so many units of a logit.
function logConfidence(sums, own, unit) {
  const most = sums.reduce(larger);
  const parts = sums.map((held) => {
    const x = (held - most) * unit.over * UNITY / unit.under;
    return x < -200n * UNITY ? 0n : exponential(x);
  });
  return new Ratio(own - most).times(unit).minus(logarithm(new Ratio(sum(parts), UNITY)));
}

// The defences: the evidence that each takes, what it predicts, and of every window both bounds, the rival, the other
// window that is lost (-1: none), the margin and what it has to exceed, and whether it does. ------------------------------

const POSITIVE = ['logits', 'confidence', 'prediction', 'sharpened'];

// All in steps; errors may take `doubt` besides.
function position(proof, lower, upper, rival, other, tolerance, doubt = ZERO) {
  const margin = lower.minus(upper), certified = margin.minus(doubt).exceeds(tolerance);
  return { lower, upper, rival, other, certified, margin: margin.times(proof.step), tolerance: tolerance.times(proof.step) };
}

const robustMasking = {
  types: POSITIVE,
  threshold: true,
  witnesses: true,
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
      return position(proof, lower, uppers[at], rivals[at], firstLargest(rest), tolerance, doubt);
    });
  },
};

const doubleMasking = {
  types: POSITIVE,
  witnesses: true,
  // Two rounds (theory 9): the majority, or the first disagreer that no second window denies.
  predict({ windows }, maps) {
    const one = windows.outside(maps).map(firstLargest);
    const majority = firstLargest(maps.map((_, c) => one.filter((label) => label === c).length));
    const at = one.findIndex((label, window) => label !== majority
      && windows.outside(maps.map((rows) => windows.filled(rows, window, 0n))).every((left) => firstLargest(left) === label));
    return at < 0 ? majority : one[at];
  },
  // The lead over the rival outside each window, and what a second window takes of it.
  bounds(proof) {
    const { windows, maps, label, error } = proof;
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
      return position(proof, new Ratio(lower), new Ratio(lower - margin), rival, other, error.plus(error));
    });
  },
};

// Nothing is masked.
const mean = (_, maps) => firstLargest(maps.map(total));

// The least for the label and the most for a rival in each cell of a window.
function meanBounds(proof, left) {
  const { least, most, label, error } = proof, cells = BigInt(proof.windows.cells);
  return left.map((each) => {
    const rival = proof.strongest(each), lower = new Ratio(each[label] + cells * least);
    return position(proof, lower, new Ratio(each[rival] + cells * most), rival, -1, error.plus(error));
  });
}

const boundedEvidence = {
  types: [...POSITIVE, 'tanh'],
  witnesses: true,
  predict: mean,
  bounds: (proof) => meanBounds(proof, proof.windows.outside(proof.maps)),
};

const smoothing = {
  types: ['prediction'],
  predict: mean,
  // By places of the patch, which meets a window of bands; higher classes lose a tie by a vote.
  bounds(proof) {
    const { windows, maps, most, label, bands } = proof;
    proof.requireRing();
    const left = windows.outside(maps).map((each) => each.map((held, c) => (c > label ? held - most : held)));
    const at = bands.map((band) => ((band % left.length) + left.length) % left.length);
    if (!at.length) return meanBounds(proof, windows.outside(maps));
    return meanBounds(proof, at.map((window) => left[window])).map((one, n) => ({ ...one, window: at[n] }));
  },
};

const maskedDetection = {
  types: ['local logits'],
  threshold: true,
  alerts: true,
  predict: mean,
  // What is left without a window, if the label has more than the threshold of confidence; else the label's is the upper.
  bounds(proof) {
    const { windows, maps, label, part, unit, error } = proof;
    const least = part.over ? logarithm(part) : new Ratio(-(2n ** 20n)), ceiling = new Ratio(2n ** 16n);
    const above = (a, b) => (a.exceeds(b) ? a : b), below = (a, b) => (a.exceeds(b) ? b : a);
    return windows.outside(maps).map((left) => {
      windows.spend(200 * left.length);
      const rival = proof.strongest(left), own = left[label], sure = logConfidence(left, own, unit);
      const most = above(sure.plus(new Ratio(left[rival] - own).times(unit)), least);
      const size = below(above(ZERO.minus(sure), ZERO.minus(most)), ceiling), margin = sure.minus(most);
      const rounding = size.times(new Ratio(BigInt(left.length), 2n ** 50n));        // what float64 loses of logarithms
      const tolerance = error.plus(error).times(unit).plus(rounding);
      const upper = margin.over > 0n ? left[rival] : larger(left[rival], own), bounds = { lower: new Ratio(own), upper: new Ratio(upper) };
      return { ...bounds, rival, other: -1, margin, tolerance, certified: margin.exceeds(tolerance) };
    });
  },
};

export const DEFENCES = new Map([
  ['robust masking', robustMasking], ['double masking on features', doubleMasking], ['bounded evidence', boundedEvidence],
  ['de-randomized smoothing', smoothing], ['masked detection', maskedDetection],
]);
