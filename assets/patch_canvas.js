// The linked panels of app/patch_canvas.py: draws the figure that Python sent, marks the cell or window under
// the pointer in every panel, and tells Python which window of the margin map was picked.
// Axes 1 to 3 are in pixels of the image, axis 4 in positions of windows; [0] is rows, [1] is columns.

const CELL = 'cell';
const WINDOW = 'window';
const PANELS = [1, 2, 3, 4];
const GAP = 22, TITLE = 30, BAR = 40, SIDE = 8;   // pixels between, above, below and beside the panels
const FOOT = 26;                                  // for the tool bar, below all of them

export default function (component) {
  const root = component.parentElement.querySelector('.pg-patch-canvas');
  const stage = (root.pgStage ??= createStage(root));
  stage.apply(component.data, component.setTriggerValue);
  // The cleanup also runs for calls that were merely overtaken; the panels go only with their node.
  return () => setTimeout(() => { if (!root.isConnected) stage.destroy(); }, 0);
}

function createStage(root) {
  root.innerHTML = '<div class="pg-note">Drawing the panels …</div><div class="pg-plot"></div>'
    + '<div class="pg-marks" aria-hidden="true"></div><div class="pg-live" role="status" aria-live="polite"></div>';
  root.tabIndex = 0;
  root.setAttribute('role', 'application');
  root.setAttribute('aria-label', 'Photo, local logits, evidence and margin map. Arrow keys choose the malicious window.');
  const [note, plot, marks, live] = root.children;
  const stage = { draws: 0, hovered: null, picked: null };
  let data = null, send = null, Plotly = null, drawn = '', timer = 0;

  const axes = (panel) => {
    const suffix = panel === 1 ? '' : panel;
    return [plot._fullLayout['yaxis' + suffix], plot._fullLayout['xaxis' + suffix]];
  };

  // ---- drawing ------------------------------------------------------------------------------------
  function arrange(figure) {
    const { layout } = figure;
    const across = root.clientWidth >= 860 ? 4 : root.clientWidth >= 480 ? 2 : 1;
    const down = PANELS.length / across;
    const width = Math.max(120, (root.clientWidth - 2 * SIDE - (across - 1) * GAP) / across);
    const height = width * Math.abs(layout.yaxis.range[0] / layout.xaxis.range[1]);
    const total = [down * (TITLE + height + BAR) + FOOT, root.clientWidth - 2 * SIDE];
    layout.height = total[0];
    layout.margin = { l: SIDE, r: SIDE, t: 0, b: 0 };
    layout.width = root.clientWidth;
    PANELS.forEach((panel, index) => {
      const left = (index % across) * (width + GAP) / total[1];
      const top = 1 - (Math.floor(index / across) * (TITLE + height + BAR) + TITLE) / total[0];
      const bottom = top - height / total[0], suffix = panel === 1 ? '' : panel;
      Object.assign(layout['xaxis' + suffix], { domain: [left, left + width / total[1]] });
      Object.assign(layout['yaxis' + suffix], { domain: [bottom, top] });
      Object.assign(layout.annotations[index], { x: left, y: top, xanchor: 'left', yanchor: 'bottom', font: { size: 14 } });
      for (const trace of figure.data) {
        if (trace.colorbar && (trace.xaxis ?? 'x') === 'x' + suffix) {
          Object.assign(trace.colorbar, { x: left + width / total[1] / 2, xanchor: 'center', y: bottom - 4 / total[0], len: width / total[1] });
        }
      }
    });
    return figure;
  }

  async function draw() {
    const wanted = [data.figure, root.clientWidth, themeOf(root)].join('|');
    if (wanted === drawn || !root.clientWidth) return;
    drawn = wanted;
    Plotly = await loadPlotly(data.plotly);
    if (wanted !== drawn) return;                       // a newer figure came while Plotly was loading
    const figure = arrange(JSON.parse(data.figure));
    await Plotly.react(plot, figure.data, themed(root, figure.layout), TOOLS);
    note.hidden = true;
    if (!stage.draws) listen();
    stage.draws += 1;
    mark(null);
  }

  // ---- marks under the pointer --------------------------------------------------------------------
  const middle = (cell, axis) => cell * data.stride[axis] - data.offset[axis] + data.field[axis] / 2;
  const cellSpan = (first, count, axis) =>
    [middle(first, axis) - data.stride[axis] / 2, middle(first + count - 1, axis) + data.stride[axis] / 2];
  const fieldSpan = (cell, axis) =>
    [cell * data.stride[axis] - data.offset[axis], cell * data.stride[axis] - data.offset[axis] + data.field[axis]];

  function box(panel, name, spans) {
    const element = document.createElement('div');
    element.className = `pg-mark ${name}`;
    element.dataset.panel = panel;
    const [[top, bottom], [left, right]] = axes(panel).map((axis, index) =>
      spans[index].map((value) => axis._offset + axis.l2p(value)));
    Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    marks.appendChild(element);
  }

  function mark(point) {
    stage.hovered = point;
    marks.replaceChildren();
    if (!point) return;
    const at = [point.row, point.column];
    if (point.kind === CELL) {
      for (const panel of [1, 2, 3]) box(panel, 'pg-cell', [0, 1].map((axis) => cellSpan(at[axis], 1, axis)));
      box(1, 'pg-field', [0, 1].map((axis) => fieldSpan(at[axis], axis)));
      // All windows that hold the cell.
      box(4, 'pg-windows', [0, 1].map((axis) => [
        Math.max(0, at[axis] - data.window[axis] + 1) - 0.5,
        Math.min(data.positions[axis] - 1, at[axis]) + 0.5,
      ]));
    } else {
      for (const panel of [1, 2, 3]) {
        box(panel, 'pg-windows', [0, 1].map((axis) => cellSpan(at[axis], data.window[axis], axis)));
      }
      box(4, 'pg-cell', [0, 1].map((axis) => [at[axis] - 0.5, at[axis] + 0.5]));
    }
  }

  function pointOf(event) {
    const point = event.points?.find((candidate) => candidate.data.meta);
    if (!point) return null;
    const [row, column] = point.pointNumber;
    return { kind: point.data.meta, row, column };
  }

  // ---- picking a window ---------------------------------------------------------------------------
  function pick(row, column, delay) {
    stage.picked = { row, column };
    mark({ kind: WINDOW, row, column });
    clearTimeout(timer);
    timer = setTimeout(() => send('window', stage.picked), delay);
  }

  function listen() {
    plot.on('plotly_hover', (event) => mark(pointOf(event)));
    plot.on('plotly_unhover', () => mark(null));
    plot.on('plotly_relayout', () => mark(null));
    plot.on('plotly_click', (event) => {
      const point = pointOf(event);
      if (point?.kind === WINDOW) pick(point.row, point.column, 0);
    });
  }

  root.addEventListener('keydown', (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || !Plotly) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = [stage.picked.row, stage.picked.column].map((position, axis) =>
      Math.max(0, Math.min(data.positions[axis] - 1, position + step[axis])));
    pick(row, column, 150);                             // a held key sends the last window only
  });
  const resized = new ResizeObserver(() => { if (data) draw(); });
  resized.observe(root);

  stage.apply = (fresh, setTriggerValue) => {
    data = fresh;
    send = setTriggerValue;
    stage.picked = fresh.picked;
    if (live.textContent !== fresh.spoken) live.textContent = fresh.spoken;
    draw().catch((error) => { note.hidden = false; note.textContent = `The panels cannot be drawn: ${error.message}`; });
  };
  stage.destroy = () => { resized.disconnect(); clearTimeout(timer); Plotly?.purge(plot); };
  return stage;
}
