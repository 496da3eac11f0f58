// The margin maps of maps.py: arranges them to the width of the page, marks the window under the pointer
// in every map of windows, and tells Python what was picked: the number of the map (0: by key, in positions of windows),
// row and column.

import { ARROWS } from './draggable.js';
import { loadPlotly, themed, themeOf, TOOLS } from './plotly_loader.js';

const GAP = 18, HEAD = 26, FOOT = 64, SIDE = 8;   // pixels between, above, below and beside the panels

export default function createMaps(root) {
  root.innerHTML = '<div class="pg-maps-plot"></div><div class="pg-marks" aria-hidden="true"></div>'
    + '<div class="pg-live" role="status" aria-live="polite"></div>';
  root.tabIndex = 0;
  root.setAttribute('role', 'application');
  const [plot, marks, live] = root.children;
  const maps = { draws: 0, picked: null };
  let data = null, send = null, Plotly = null, drawn = '', timer = 0;

  // The first pair of axes is the photo's; the others are in positions of windows.
  const axesOf = (layout) => layout.annotations.map((_, index) =>
    ['yaxis', 'xaxis'].map((axis) => layout[axis + (index === 0 ? '' : index + 1)]));

  function arrange(figure) {
    const { layout } = figure;
    const inner = root.clientWidth - 2 * SIDE;
    const count = layout.annotations.length;
    const down = Math.ceil(count / Math.max(1, Math.floor((inner + GAP) / (150 + GAP))));
    const across = Math.ceil(count / down);
    const width = Math.min(260, (inner - (across - 1) * GAP) / across);
    const height = width * Math.abs(layout.yaxis.range[0] / layout.xaxis.range[1]);
    const total = [down * (HEAD + height + GAP) + FOOT - GAP, root.clientWidth - 2 * SIDE];
    layout.height = total[0];
    layout.width = root.clientWidth;
    layout.margin = { l: SIDE, r: SIDE, t: 0, b: 0 };
    axesOf(layout).forEach(([yaxis, xaxis], index) => {
      const left = (index % across) * (width + GAP) / total[1];
      const top = 1 - (Math.floor(index / across) * (HEAD + height + GAP) + HEAD) / total[0];
      xaxis.domain = [left, left + width / total[1]];
      yaxis.domain = [top - height / total[0], top];
      Object.assign(layout.annotations[index], { x: left, y: top, xanchor: 'left', yanchor: 'bottom', font: { size: 13 } });
    });
    Object.assign(layout.coloraxis.colorbar, {
      x: 36 / total[1], xanchor: 'left', xpad: 0, y: 0, yanchor: 'bottom', ypad: 0, lenmode: 'pixels', len: Math.min(inner, 420),
    });
    return figure;
  }

  async function draw() {
    const wanted = [data.figure, root.clientWidth, themeOf(root)].join('|');
    if (wanted === drawn || !root.clientWidth) return;
    drawn = wanted;
    Plotly = await loadPlotly(data.plotly);
    if (wanted !== drawn) return;
    const figure = arrange(JSON.parse(data.figure));
    await Plotly.react(plot, figure.data, themed(root, figure.layout), TOOLS);
    if (!maps.draws) listen();
    maps.draws += 1;
    mark(null);
  }

  const heatMaps = () => plot.data.filter((trace) => trace.type === 'heatmap');

  function mark(point) {
    marks.replaceChildren();
    if (!point) return;
    const linked = point.kind === 'window' ? heatMaps().map((trace) => trace.meta === 'window') : [];
    axesOf(plot._fullLayout).slice(1).forEach((axes, index) => {
      if (!linked[index] && index + 1 !== point.map) return;
      const element = document.createElement('div');
      element.className = 'pg-mark pg-cell';
      const [[top, bottom], [left, right]] = axes.map((axis, side) =>
        [-0.5, 0.5].map((shift) => axis._offset + axis.l2p([point.row, point.column][side] + shift)));
      Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
      marks.appendChild(element);
    });
  }

  function pointOf(event) {
    const point = event.points?.find((candidate) => candidate.data.meta);
    if (!point) return null;
    const number = heatMaps().findIndex((trace) => trace.xaxis === point.data.xaxis) + 1;
    const [row, column] = point.customdata.slice(3);     // of a coarse map, the worst place in the cell
    return { kind: point.data.meta, map: number, row, column };
  }

  function pick(point, delay) {
    if (point.kind === 'window') maps.picked = point;
    mark(point);
    clearTimeout(timer);
    timer = setTimeout(() => send('window', { map: point.map, row: point.row, column: point.column }), delay);
  }

  function listen() {
    plot.on('plotly_hover', (event) => mark(pointOf(event)));
    plot.on('plotly_unhover', () => mark(null));
    plot.on('plotly_relayout', () => mark(null));
    plot.on('plotly_click', (event) => { const point = pointOf(event); if (point) pick(point, 0); });
  }

  root.addEventListener('keydown', (event) => {
    const step = ARROWS[event.key];
    if (!step || !Plotly) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = [maps.picked.row, maps.picked.column].map((position, axis) =>
      Math.max(0, Math.min(data.positions[axis] - 1, position + step[axis])));
    pick({ kind: 'window', map: 0, row, column }, 150);                         // a held key sends the last window only
  });
  const resized = new ResizeObserver(() => { if (data) draw(); });
  resized.observe(root);

  maps.apply = (fresh, { setTriggerValue }) => {
    data = fresh;
    send = setTriggerValue;
    maps.picked = fresh.picked;
    root.setAttribute('aria-label', 'Margin maps of all defences. Arrow keys choose the malicious window.');
    if (live.textContent !== fresh.spoken) live.textContent = fresh.spoken;
    draw().catch((error) => { live.textContent = ''; plot.textContent = `The maps cannot be drawn: ${error.message}`; });
  };
  maps.destroy = () => { resized.disconnect(); clearTimeout(timer); Plotly?.purge(plot); };
  return maps;
}
