"""AWS Neuron: Inf1 (`inf1`, the backend neuron), Inf2 and Trn1 (`inf2`, the backend neuronx), and all that only they need."""
