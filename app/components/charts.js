// One figure of charts.py; without a figure, Plotly and the modules of the stage are fetched ahead of time.

import { crisp, loadPlotly, themed, themeOf, TOOLS } from './plotly_loader.js';

export default function createChart(root) {
  let data = null, drawn = '', Plotly = null;
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
  };
  const show = () => draw().catch((error) => { root.textContent = `The figure cannot be drawn: ${error.message}`; });
  const resized = new ResizeObserver(() => { if (data) show(); });
  resized.observe(root);
  return {
    apply(fresh) {
      data = fresh;
      root.setAttribute('role', 'figure');                // not img, which may hold no buttons: the tool bar's
      root.setAttribute('aria-label', data.description ?? '');
      root.hidden = !data.figure;
      show();
    },
    destroy() { resized.disconnect(); Plotly?.purge(root); },
  };
}
