// One figure of charts.py; without a figure, Plotly and the modules of the stage are fetched ahead of time.

import { crisp, loadPlotly, themed, themeOf, TOOLS } from './plotly_loader.js';

export default function createChart(root) {
  let data = null, drawn = '', Plotly = null, send = null, listening = false;
  const draw = async () => {
    Plotly = await loadPlotly(data.plotly);
    if (!data.figure) await import('./stage.js');
    if (!data.figure || !root.clientWidth) return;
    const wanted = [data.figure, root.clientWidth, themeOf(root)].join('|');
    if (wanted === drawn) return;
    drawn = wanted;
    const figure = JSON.parse(data.figure);
    figure.layout.width = root.clientWidth;
    await Plotly.react(root, figure.data, themed(root, figure.layout), TOOLS);
    crisp(root, figure.layout);
    if (!listening) root.on('plotly_click', pick);
    listening = true;
  };
  // A point of a trace that is a place: its row and column come first in what it carries.
  const pick = (event) => {
    const point = event.points?.find((candidate) => candidate.data.meta === 'place');
    if (point) send('picked', { row: point.customdata[0], column: point.customdata[1] });
  };
  const show = () => draw().catch((error) => { root.textContent = `The figure cannot be drawn: ${error.message}`; });
  const resized = new ResizeObserver(() => { if (data) show(); });
  resized.observe(root);
  return {
    apply(fresh, { setTriggerValue }) {
      data = fresh;
      send = setTriggerValue;
      root.setAttribute('role', 'figure');                // not img, which may hold no buttons: the tool bar's
      root.setAttribute('aria-label', data.description ?? '');
      root.hidden = !data.figure;
      show();
    },
    destroy() { resized.disconnect(); Plotly?.purge(root); },
  };
}
