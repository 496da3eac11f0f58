// What is marked under the pointer in all four panels: a cell with its receptive field and the windows that hold it, or
// a window with its cells.

import { cellSpans, wrapped } from './stage_geometry.js';
import { PANELS } from './stage_panels.js';

export const CELL = 'cell';
export const WINDOW = 'window';

// point: kind, row and column, or null for none; `certified` are the positions, `cells` the map that is shown.
export function marker(panels) {
  const layers = PANELS.map((panel) => panels[panel].add('pg-marks'));

  function box(panel, kind, spans) {
    const element = document.createElement('div');
    element.className = `pg-mark ${kind}`;
    element.dataset.panel = panel;
    layers[panel - 1].appendChild(element);
    panels[panel].place(element, spans);
  }

  function markCell(at, cells, certified) {
    for (const panel of [1, 2, 3]) box(panel, 'pg-cell', cellSpans([...at, 1, 1], cells));
    const start = at.map((cell, axis) => cell * cells.stride[axis] - cells.offset[axis]);
    for (const shift of cells.bands ? [0, cells.image[1]] : [0]) {
      box(1, 'pg-field', start.map((pixel, axis) => [pixel, pixel + cells.field[axis]].map((edge) => edge - axis * shift)));
    }
    if (certified.what !== WINDOW) return;              // a cell lies in no placement of pixels
    // All windows that hold the cell.
    const held = at.map((cell, axis) => [cell - cells.window[axis] + 1, cell].map((position) =>
      (cells.wrapping && axis ? position : Math.max(0, Math.min(cells.positions[axis] - 1, position)))));
    for (const shift of cells.wrapping ? [0, -cells.positions[1]] : [0]) {
      box(4, 'pg-windows', held.map(([first, last], axis) => [first - axis * shift - 0.5, last - axis * shift + 0.5]));
    }
  }

  function markWindow(at, certified) {
    const window = [...at, ...certified.window];
    for (const part of [window, wrapped(window, certified)].filter(Boolean)) {
      for (const panel of [1, 2, 3]) box(panel, 'pg-windows', cellSpans(part, certified));
    }
    box(4, 'pg-cell', at.map((position) => [position - 0.5, position + 0.5]));
  }

  return (point, cells, certified) => {
    for (const layer of layers) layer.replaceChildren();
    if (point?.kind === CELL) markCell([point.row, point.column], cells, certified);
    if (point?.kind === WINDOW) markWindow([point.row, point.column], certified);
  };
}

// The cell or window that an event of Plotly is about.
export function pointOf(event) {
  const point = event.points?.find((candidate) => candidate.data.meta);
  if (!point) return null;
  const [row, column] = point.pointNumber;
  return { kind: point.data.meta, row, column };
}
