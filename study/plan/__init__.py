"""From a definition to what will be trained: arms, trials with their ids, cost, and checks before a run."""
