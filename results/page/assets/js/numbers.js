// What the tables of numbers below the figures of a study hold.
const numbers = {
  tasks: () => {
    const others = data.arms.filter((arm) => data.references.includes(arm.name) && arm.id !== pickedArm().id);
    const shown = [pickedArm(), ...others];
    return {
      head: ['task', ...shown.map((arm) => arm.name), 'minus separate', 'chance'],
      body: data.tasks.map((task, index) => [
        task.name, ...shown.map((arm) => estimate(arm.tasks[index])), estimate(pickedArm().gains[index], signed), share(task.chance),
      ]),
    };
  },
  'task-map': () => {
    const gains = data.arms.some((arm) => arm.gains.some(Boolean));
    return {
      head: ['arm', ...data.tasks.map((task) => task.name)],
      body: shownArms().map((arm) => [arm.name, ...data.tasks.map((_, index) => (gains ? estimate(arm.gains[index], signed) : estimate(arm.tasks[index])))]),
    };
  },
  curves: () => {
    const name = curveName();
    const arms = shownArms().filter((arm) => arm.curves?.[name]);
    const epochs = [...new Set(arms.flatMap((arm) => arm.curves[name].epochs))].sort((one, other) => one - other);
    const value = (curve, epoch) => curve.mean[curve.epochs.indexOf(epoch)];
    return {
      head: ['arm', ...epochs.map((epoch) => `epoch ${epoch}`)],
      body: arms.map((arm) => [arm.name, ...epochs.map((epoch) => (present(value(arm.curves[name], epoch)) ? String(Number(value(arm.curves[name], epoch).toPrecision(4))) : '-'))]),
    };
  },
  importance: () => {
    const responses = importanceResponses();
    const kinds = [['tune', 'importance'], ['confirm', 'share of variance']];
    const names = (kind) => [...new Set(responses.flatMap((response) => (data.importance[kind][response] || []).map((effect) => effect.name)))];
    const cell = (kind, response, name) => {
      const found = (data.importance[kind][response] || []).find((effect) => effect.name === name);
      return found ? `${estimate({ ...found, mean: found.value })}${present(found.p) ? `, p ${Number(found.p.toPrecision(2))}` : ''}` : '-';
    };
    return {
      head: ['', ...responses],
      body: kinds.flatMap(([kind, what]) => names(kind).map((name) => [`${name} (${what})`, ...responses.map((response) => cell(kind, response, name))])),
    };
  },
  performance: () => {
    const { reference, improvement, relative } = data.performance;
    return {
      head: ['arm', `probability of beating ${reference}`, 'relative gain', 'common seeds'],
      body: shownArms().filter((arm) => improvement[arm.id]).map((arm) => [arm.name, estimate(improvement[arm.id]), estimate(relative[arm.id], signed), String(improvement[arm.id].n)]),
    };
  },
  storage: () => ({
    head: ['arm', 'precision', data.metrics[0].label, 'against fp32', 'network', 'index per image', 'vectors', 'shared parameters', 'added', 'total', 'multiply-adds of an image', 'of a query', 'time of an image', 'of a query', ...data.storage.galleries.map((images) => `${count(images)} images`), 'index outweighs network from'],
    body: storedShown().map((stored) => [
      armOf.get(stored.arm).name, stored.form, estimate(stored.accuracy), estimate(stored.change, signed), bytes(stored.network), bytes(stored.index), String(stored.vectors), count(stored.shared), count(stored.added), count(stored.shared + stored.added),
      count(stored.multiply_adds), present(stored.query) ? count(stored.query) : '-', milliseconds(stored.image_seconds), milliseconds(stored.query_seconds),
      ...data.storage.galleries.map((images) => bytes(totalBytes(stored, images)) + (stored.efficient.includes(images) ? ' *' : '')), `${count(Math.ceil(stored.outweighs))} images`,
    ]),
  }),
  agreement: () => {
    const { tasks, stages, arms } = data.agreement;
    const ids = [Object.keys(arms)[0], agreementArm()];
    const pairs = tasks.flatMap((one, row) => tasks.slice(row + 1).map((other) => `${one} and ${other}`));
    return {
      head: ['tasks', ...ids.flatMap((id) => stages.map((stage) => `${armOf.get(id).name}, ${stage}`))],
      body: pairs.map((pair, index) => [pair, ...ids.flatMap((id) => stages.map((_, stage) => signed(arms[id][stage][index])))]),
    };
  },
  tree: () => {
    const { tasks, labels } = data.modulation;
    const { similarity } = vectors();
    const pairs = tasks.flatMap((one, row) => tasks.slice(row + 1).map((other, index) => [one, other, row, row + 1 + index]));
    return {
      head: ['tasks', 'similarity of vectors', 'association of labels'],
      body: similarity ? pairs.map(([one, other, row, column]) => [`${one} and ${other}`, signed(similarity[row][column]), labels ? share(labels[row][column]) : '-']) : [],
    };
  },
};
