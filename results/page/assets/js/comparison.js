// Studies side by side: one colour a study, in every chart.
function valueOf(key, arm) {
  const [kind, index] = key.split(':');
  return kind === 'name' ? arm.name : kind === 'study' ? arm.studies[index]?.mean : arm.added[index];
}

const studyColour = (index) => colour(['accent', 'warm', 'good', 'bad', 'hue-5', 'hue-6', 'hue-7', 'hue-8'][index % 8]);
const studyName = (index, longest = 30) => shortened(data.studies[index].name, longest);
const shiftOf = (index) => 0.62 * ((index + 0.5) / data.studies.length - 0.5);

function studyLegend() {
  return {
    type: 'scroll', top: 0, left: 'center', itemWidth: 10, itemHeight: 10, icon: 'circle', selectedMode: false, textStyle: { color: colour('text') },
    data: data.studies.map((_, index) => ({ name: `${index}`, itemStyle: { color: studyColour(index) } })), formatter: (name) => studyName(Number(name)),
  };
}

// Rows of a category axis with a point for each study, beside each other. `value(row, study)` is an estimate.
function besides(rows, value, says) {
  return data.studies.flatMap((_, study) => [
    intervals(rows.map((row, index) => [index, value(row, study)?.mean, value(row, study)?.low, value(row, study)?.high]), false, () => studyColour(study), shiftOf(study)),
    {
      type: 'custom', name: `${study}`, z: 3, itemStyle: { color: studyColour(study) }, encode: { x: 0, y: 1 },
      data: rows.map((row, index) => ({ value: [value(row, study)?.mean, index], says: says(row, study), arm: row.id })).filter((point) => present(point.value[0])),
      renderItem: (params, api) => {
        const [x, y] = api.coord([api.value(0), api.value(1)]);
        return { type: 'circle', shape: { cx: x, cy: y + shiftOf(study) * api.size([0, 1])[1], r: 4.5 }, style: { fill: studyColour(study) } };
      },
    },
  ]);
}

const rowHeight = () => Math.max(22, 13 * data.studies.length);
const lowestChance = () => {
  const known = data.studies.map((study) => study.chance).filter(present);
  return known.length ? Math.min(...known) : null;
};
const told = { trigger: 'item', formatter: ({ data: point }) => (point?.says ? tip(...point.says) : '') };

define('beside', {
  height: () => 96 + rowHeight() * Math.max(2, shownArms().length),
  says: () => 'Arms with their accuracy in every study; the numbers are in the table of arms',
  click: pickArm,
  option: (width) => {
    const best = (arm) => Math.max(...arm.studies.map((one) => one?.mean ?? -1));
    const arms = shownArms().sort((one, other) => best(one) - best(other));
    if (!arms.length) return null;
    const names = arms.map((arm) => shortened(arm.name, width < 560 ? 18 : 36));
    const series = besides(arms, (arm, study) => arm.studies[study], (arm, study) => [arm.name, `${studyName(study)} ${estimate(arm.studies[study])}, n = ${arm.studies[study]?.n}`, `added parameters ${count(arm.added[study])}`]);
    data.studies.forEach((study, index) => {
      if (present(study.chance)) series[2 * index + 1].markLine = { ...lineAt(study.chance, '', 'xAxis'), lineStyle: { color: studyColour(index), type: 'dashed', width: 1 } };
    });
    return {
      legend: studyLegend(),
      grid: { left: leftOf(names), right: 24, top: 34, bottom: 44 },
      xAxis: axis({ type: 'value', ...range(arms.flatMap((arm) => arm.studies.filter(Boolean)), lowestChance(), width < 560 ? 4 : 7), name: data.metrics[0].label, nameLocation: 'middle', nameGap: 26 }),
      yAxis: axis({ type: 'category', data: names.map((_, index) => `${index}`), axisLine: { show: false }, axisLabel: { interval: 0, formatter: (index) => names[Number(index)], color: colour('text') } }),
      tooltip: told, series,
    };
  },
});

