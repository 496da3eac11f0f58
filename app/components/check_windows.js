// The windows of a certificate file, drawn from what checker.js found: the margin of each, and the feature map with the
// evidence of the label, on which the window that is looked at lies. By pointer, or by the arrow keys.

import { ARROWS } from './draggable.js';

const WIDTH = 420, BAND = 40;                       // pixels of a map, and the height of one with a single row
const MARKED = 7;                                   // the least pixels of a window that has room for a sign
const SIGNS = { certified: '✔', 'not certified': '✘', undecided: '?' };

const hexOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// A colour of a scale of stops [share, #rrggbb], at a share of it.
export function colourAt(scale, share) {
  const at = Math.max(1, scale.findIndex(([stop]) => stop >= share));
  const [[low, below], [high, above]] = [scale[at - 1], scale[at]], part = (share - low) / (high - low || 1);
  const [a, b] = [below, above].map(hexOf);
  return `rgb(${a.map((value, n) => Math.round(value + (b[n] - value) * part)).join(' ')})`;
}

export function createWindows(root) {
  root.hidden = true;
  root.innerHTML = '<h3>The windows</h3><p class="pg-counts"></p><div class="pg-two-maps">'
    + '<figure><canvas tabindex="0" role="application"></canvas><p class="pg-window-words"></p><figcaption></figcaption></figure>'
    + '<figure><canvas role="img"></canvas><figcaption></figcaption></figure></div>'
    + '<div class="pg-live" role="status" aria-live="polite"></div>';
  const [all, cells] = root.querySelectorAll('canvas'), [legend, about] = root.querySelectorAll('figcaption');
  const [counts, words, live] = ['.pg-counts', '.pg-window-words', '.pg-live'].map((name) => root.querySelector(name));
  const layers = new Map();
  let map = null, colours = null, picked = 0, pointed = null;

  const numbered = (value) => `${value > 0 ? '+' : ''}${Number(value.toPrecision(4))}`;
  const placeOf = (at) => [Math.floor(at / map.across), at % map.across];

  function told(at) {
    const [row, column] = placeOf(at);
    const where = map.places ? `Place of the patch from column ${column} on` : `Window at row ${row}, column ${column}`;
    return `${where}: ${SIGNS[map.states[at]]} ${map.states[at]}, margin ${numbered(map.margins[at])} `
      + `against '${map.rivals[at]}'; what counts is above the tolerance, ${Number(map.tolerances[at].toPrecision(2))}.`;
  }

  // What is painted, once for each width of the page; and a context of the canvas on which it lies, in pixels of the page.
  function painted(canvas, rows, columns, paint) {
    const width = Math.min(WIDTH, root.clientWidth || WIDTH), cell = [rows === 1 ? BAND : width / columns, width / columns];
    const sharp = window.devicePixelRatio || 1, size = [rows * cell[0], width];
    const inPixels = (one) => {
      Object.assign(one, { height: Math.ceil(size[0] * sharp), width: Math.ceil(size[1] * sharp) });
      const context = one.getContext('2d');
      context.scale(sharp, sharp);
      return context;
    };
    const context = inPixels(canvas), known = layers.get(canvas);
    Object.assign(canvas.style, { height: `${size[0]}px`, width: `${size[1]}px` });
    if (known?.sharp !== sharp || known.width !== width) {
      const layer = document.createElement('canvas');
      paint(inPixels(layer), cell);
      layers.set(canvas, { layer, sharp, width });
    }
    context.drawImage(layers.get(canvas).layer, 0, 0, size[1], size[0]);
    return [context, cell];
  }

  function sign(context, state, middle, half) {
    context.beginPath();
    const [y, x] = middle;
    if (state === 'undecided') {
      context.arc(x, y, half, 0, 2 * Math.PI);
    } else {
      for (const side of [-half, half]) {
        context.moveTo(x - half, y - side);
        context.lineTo(x + half, y + side);
      }
    }
    context.stroke();
  }

  function outline(context, [top, left, height, width], [down, across], { color, width: line }, dashes) {
    for (const shift of [0, -map.columns]) {        // around the right edge of a ring too
      for (const [stroke, thick, dash] of [['#ffffff', line + 2, []], [color, line, dashes]]) {
        Object.assign(context, { strokeStyle: stroke, lineWidth: thick });
        context.setLineDash(dash);
        context.strokeRect((left + shift) * across, top * down, width * across, height * down);
      }
    }
  }

  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);

  function paintMargins(context, cell) {
    const most = largest(map.margins);
    Object.assign(context, { strokeStyle: '#111111', lineWidth: 1.5 });
    map.states.forEach((state, n) => {
      const [row, column] = placeOf(n), middle = [(row + 0.5) * cell[0], (column + 0.5) * cell[1]];
      context.fillStyle = colourAt(colours.diverging, (map.margins[n] / most + 1) / 2);
      context.fillRect(column * cell[1], row * cell[0], cell[1] + 0.5, cell[0] + 0.5);
      if (state !== 'certified' && cell[1] >= MARKED) sign(context, state, middle, Math.min(...cell) / 4);
    });
  }

  function paintEvidence(context, cell) {
    const most = largest(map.evidence);
    map.evidence.forEach((value, n) => {
      const [row, column] = [Math.floor(n / map.columns), n % map.columns];
      context.fillStyle = colourAt(colours.sequential, Math.max(0, value / most));
      context.fillRect(column * cell[1], row * cell[0], cell[1] + 0.5, cell[0] + 0.5);
    });
  }

  function draw() {
    if (!map || !colours) return;
    const at = pointed ?? picked;
    const [context, cell] = painted(all, map.down, map.across, paintMargins);
    const [row, column] = placeOf(at);
    for (const [colour, line] of [['#ffffff', 4], ['#111111', 2]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: line });
      context.strokeRect(column * cell[1] + 1, row * cell[0] + 1, Math.max(1, cell[1] - 2), Math.max(1, cell[0] - 2));
    }
    const [below, each] = painted(cells, map.rows, map.columns, paintEvidence);
    const windowAt = (n) => [Math.floor(n / map.windowsAcross), n % map.windowsAcross, map.height, map.width];
    if (map.others[at] >= 0) outline(below, windowAt(map.others[at]), each, colours.other, [9, 4, 2, 4]);
    outline(below, windowAt(map.at[at]), each, colours.malicious, [3, 3]);
    words.textContent = told(at);
  }

  const under = (event) => {
    const { left, top, width, height } = all.getBoundingClientRect();
    const [row, column] = [[event.clientY - top, height, map.down], [event.clientX - left, width, map.across]]
      .map(([place, side, count]) => Math.max(0, Math.min(count - 1, Math.floor(place * count / side))));
    return row * map.across + column;
  };
  const pointTo = (at) => {
    if (pointed === at) return;
    pointed = at;
    draw();
  };
  all.addEventListener('pointermove', (event) => pointTo(under(event)));
  all.addEventListener('pointerleave', () => pointTo(null));
  all.addEventListener('click', (event) => { picked = under(event); draw(); });
  all.addEventListener('keydown', (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = placeOf(picked).map((place, axis) =>
      Math.max(0, Math.min([map.down, map.across][axis] - 1, place + step[axis])));
    picked = row * map.across + column;
    pointed = null;
    draw();
    live.textContent = told(picked);
  });
  const resized = new ResizeObserver(draw);
  resized.observe(root);

  return {
    style(fresh) {
      colours = fresh;
      layers.clear();
      draw();
    },
    // Draw what was found of a file, beginning with the worst window; nothing where there is none.
    show(fresh) {
      map = fresh ?? null;
      layers.clear();
      root.hidden = !map;
      live.textContent = '';
      if (!map) return;
      const number = (state) => map.states.filter((own) => own === state).length;
      const what = map.places ? `${map.across} places of the patch, each in a window` : `${map.down}x${map.across} windows`;
      counts.textContent = `${what} of ${map.height}x${map.width} features, on a map of `
        + `${map.rows}x${map.columns}: ${number('certified')} proved, ${number('not certified')} not certified, `
        + `${number('undecided')} undecided.`;
      all.setAttribute('aria-label', 'Margins of all windows. Arrow keys choose a window.');
      cells.setAttribute('aria-label', `Evidence for ${map.label} in each cell of the feature map, with the window`);
      legend.textContent = `Each cell: a ${map.places ? 'place of the patch' : 'malicious window'}, by its top left. Blue: positive margin. Red: negative. ✕: not certified. `
        + '○: undecided. Point at one, or focus the map with Tab and use the arrow keys.';
      about.textContent = `The feature map: evidence for '${map.label}'. Dotted orange: the malicious window w. `
        + (map.others[0] < 0 ? '' : "Dash-dotted green: the other window w' that takes most.");
      picked = map.margins.reduce((worst, margin, at) => (margin < map.margins[worst] ? at : worst), 0);
      pointed = null;
      draw();
    },
    destroy: () => resized.disconnect(),
  };
}
