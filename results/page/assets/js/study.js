// The parts of a study's page, in its order.
readAddress();
buildContents();
buildFilters();
buildArms();
buildPairs();
buildTasks();
buildCurves();
if (data.importance) buildImportance();
if (data.storage) buildStorage();
if (data.agreement) buildAgreement();
if (data.modulation) buildModulation();
buildNumbers();
buildCharts();