define('cost', {
  height: (width) => Math.min(480, Math.max(320, width * 0.45)),
  says: () => 'Scatter plot of accuracy against added parameters in every study; the numbers are in the table of arms',
  click: pickArm,
  option: (width) => {
    const points = shownArms().flatMap((arm) => data.studies.map((_, study) => ({ arm, study, own: arm.studies[study], added: arm.added[study] }))).filter(({ own, added }) => own && present(added));
    if (!points.length) return null;
    const places = logPlaces(points.map(({ added }) => added));
    const rows = points.map(({ own, added }) => [places.place(added), own.mean, own.low, own.high]);
    const bounded = points.filter(({ own }) => present(own.low));
    return {
      legend: studyLegend(),
      grid: { left: 58, right: 24, top: 36, bottom: 48 },
      xAxis: axis({ type: 'value', min: places.min, max: places.max, name: 'added parameters', nameLocation: 'middle', nameGap: 30, axisLabel: { customValues: places.ticks, formatter: places.label }, splitLine: { show: false }, axisTick: { show: true, customValues: places.ticks, lineStyle: { color: colour('line') } } }),
      yAxis: axis({ type: 'value', ...range(points.map(({ own }) => own), lowestChance(), width < 560 ? 4 : 7), name: width < 520 ? '' : data.metrics[0].label, nameLocation: 'middle', nameGap: 42 }),
      tooltip: told,
      series: [
        intervals(rows, true, (index) => studyColour(bounded[index].study)),
        ...data.studies.map((_, study) => ({
          type: 'scatter', name: `${study}`, z: 3, symbolSize: 10, itemStyle: { color: studyColour(study), borderColor: colour('bg'), borderWidth: 1 },
          data: points.map((point, index) => ({ ...point, row: rows[index] })).filter((point) => point.study === study).map(({ arm, own, added, row }) => ({
            value: row.slice(0, 2), arm: arm.id, says: [arm.name, `${studyName(study)} ${estimate(own)}, n = ${own.n}`, `added parameters ${count(added)}`],
            label: { show: points.length <= 24 || chosen('arm') === arm.id, formatter: shortened(arm.name, 30), position: row[0] > places.min + 0.75 * (places.max - places.min) ? 'left' : 'right', distance: 6, color: chosen('arm') === arm.id ? colour('text') : colour('muted'), fontSize: 11 },
          })),
          labelLayout: () => ({ dy: -9, moveOverlap: 'shiftY', hideOverlap: true }), emphasis: { scale: 1.4 },
        })),
      ],
    };
  },
});

const comparedArm = () => armOf.get(chosen('arm')) || data.arms.find((arm) => arm.studies.every(Boolean)) || data.arms[0];

define('by-task', {
  height: () => 96 + Math.max(30, rowHeight()) * data.tasks.length,
  says: () => `Accuracy of ${comparedArm().name} by task in every study; the numbers are below`,
  option: (width) => {
    const arm = comparedArm();
    const names = data.tasks.map((task) => shortened(task, width < 560 ? 14 : 26));
    const rows = data.tasks.map((task, index) => ({ task, index }));
    return {
      legend: studyLegend(),
      grid: { left: leftOf(names), right: 24, top: 34, bottom: 44 },
      xAxis: axis({ type: 'value', ...range(arm.tasks.flat().filter(Boolean), lowestChance(), width < 560 ? 4 : 7), name: `${data.metrics[0].label} of ${shortened(arm.name, 30)}`, nameLocation: 'middle', nameGap: 26 }),
      yAxis: taskAxis(names),
      tooltip: told,
      series: besides(rows, (row, study) => arm.tasks[study][row.index], (row, study) => [row.task, `${arm.name} in ${studyName(study)} ${estimate(arm.tasks[study][row.index])}`]),
    };
  },
});

const numbers = {
  tasks: () => ({
    head: ['task', ...data.studies.map((study) => study.name)],
    body: data.tasks.map((task, index) => [task, ...comparedArm().tasks.map((own) => estimate(own[index]))]),
  }),
};

readAddress();
buildContents();
buildFilters();
buildArms();
addPicker(document.querySelector('#tasks .pick'), 'Arm', () => named(data.arms.map((arm) => arm.id)), () => comparedArm().id, pick);
buildNumbers();
buildCharts();
