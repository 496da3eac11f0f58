// What is known of the patch where it is now, in words: what is proved, without the server; what the network says,
// for the place that it has answered for last. Numbers are shown for the place that they belong to, or not at all.

import { float64, footprintOf, sameBox } from './stage_geometry.js';

const SIGNS = { certified: '✔', unseen: '✔', 'not certified': '✘', undecided: '?' };

// What is proved of a placement, out of the table of distinct footprints; nothing for a patch of another size.
export function provedAt(box, placements, stage) {
  if (!placements || box[2] !== placements.size[0] || box[3] !== placements.size[1]) return { finding: null };
  placements.margins ??= float64(placements.margin);
  const footprint = footprintOf(box, stage);
  const told = (finding) => ({ finding, words: placements.words[finding] + placements.note });
  if (!footprint) return { ...told(placements.unseen), margin: placements.benign, rival: null };
  const [row, column] = [placements.rows, placements.columns].map((spans, axis) =>
    spans.findIndex(([first, end]) => first === footprint[axis] && end === footprint[axis] + footprint[axis + 2]));
  const index = row * placements.columns.length + column;
  return {
    ...told(placements.findings[index]),
    margin: placements.margins[index],
    rival: placements.names[placements.rivals[index]],
  };
}

const escaped = (text) => String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
const signed = (value) => (value > 0 ? '+' : '') + Number(value.toPrecision(4));
// A margin that is infinite is none, and then no rival is closer than another.
const bounded = (margin, shown, against = '') => (Number.isFinite(margin) ? `margin ${shown(signed(margin))}${against}` : 'no bound');
const bold = (text) => `<b>${text}</b>`;
const place = ([top, left], alike = [false, false]) => `${alike[0] ? 'any row' : `row ${top}`}, ${alike[1] ? 'any column' : `column ${left}`}`;
const range = (axis, first, count, all) => (count === 1 ? `${axis} ${first}` : `${axis}s ${first}–${(first + count - 1) % all}`);

// Terms and their meaning, as HTML.
export function readout(box, placement, data, scene, picked) {
  const [, , height, width] = box, { answer } = data, { footprint, window: snapped } = placement;
  const beyond = height > scene.certified[0] || width > scene.certified[1];
  const lines = [
    ['Patch', `${height}x${width} pixels at ${place(box)}`
      + (beyond ? `<br><b>Outside the threat model:</b> larger than the certified ${scene.certified.join('x')}` : '')],
    ['Touches', footprint
      ? `cells of ${range('row', footprint[0], footprint[2], data.stage.map[0])}, ${range('column', footprint[1], footprint[3], data.stage.map[1])}`
      : 'no cell: no local logit sees it'],
  ];
  if (scene.placements) lines.push(['Certificate at this patch position', proved(placement)]);
  const { what } = data.certified, kind = what === 'window' ? 'Malicious window' : 'Placement';
  if (snapped) lines.push([`${kind} that contains it`, judged(snapped, data, scene)]);
  if (picked && picked.row >= 0 && !(snapped && snapped.row === picked.row && snapped.column === picked.column)) {
    lines.push([`${kind} that you picked`, judged(picked, data, scene)]);
  }
  const here = sameBox(answer.patch, box);
  lines.push([here ? 'Prediction on the patched image' : 'Last prediction', (here ? '' : `for ${place(answer.patch)}`
    + `${sameBox(answer.patch.slice(2), box.slice(2)) ? '' : ` and ${answer.patch[2]}x${answer.patch[3]} pixels`}:<br>`)
    + `undefended <b>${escaped(answer.undefended)}</b><br>${escaped(answer.defence)} <b>${escaped(answer.defended)}</b>`
    + (answer.score === null ? '' : ` (score ${answer.score.toPrecision(4)}, runner-up ${escaped(answer.next)} ${answer.next_score.toPrecision(4)})`)
    + (answer.changed ? '<br><b class="pg-changed">✘ changed by the patch</b>' : '')
    + (answer.figure_5 ? `<br>${escaped(answer.figure_5)}` : ''), here ? '' : 'pg-old']);
  return lines;
}

// What is proved of a position.
function judged({ row, column }, { certified }, { windows }) {
  const index = row * certified.positions[1] + column;
  windows.margins ??= float64(windows.margin);
  const rival = windows.names?.[windows.rivals[index]];
  return `${place([row, column], certified.alike)}: ${escaped(windows.verdicts[index])}, `
    + bounded(windows.margins[index], bold, rival === undefined ? '' : ` against ${escaped(rival)}`);
}

// Samples of the lines and signs of the panels, and what they stand for, as HTML.
export function legend(lines, { certified }) {
  const window = certified.what === 'window';
  const dashes = { dot: '2 3', dash: '7 4', solid: '' };
  const drawn = (inner) => `<svg width="28" height="14" viewBox="0 0 28 14" aria-hidden="true">${inner}</svg>`;
  const line = (name) => {
    const { color, width, dash } = lines[name].line, path = 'd="M1 7H27" fill="none"';
    return drawn(`<path ${path} stroke="#000000" stroke-width="${width + 2}"/><path ${path} stroke="#ffffff" stroke-width="${width}"/>`
      + `<path ${path} stroke="${color}" stroke-width="${width}" stroke-dasharray="${dashes[dash]}"/>`);
  };
  const cell = (colour, sign) => drawn(`<rect x="6" y="0" width="14" height="14" fill="${colour}" stroke="#808080"/>${sign}`);
  const stroke = 'fill="none" stroke="#111111" stroke-width="1.5"';
  return [
    [line('malicious'), window ? 'malicious window: follows the patch until you click another in the margin map' : 'placement of the patch that is looked at'],
    [line('detected'), 'masked in the class shown'],
    [line('footprint'), 'cells that the patch reaches'],
    [cell('#92c5de', ''), 'margin above 0'],
    [cell('#f4a582', `<path d="M9 3L17 11M17 3L9 11" ${stroke}/>`), 'not certified'],
    [cell('#f7f7f7', `<circle cx="13" cy="7" r="4" ${stroke}/>`), 'undecided'],
  ].map(([sample, meaning]) => `<li>${sample} ${meaning}</li>`).join('');
}

function proved({ finding, words, margin, rival }) {
  if (finding === null) return '… when the new size rests';
  return `${SIGNS[finding]} ${escaped(words)}, ${bounded(margin, bold, rival === null ? '' : ` against ${escaped(rival)}`)}`;
}

// For the ear: position, prediction and margin.
export function inASentence(box, placement, { answer }) {
  const { finding, words, margin, rival } = placement;
  const margins = finding === null ? '' : `, ${words}, ${bounded(margin, String, rival === null ? '' : ` against ${rival}`)}`;
  const prediction = sameBox(answer.patch, box) ? `prediction ${answer.defended}` : 'the network has not answered yet';
  return `Patch of ${box[2]} by ${box[3]} pixels at ${place(box)}: ${prediction}${margins}.`;
}
