// Where the four panels of the stage lie, and what the browser draws over them itself: outlines, and maps of cells.
// Panels 1 to 3 have axes in pixels of the image, panel 4 in positions of windows.

export const PANELS = [1, 2, 3, 4];
const GAP = 22, TITLE = 30, BAR = 40, SIDE = 8;     // pixels between, above, below and beside the panels
const FOOT = 26;                                    // for the tool bar, below all of them
const PHONE = 480, TABLET = 800;                    // widths below which the panels are below the photo, or in pairs
const LITTLE = 190;                                 // a panel's width below which its words are smaller
const INSET = 5;                                    // pixels of the page

const suffixOf = (panel) => (panel === 1 ? '' : panel);

// The places of the panels and of the words for a picture of a height per width; words without a place come after the
// panels, where nothing else can lie. `heightOfWords` says how high they are for a width. first_paint.css knows where
// the photo lies and how high all of it is, before anything of this runs.
export function placesOf(width, height, ratio, heightOfWords) {
  const inner = width - 2 * SIDE, below = TITLE + BAR, half = (inner - GAP) / 2, right = SIDE + half + GAP;
  const rows = (...sides) => sides.map((_, row) => sides.slice(0, row).reduce((sum, side) => sum + side * ratio + below, TITLE));
  if (width < PHONE) {
    // The photo, and right below it the margin map, on one screen.
    const [first, second, third] = rows(inner, half, half);
    return {
      panels: [
        { left: SIDE, top: first, width: inner },
        { left: SIDE, top: third, width: half },
        { left: right, top: second, width: half },
        { left: SIDE, top: second, width: half },
      ],
      height: third + half * ratio + BAR + FOOT,
      words: null,
      legend: { left: right, top: third, width: half },
    };
  }
  if (width < TABLET) {
    const [first, second] = rows(half, half);
    return {
      panels: [
        { left: SIDE, top: first, width: half },
        { left: SIDE, top: second, width: half },
        { left: right, top: second, width: half },
        { left: right, top: first, width: half },
      ],
      height: second + half * ratio + BAR + FOOT,
      words: null,
      legend: null,
    };
  }
  // The photo large, and beside it two rows of panels half as high.
  const large = Math.min((inner - 2 * GAP + below / ratio) / 2, Math.max(360, height - below) / ratio);
  const small = (large - below / ratio) / 2, lower = TITLE + small * ratio + below;
  const left = SIDE + large + GAP, last = left + small + GAP;
  const words = { left: last, top: lower - TITLE, width: width - last - SIDE };
  words.height = Math.max(small * ratio + below, heightOfWords(words.width));
  return {
    panels: [
      { left: SIDE, top: TITLE, width: large },
      { left, top: TITLE, width: small },
      { left: last, top: TITLE, width: small },
      { left, top: lower, width: small },
    ],
    height: Math.max(large * ratio + below, words.top + words.height) + FOOT,
    words,
    legend: null,
  };
}

// The lines that make an outline stand out from every colour below it, from the lowest up: a wider one, dark below a
// light line and light below a dark one, white in the gaps of a broken line, and the line itself.
export function strokes({ color, width, dash }) {
  const dark = color.toLowerCase() === '#111111';
  const broken = dash && dash !== 'solid';
  return [
    { color: dark ? '#ffffff' : '#000000', width: width + 2, dash: 'solid' },
    ...(broken ? [{ color: '#ffffff', width, dash: 'solid' }] : []),
    { color, width, dash },
  ];
}

// What the patch reaches often is the malicious window: drawn a little smaller, it is seen beside it.
export const inset = (spans, pixels) => spans.map(([start, end]) => [start + pixels, end - pixels]);

// The figure with its axes, titles and colour bars at these places.
export function arrange(figure, places, width, ratio) {
  const { layout } = figure, inner = width - 2 * SIDE;
  layout.width = width;
  layout.height = places.height;
  layout.margin = { l: SIDE, r: SIDE, t: 0, b: 0 };
  layout.shapes = (layout.shapes ?? []).flatMap((shape) => {
    const by = shape.name === 'footprint' ? insetOf(places, Number((shape.xref ?? 'x').slice(1) || 1), layout) : 0;
    const inner = { x0: shape.x0 + by, x1: shape.x1 - by, y0: shape.y0 + by, y1: shape.y1 - by };
    return strokes(shape.line).map((line) => ({ ...shape, ...inner, line }));
  });
  PANELS.forEach((panel, index) => {
    const place = places.panels[index], suffix = suffixOf(panel), little = place.width < LITTLE;
    const left = (place.left - SIDE) / inner, across = place.width / inner;
    const top = 1 - place.top / places.height, bottom = top - (place.width * ratio) / places.height;
    layout['xaxis' + suffix].domain = [left, left + across];
    layout['yaxis' + suffix].domain = [bottom, top];
    Object.assign(layout.annotations[index], { x: left, y: top, xanchor: 'left', yanchor: 'bottom', font: { size: little ? 12 : 14 } });
    for (const trace of figure.data) {
      if (trace.colorbar && (trace.xaxis ?? 'x') === 'x' + suffix) {
        Object.assign(trace.colorbar, { x: left + across / 2, xanchor: 'center', y: bottom - 4 / places.height, len: across });
        if (little) trace.colorbar.nticks = 3;
      }
    }
  });
  return figure;
}

