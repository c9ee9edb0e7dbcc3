// What arms take to store: accuracy against bytes of network and index, and bytes as the gallery grows.
const galleries = () => data.storage.galleries.map(String);
const gallery = () => Number(galleries().includes(chosen('images')) ? chosen('images') : galleries()[1]);
const totalBytes = (stored, images) => stored.network + images * stored.index;
const storedName = (stored, longest) => `${shortened(armOf.get(stored.arm).name, longest)} ${stored.form}`;
const storedShown = () => {
  const ids = new Set(shownArms().map((arm) => arm.id));
  return data.storage.arms.filter((stored) => ids.has(stored.arm));
};

function bytes(value) {
  for (const [size, unit] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]) {
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  }
  return `${value} B`;
}

// Powers of ten over a range: on the axis the logarithm is shown, so that every chart has the same axis code.
function byteAxis(values, width) {
  const logs = values.map(Math.log10);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const pad = Math.max(0.08, 0.06 * (high - low));
  const steps = high - low > 2.5 ? [1] : high - low > 0.9 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  const every = [];
  for (let decade = Math.floor(low - pad); decade <= Math.ceil(high + pad); decade += 1) steps.forEach((step) => every.push(Math.log10(step) + decade));
  const inside = every.filter((tick) => tick >= low - pad && tick <= high + pad);
  const stride = Math.max(1, Math.ceil(inside.length / (width < 560 ? 4 : 9)));
  const customValues = inside.filter((_, index) => index % stride === 0);
  return { min: low - pad, max: high + pad, customValues };
}

const storedColour = (stored, images) =>
  chosen('arm') === stored.arm ? colour('warm') : stored.efficient.includes(images) ? colour('accent') : colour('point');

define('storage', {
  height: (width) => Math.min(460, Math.max(320, width * 0.5)),
  says: () => `Accuracy against bytes of network and index of ${count(gallery())} images; the numbers are below`,
  click: pickArm,
  option: (width) => {
    const images = gallery();
    const shown = storedShown().filter((stored) => stored.accuracy);
    if (!shown.length) return null;
    const { customValues, ...limits } = byteAxis(shown.map((stored) => totalBytes(stored, images)), width);
    const at = (stored) => Math.log10(totalBytes(stored, images));
    const labelled = (stored) => stored.efficient.includes(images) || chosen('arm') === stored.arm; // the others have tooltips
    const bounded = shown.filter((stored) => present(stored.accuracy.low));
    const chance = data.metrics[0].chance;
    return {
      grid: { left: 58, right: 24, top: 14, bottom: 48 },
      xAxis: axis({ type: 'value', ...limits, name: `network and index of ${count(images)} images`, nameLocation: 'middle', nameGap: 30, splitLine: { show: false }, axisTick: { show: true, customValues, lineStyle: { color: colour('line') } }, axisLabel: { customValues, formatter: (value) => bytes(10 ** value), hideOverlap: true } }),
      yAxis: axis({ type: 'value', ...range(shown.map((stored) => stored.accuracy), chance, width < 560 ? 4 : 7), name: width < 520 ? '' : data.metrics[0].label, nameLocation: 'middle', nameGap: 42 }),
      tooltip: { trigger: 'item', formatter: ({ data: point }) => point?.stored && storedTip(point.stored) },
      series: [
        intervals(shown.map((stored) => [at(stored), stored.accuracy.mean, stored.accuracy.low, stored.accuracy.high]), true, (index) => storedColour(bounded[index], images)),
        {
          type: 'scatter', z: 3, symbolSize: 10,
          data: shown.map((stored) => ({
            value: [at(stored), stored.accuracy.mean], arm: stored.arm, stored,
            itemStyle: { color: stored.efficient.includes(images) || chosen('arm') === stored.arm ? storedColour(stored, images) : colour('bg'), borderColor: storedColour(stored, images), borderWidth: 1.5 },
            label: { show: labelled(stored), formatter: storedName(stored, 28), position: at(stored) > limits.min + 0.7 * (limits.max - limits.min) ? 'left' : 'right', distance: 6, color: colour('text'), fontSize: 11 },
          })),
          labelLayout: () => ({ dy: -9, moveOverlap: 'shiftY', hideOverlap: true }), emphasis: { scale: 1.4 },
          markLine: present(chance) ? lineAt(chance, `chance ${share(chance)}`, 'yAxis') : undefined,
        },
      ],
    };
  },
});

