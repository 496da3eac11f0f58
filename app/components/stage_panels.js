// Where the four panels of the stage lie, and what the browser draws over them itself: outlines, and maps of cells.
// Panels 1 to 3 have axes in pixels of the image, panel 4 in positions of windows.

export const PANELS = [1, 2, 3, 4];
const GAP = 22, TITLE = 30, BAR = 40, SIDE = 8;     // pixels between, above, below and beside the panels
const FOOT = 26;                                    // for the tool bar, below all of them
const PHONE = 480, TABLET = 800;                    // widths below which the panels are stacked, or in pairs

const suffixOf = (panel) => (panel === 1 ? '' : panel);

// The places of the panels and of the words for a picture of a height per width. In pairs the words come last.
// `heightOfWords` says how high they are for a width: nothing else may lie there.
export function placesOf(width, height, ratio, heightOfWords) {
  const inner = width - 2 * SIDE, below = TITLE + BAR;
  if (width < PHONE) {
    const side = Math.max(120, inner), step = side * ratio + below, words = heightOfWords(side);
    const panels = PANELS.map((_, index) => ({ left: SIDE, top: index * step + (index ? words : 0) + TITLE, width: side }));
    return { panels, height: 4 * step + words + FOOT, words: { left: SIDE, top: step, width: side, height: words } };
  }
  if (width < TABLET) {
    const side = (inner - GAP) / 2, step = side * ratio + below;
    const panels = PANELS.map((_, index) => ({
      left: SIDE + (index % 2) * (side + GAP), top: Math.floor(index / 2) * step + TITLE, width: side,
    }));
    return { panels, height: 2 * step + FOOT, words: null };
  }
  // The photo large, and beside it two rows of panels half as high.
  const large = Math.min((inner - 2 * GAP + below / ratio) / 2, Math.max(360, height - below) / ratio);
  const small = (large - below / ratio) / 2, second = TITLE + small * ratio + below;
  const left = SIDE + large + GAP, right = left + small + GAP;
  const words = { left: right, top: second - TITLE, width: width - right - SIDE };
  words.height = Math.max(small * ratio + below, heightOfWords(words.width));
  return {
    panels: [
      { left: SIDE, top: TITLE, width: large },
      { left, top: TITLE, width: small },
      { left: right, top: TITLE, width: small },
      { left, top: second, width: small },
    ],
    height: Math.max(large * ratio + below, words.top + words.height) + FOOT,
    words,
  };
}

// The figure with its axes, titles and colour bars at these places.
export function arrange(figure, places, width, ratio) {
  const { layout } = figure, inner = width - 2 * SIDE;
  layout.width = width;
  layout.height = places.height;
  layout.margin = { l: SIDE, r: SIDE, t: 0, b: 0 };
  PANELS.forEach((panel, index) => {
    const place = places.panels[index], suffix = suffixOf(panel);
    const left = (place.left - SIDE) / inner, across = place.width / inner;
    const top = 1 - place.top / places.height, bottom = top - (place.width * ratio) / places.height;
    layout['xaxis' + suffix].domain = [left, left + across];
    layout['yaxis' + suffix].domain = [bottom, top];
    Object.assign(layout.annotations[index], { x: left, y: top, xanchor: 'left', yanchor: 'bottom', font: { size: 14 } });
    for (const trace of figure.data) {
      if (trace.colorbar && (trace.xaxis ?? 'x') === 'x' + suffix) {
        Object.assign(trace.colorbar, { x: left + across / 2, xanchor: 'center', y: bottom - 4 / places.height, len: across });
      }
    }
  });
  return figure;
}

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

// An outline in the line style that the figure gives to its shape of this name.
export function styled(element, shape) {
  const styles = { dot: 'dotted', dash: 'dashed', solid: 'solid' };
  element.style.border = `${shape.line.width}px ${styles[shape.line.dash] ?? 'solid'} ${shape.line.color}`;
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