// How many pixels of the image, on a panel, a smaller outline is moved inwards.
export const insetOf = (places, panel, layout) => (INSET * layout.xaxis.range[1]) / places.panels[panel - 1].width;

// One panel on the page: a frame that cuts off what lies outside the axes, which follow zoom and pan.
export function framed(panel, plot, parent) {
  const frame = document.createElement('div');
  frame.className = 'pg-frame';
  frame.dataset.panel = panel;
  parent.appendChild(frame);
  const axes = () => ['yaxis', 'xaxis'].map((name) => plot._fullLayout[name + suffixOf(panel)]);
  return {
    frame,
    fit() {
      const [vertical, horizontal] = axes();
      Object.assign(frame.style, {
        left: `${horizontal._offset}px`, top: `${vertical._offset}px`,
        width: `${horizontal._length}px`, height: `${vertical._length}px`,
      });
    },
    // Put an element over rows and columns of the axes, and return where that is: top, left, height and width in the frame.
    place(element, [rows, columns]) {
      const [vertical, horizontal] = axes(), [top, bottom] = rows.map((row) => vertical.l2p(row));
      const [left, right] = columns.map((column) => horizontal.l2p(column));
      element.style.transform = `translate(${left}px, ${top}px)`;
      element.style.width = `${right - left}px`;
      element.style.height = `${bottom - top}px`;
      return [top, left, bottom - top, right - left];
    },
    // Put a box of pixels of the image there without another layout of the page, if its size is what it was.
    move(element, [top, left, height, width]) {
      const [vertical, horizontal] = axes();
      element.style.transform = `translate(${horizontal.l2p(left)}px, ${vertical.l2p(top)}px)`;
      const size = [`${horizontal.l2p(left + width) - horizontal.l2p(left)}px`, `${vertical.l2p(top + height) - vertical.l2p(top)}px`];
      if (size.join() === element.dataset.size) return;
      element.dataset.size = size.join();
      [element.style.width, element.style.height] = size;
    },
    // Height and width of the frame.
    room: () => axes().map((axis) => axis._length),
    // Row and column of the axes under the pointer.
    at(event) {
      const { left, top } = frame.getBoundingClientRect(), [vertical, horizontal] = axes();
      return [vertical.p2l(event.clientY - top), horizontal.p2l(event.clientX - left)];
    },
    add(kind, name = 'div') {
      const element = document.createElement(name);
      element.className = kind;
      frame.appendChild(element);
      return element;
    },
  };
}

// An outline in the lines of a shape of the figure: a frame in the lower ones, and within it the line itself.
export function styled(element, { line }) {
  const [casing] = strokes(line), style = { dot: 'dotted', dash: 'dashed' }[line.dash] ?? 'solid';
  element.style.border = `${line.width}px solid ${style === 'solid' ? line.color : '#ffffff'}`;
  element.style.boxShadow = `0 0 0 1px ${casing.color}, inset 0 0 0 1px ${casing.color}`;
  element.innerHTML = `<div style="position: absolute; inset: -${line.width}px; border: ${line.width}px ${style} ${line.color}"></div>`;
}

// The cells of a heat map on a canvas of one pixel each, in the colours and the range of the trace.
export function paint(canvas, values, [rows, columns], trace) {
  const stops = trace.colorscale.map(([at, colour]) => [at, [1, 3, 5].map((index) => parseInt(colour.slice(index, index + 2), 16))]);
  canvas.height = rows;
  canvas.width = columns;
  const context = canvas.getContext('2d'), picture = context.createImageData(columns, rows);
  values.forEach((value, cell) => {
    const share = Math.max(0, Math.min(1, (value - trace.zmin) / (trace.zmax - trace.zmin)));
    const next = Math.max(1, stops.findIndex(([at]) => at >= share));
    const [[low, from], [high, to]] = [stops[next - 1], stops[next]], part = (share - low) / (high - low);
    from.forEach((colour, channel) => { picture.data[4 * cell + channel] = Math.round(colour + part * (to[channel] - colour)); });
    picture.data[4 * cell + 3] = 255;
  });
  context.putImageData(picture, 0, 0);
}