const milliseconds = (seconds) => (present(seconds) ? `${Number((1e3 * seconds).toPrecision(3))} ms` : '-');

function workSaid(stored) {
  const timed = present(stored.image_seconds) ? `, ${milliseconds(stored.image_seconds)} and ${milliseconds(stored.query_seconds)}` : '';
  return `an image for all tasks, a query for one: ${count(stored.multiply_adds)} and ${present(stored.query) ? count(stored.query) : '-'} multiply-adds${timed}`;
}

function storedTip(stored) {
  return tip(
    storedName(stored, 60), `${data.metrics[0].label} ${estimate(stored.accuracy)}`, stored.change && `against fp32 ${estimate(stored.change, signed)}`,
    `network ${bytes(stored.network)}, index ${bytes(stored.index)} per image (${stored.vectors} vector${stored.vectors === 1 ? '' : 's'})`,
    `parameters: ${count(stored.shared)} shared, ${count(stored.added)} added, ${count(stored.shared + stored.added)} in all`,
    workSaid(stored),
    ...data.storage.galleries.map((images) => `${count(images)} images: ${bytes(totalBytes(stored, images))}`),
    `the index outweighs the network from ${count(Math.ceil(stored.outweighs))} images`,
  );
}

define('growth', {
  height: (width) => Math.min(400, Math.max(300, width * 0.45)),
  says: () => 'Bytes of network and index as the gallery grows, for every arm',
  option: (width) => {
    const shown = storedShown();
    if (!shown.length) return null;
    const sizes = [...Array(31).keys()].map((step) => 2 + (step * (Math.log10(data.storage.galleries.at(-1)) - 2)) / 30);
    const total = (stored) => sizes.map((size) => [size, Math.log10(totalBytes(stored, 10 ** size))]);
    const { customValues, ...limits } = byteAxis(shown.flatMap((stored) => [stored.network, totalBytes(stored, data.storage.galleries.at(-1))]), 400);
    const strong = (stored) => stored.efficient.length > 0 || chosen('arm') === stored.arm;
    const tint = (stored) => colour(chosen('arm') === stored.arm ? 'warm' : strong(stored) ? 'accent' : 'point');
    return {
      grid: { left: 70, right: Math.min(190, 0.3 * width), top: 14, bottom: 48 },
      xAxis: axis({ type: 'value', min: 2, max: sizes.at(-1), interval: 1, name: 'images', nameLocation: 'middle', nameGap: 28, splitLine: { show: false }, axisLabel: { formatter: (value) => shortCount(10 ** value), hideOverlap: true } }),
      yAxis: axis({ type: 'value', ...limits, axisLabel: { customValues, formatter: (value) => bytes(10 ** value) } }),
      tooltip: { trigger: 'item', formatter: ({ seriesIndex, value }) => tip(storedName(shown[seriesIndex], 60), `${count(Number((10 ** value[0]).toPrecision(2)))} images: ${bytes(10 ** value[1])}`) },
      series: shown.map((stored) => ({
        type: 'line', showSymbol: false, data: total(stored), z: strong(stored) ? 3 : 2, emphasis: { focus: 'series' }, triggerLineEvent: true,
        endLabel: { show: strong(stored), formatter: storedName(stored, width < 480 ? 12 : 24), color: tint(stored), fontSize: 11 }, labelLayout: { moveOverlap: 'shiftY' },
        color: tint(stored), lineStyle: { width: strong(stored) ? 1.8 : 1, opacity: strong(stored) ? 1 : 0.45, type: stored.form === 'fp32' ? 'solid' : 'dashed' },
      })),
    };
  },
});

function buildStorage() {
  addPicker(document.querySelector('#storage .pick'), 'Images in the gallery', () => galleries().map((images) => [images, count(Number(images))]), () => String(gallery()), (images) => choose('images', images));
}
