// The toy board of board.py: paints cells with the brush, moves the malicious window, and tells Python
// of each edit. Python sends back what Algorithm 1 makes of it: the detected window and the regions.
// Boxes are [top, left, height, width] in cells.

import { ARROWS } from './draggable.js';

export default function createBoard(root) {
  root.innerHTML = '<div class="pg-grid" role="grid" aria-label="Evidence of the class. Type a digit to set a cell; '
    + 'Shift and the arrow keys move the malicious window."></div><div class="pg-live" role="status" aria-live="polite"></div>';
  const [grid, live] = root.children;
  const board = { applied: 0 };
  let data = null, send = null, cells = [], active = [0, 0], stroke = null, drag = null;
  const outlines = Object.fromEntries(['detected', 'malicious'].map((name) => {
    const element = document.createElement('div');
    element.className = `pg-outline pg-${name}`;
    element.setAttribute('aria-hidden', 'true');
    return [name, element];
  }));
  const handle = document.createElement('div');
  handle.className = 'pg-handle';
  handle.textContent = '✥';
  handle.title = 'Drag to move the malicious window';
  outlines.malicious.append(handle);

  const limited = (value, last) => Math.max(0, Math.min(last, value));
  const edit = (kind, rest) => send('edit', { kind, ...rest });
  const written = (value) => String(Math.round(value * 1000) / 1000);

  // ---- drawing ------------------------------------------------------------------------------------
  function build() {
    const rows = data.values.length, columns = data.values[0].length;
    if (cells.length === rows && cells[0].length === columns) return;
    grid.replaceChildren();
    grid.style.setProperty('--columns', columns);
    grid.style.setProperty('--rows', rows);
    cells = data.values.map((values, row) => {
      const line = document.createElement('div');
      line.setAttribute('role', 'row');
      line.className = 'pg-row';
      grid.append(line);
      return values.map((_, column) => {
        const cell = document.createElement('div');
        cell.setAttribute('role', 'gridcell');
        cell.className = 'pg-square';
        cell.innerHTML = '<span class="pg-region"></span><span class="pg-value"></span>';
        cell.at = [row, column];
        line.append(cell);
        return cell;
      });
    });
    grid.append(outlines.detected, outlines.malicious);
    active = [limited(active[0], rows - 1), limited(active[1], columns - 1)];
  }

  function show() {
    const largest = Math.max(1, ...data.values.flat());
    const [top, left, height, width] = data.window;
    cells.forEach((line, row) => line.forEach((cell, column) => {
      const value = data.values[row][column], region = data.regions[row][column];
      const inside = row >= top && row < top + height && column >= left && column < left + width;
      cell.style.setProperty('--share', value / largest);
      cell.dataset.region = region;
      cell.classList.toggle('pg-inside', inside);
      cell.firstChild.textContent = region;
      cell.lastChild.textContent = written(value);
      cell.tabIndex = row === active[0] && column === active[1] ? 0 : -1;
      cell.setAttribute('aria-label', `row ${row}, column ${column}: ${written(value)}, `
        + `${inside ? 'malicious' : 'benign'}${region ? `, in ${region}` : ''}`);
    }));
    place(outlines.malicious, data.window);
    place(outlines.detected, data.detected);
  }

  function place(element, box) {
    element.hidden = !box;
    if (!box) return;
    ['top', 'left', 'height', 'width'].forEach((name, index) => element.style.setProperty(`--${name}`, box[index]));
  }

  // ---- editing ------------------------------------------------------------------------------------
  function paint(points, value) {
    for (const [row, column] of points) data.values[row][column] = value;
    show();
    edit('paint', { cells: points, value });
  }

  function move(row, column) {
    const at = [limited(row, data.positions[0] - 1), limited(column, data.positions[1] - 1)];
    if (at[0] === data.window[0] && at[1] === data.window[1]) return;
    data.window.splice(0, 2, ...at);
    place(outlines.malicious, data.window);
    edit('move', { row: at[0], column: at[1] });
  }

  function focus(row, column) {
    active = [limited(row, cells.length - 1), limited(column, cells[0].length - 1)];
    show();
    cells[active[0]][active[1]].focus();
  }

  const cellUnder = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest?.('.pg-square');

  function extend(cell) {
    if (!cell || !grid.contains(cell) || stroke.includes(cell)) return;
    stroke.push(cell);
    cell.lastChild.textContent = written(data.brush);
    cell.classList.add('pg-painted');
  }

  grid.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    grid.setPointerCapture(event.pointerId);
    if (event.target === handle) {
      drag = { from: [event.clientY, event.clientX], start: data.window.slice(0, 2) };
      event.preventDefault();
    } else if (event.target.closest('.pg-square')) {
      stroke = [];
      active = event.target.closest('.pg-square').at;
      extend(event.target.closest('.pg-square'));
    }
  });
  grid.addEventListener('pointermove', (event) => {
    if (stroke) extend(cellUnder(event));
    if (drag) {
      const side = cells[0][0].offsetWidth;
      drag.at = [event.clientY, event.clientX].map((value, axis) =>
        limited(drag.start[axis] + Math.round((value - drag.from[axis]) / side), data.positions[axis] - 1));
      place(outlines.malicious, [...drag.at, ...data.window.slice(2)]);
    }
  });
  grid.addEventListener('pointerup', () => {
    if (stroke) {
      stroke.forEach((cell) => cell.classList.remove('pg-painted'));
      paint(stroke.map((cell) => cell.at), data.brush);
      cells[active[0]][active[1]].focus();
    }
    if (drag?.at) move(...drag.at);
    stroke = drag = null;
  });
  grid.addEventListener('pointercancel', () => { stroke = drag = null; show(); });
  grid.addEventListener('keydown', (event) => {
    const cell = event.target.closest('.pg-square'), step = ARROWS[event.key];
    if (!cell || event.altKey || ((event.ctrlKey || event.metaKey) && event.key !== 'z')) return;
    const [row, column] = (active = cell.at), value = data.values[row][column];
    if (step && event.shiftKey) move(data.window[0] + step[0], data.window[1] + step[1]);
    else if (step) focus(row + step[0], column + step[1]);
    else if (/^[0-9]$/.test(event.key)) paint([[row, column]], Number(event.key));
    else if (event.key === '+') paint([[row, column]], value + 1);
    else if (event.key === '-') paint([[row, column]], Math.max(0, value - 1));
    else if (event.key === 'Delete' || event.key === 'Backspace') paint([[row, column]], 0);
    else if (event.key === 'Enter' || event.key === ' ') paint([[row, column]], data.brush);
    else if (event.key === 'z') edit('undo', {});
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  board.apply = (fresh, { setTriggerValue }) => {
    send = setTriggerValue;
    data = structuredClone(fresh);
    build();
    show();
    if (live.textContent !== fresh.spoken) live.textContent = fresh.spoken;
    board.applied += 1;
  };
  board.destroy = () => {};                         // nothing of it goes on without its node
  return board;
}
