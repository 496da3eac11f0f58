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
export function readout(box, placement, data, scene) {
  const [, , height, width] = box, { answer } = data, { footprint, window: snapped } = placement;
  const beyond = height > scene.certified[0] || width > scene.certified[1];
  const lines = [
    ['Patch', `${height}x${width} pixels at ${place(box)}`
      + (beyond ? `<br><b>Outside the threat model:</b> larger than the certified ${scene.certified.join('x')}` : '')],
    ['Touches', footprint
      ? `cells of ${range('row', footprint[0], footprint[2], data.stage.map[0])}, ${range('column', footprint[1], footprint[3], data.stage.map[1])}`
      : 'no cell: no local logit sees it'],
  ];
  if (scene.placements) lines.push(['Proved here', proved(placement)]);
  if (snapped) {
    const index = snapped.row * data.certified.positions[1] + snapped.column, { windows } = scene;
    windows.margins ??= float64(windows.margin);
    lines.push([`Its ${data.certified.what}`, `${place([snapped.row, snapped.column], data.certified.alike)}: `
      + `${escaped(windows.verdicts[index])}, ${bounded(windows.margins[index], bold)}`]);
  }
  const here = sameBox(answer.patch, box);
  lines.push([here ? 'The network' : 'Last answer', (here ? '' : `for ${place(answer.patch)}`
    + `${sameBox(answer.patch.slice(2), box.slice(2)) ? '' : ` and ${answer.patch[2]}x${answer.patch[3]} pixels`}:<br>`)
    + `without the defence <b>${escaped(answer.undefended)}</b><br>with it <b>${escaped(answer.defended)}</b>`
    + (answer.score === null ? '' : ` (${answer.score.toPrecision(4)}; next ${escaped(answer.next)} ${answer.next_score.toPrecision(4)})`)
    + (answer.figure_5 ? `<br>${escaped(answer.figure_5)}` : ''), here ? '' : 'pg-old']);
  return lines;
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
