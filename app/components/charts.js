// One figure of app/charts.py; without a figure, Plotly is fetched ahead of time.

export default function (component) {
  const root = component.parentElement.querySelector('.pg-charts');
  const chart = (root.pgChart ??= createChart(root));
  chart.apply(component.data);
  return () => setTimeout(() => { if (!root.isConnected) chart.destroy(); }, 0);
}

function createChart(root) {
  let data = null, drawn = '', Plotly = null;
  const draw = async () => {
    Plotly = await loadPlotly(data.plotly);
    if (!data.figure || !root.clientWidth) return;
    const wanted = [data.figure, root.clientWidth, themeOf(root)].join('|');
    if (wanted === drawn) return;
    drawn = wanted;
    const figure = JSON.parse(data.figure);
    figure.layout.width = root.clientWidth;
    await Plotly.react(root, figure.data, themed(root, figure.layout), TOOLS);
  };
  const show = () => draw().catch((error) => { root.textContent = `The figure cannot be drawn: ${error.message}`; });
  const resized = new ResizeObserver(() => { if (data) show(); });
  resized.observe(root);
  return {
    apply(fresh) {
      data = fresh;
      root.setAttribute('role', 'img');
      root.setAttribute('aria-label', data.description ?? '');
      root.hidden = !data.figure;
      show();
    },
    destroy() { resized.disconnect(); Plotly?.purge(root); },
  };
}
