// pg_core/geometry in the browser, in the same integers: what a patch at a place touches, and what is proved there.
// A box is [top, left, height, width]; `stage` holds, as [rows, columns], the sizes of the image and of the map, the
// receptive field with its stride and offset, the size of a window and the number of its positions; and whether the
// fields are bands of columns, which wrap around the right edge.

export function footprintOf([top, left, height, width], stage) {
  const spans = [[top, height], [left, width]].map(([start, length], axis) => {
    if (stage.bands && axis === 1) {
      const columns = stage.map[1], met = Math.min(length + stage.field[1] - 1, columns);
      return [met < columns ? (start - stage.field[1] + 1 + columns) % columns : 0, met];
    }
    const from = start + stage.offset[axis];
    const first = Math.max(Math.ceil((from - stage.field[axis] + 1) / stage.stride[axis]), 0);
    const last = Math.min(Math.floor((from + length - 1) / stage.stride[axis]), stage.map[axis] - 1);
    return [first, last - first + 1];
  });
  return spans.every(([, count]) => count > 0) ? [spans[0][0], spans[1][0], spans[0][1], spans[1][1]] : null;
}

// The first window that contains a footprint, by its position; null for a footprint larger than a window.
export function windowContaining(footprint, stage) {
  const [top, left, height, width] = footprint;
  if (height > stage.window[0] || width > stage.window[1]) return null;
  const whole = stage.window[1] === stage.map[1];       // where a footprint may go on around the edge
  return { row: Math.max(0, top + height - stage.window[0]), column: whole ? 0 : Math.max(0, left + width - stage.window[1]) };
}

export const sameBox = (one, other) => Boolean(one && other) && one.every((value, index) => value === other[index]);

// Numbers that Python sent as the bytes of float64, little endian.
export function float64(base64) {
  return new Float64Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

// Along an axis, pixels from edge to edge of a run of cells; a cell is as wide as the stride, and lies in the middle of
// its field; a band where it begins.
function cellSpan(first, count, axis, stage) {
  const inset = stage.bands && axis === 1 ? 0 : (stage.field[axis] - stage.stride[axis]) / 2;
  const start = first * stage.stride[axis] - stage.offset[axis] + inset;
  return [start, start + count * stage.stride[axis]];
}

export const cellSpans = ([top, left, height, width], stage) =>
  [cellSpan(top, height, 0, stage), cellSpan(left, width, 1, stage)];

// A window that wraps around the map, once more a map's width further left; null for one that does not wrap.
export const wrapped = ([top, left, height, width], stage) =>
  (left + width > stage.map[1] ? [top, left - stage.map[1], height, width] : null);
