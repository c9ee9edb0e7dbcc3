// Cosines between the gradients of tasks: a task x task map for each stage, without and with modulation.
function agreementArm() {
  const ids = Object.keys(data.agreement.arms);
  return ids.includes(chosen('arm')) && chosen('arm') !== ids[0] ? chosen('arm') : ids.find((id) => armOf.get(id)?.name === 'late') || ids[ids.length - 1];
}

function agreementLayout(width) {
  const { stages, tasks } = data.agreement;
  const label = width < 560 ? 8 : 14;
  const left = 30 + 6.2 * Math.max(...tasks.map((task) => Math.min(label, task.length)));
  const cell = Math.max(96, 13 * tasks.length);
  const columns = Math.max(1, Math.min(stages.length, Math.floor((width - left) / (cell + 10))));
  const side = Math.min(190, (width - left) / columns - 10);
  return { left, columns, side, label, blocks: Math.ceil(stages.length / columns), block: 2 * side + left + 46 };
}

function matrixCells(triangle, size) {
  const cells = [];
  let index = 0;
  for (let row = 0; row < size; row += 1) {
    for (let column = row + 1; column < size; column += 1) {
      const value = triangle[index];
      index += 1;
      if (present(value)) cells.push([column, row, value], [row, column, value]);
    }
  }
  return cells;
}

define('agreement', {
  height: (width) => {
    const { blocks, block } = agreementLayout(width);
    return blocks * block + 64;
  },
  says: () => `Cosines between the gradients of tasks by stage, for shared and ${armOf.get(agreementArm()).name}`,
  option: (width) => {
    const { stages, tasks, arms } = data.agreement;
    const layout = agreementLayout(width);
    const rows = [Object.keys(arms)[0], agreementArm()];
    const panels = stages.flatMap((stage, index) => rows.map((id, row) => ({ stage, id, row, index, cells: matrixCells(arms[id][index], tasks.length) })));
    const boxes = panels.map(({ row, index }) => ({
      left: layout.left + (index % layout.columns) * (layout.side + 10),
      top: 26 + Math.floor(index / layout.columns) * layout.block + row * (layout.side + 8), width: layout.side, height: layout.side,
    }));
    const widest = Math.max(0.01, ...panels.flatMap((panel) => panel.cells.map((cell) => Math.abs(cell[2]))));
    const names = tasks.map((task) => shortened(task, layout.label));
    const labels = (show, rotate) => ({ show, interval: 0, rotate, formatter: (index) => names[Number(index)], fontSize: 10 });
    const places = tasks.map((_, index) => `${index}`);
    return {
      title: [
        ...panels.map(({ stage, row, index }, at) => ({ show: row === 0, text: shortened(stage, 18), left: boxes[at].left, top: boxes[at].top - 22, textStyle: { fontSize: 12, fontWeight: 600, color: colour('text') } })),
        ...panels.filter(({ index }) => index % layout.columns === 0).map(({ id, row, index }) => ({
          text: shortened(armOf.get(id).name, 20), left: boxes[2 * index + row].left, top: boxes[2 * index + row].top + layout.side - 16, show: false,
        })),
      ],
      grid: boxes,
      xAxis: panels.map(({ row }, at) => axis({ gridIndex: at, type: 'category', data: places, splitLine: { show: false }, axisLine: { show: false }, axisLabel: labels(row === 1, 90) })),
      yAxis: panels.map(({ index }, at) => axis({ gridIndex: at, type: 'category', inverse: true, data: places, axisLine: { show: false }, axisLabel: labels(index % layout.columns === 0, 0), name: index % layout.columns === 0 ? shortened(armOf.get(panels[at].id).name, 18) : '', nameLocation: 'middle', nameGap: layout.left - 14, nameTextStyle: { fontWeight: 600, color: colour('text') } })),
      visualMap: { ...diverging(-widest, widest), left: 'center', bottom: 0, dimension: 2, seriesIndex: panels.map((_, at) => at) },
      tooltip: {
        trigger: 'item',
        formatter: ({ seriesIndex, value }) => tip(`${tasks[value[1]]} and ${tasks[value[0]]}`, `${panels[seriesIndex].stage}, ${armOf.get(panels[seriesIndex].id).name}`, `cosine ${signed(value[2])}`),
      },
      series: panels.map(({ cells }, at) => ({ type: 'heatmap', xAxisIndex: at, yAxisIndex: at, data: cells, itemStyle: { borderColor: colour('bg'), borderWidth: 0.5 } })),
    };
  },
});

function buildAgreement() {
  const place = document.querySelector('#agreement .pick');
  if (!place) return;
  const ids = Object.keys(data.agreement.arms).slice(1);
  addPicker(place, 'Arm beside shared', () => named(ids), agreementArm, pick);
}
