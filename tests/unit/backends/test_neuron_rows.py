from __future__ import annotations

from neuron_labs import FOLDERS, Encoder, case_of

from pytest_torchscript.backends.neuron.checks import check_neuron


def test_dynamic_batching_is_asked_for_each_row(neuron_machine, name):
    neuron_machine(FOLDERS[name])
    finding = check_neuron(case_of(name, neuron_options={"dynamic_batch": True}))
    assert finding.outcome == "passed", finding
    assert "rows answer as each row alone" in finding.headline


def test_dynamic_batching_that_mixes_rows_fails(neuron_machine):
    class Mixing(Encoder):
        def forward(self, signal):
            return self.layers(signal - signal.mean(0, keepdim=True))

    neuron_machine(device=False)
    finding = check_neuron(case_of("neuron", "emulate", Mixing().eval(), neuron_options={"dynamic_batch": True}))
    assert finding.outcome == "failed"
    assert "differs from the row alone by" in finding.headline


def test_dynamic_batching_with_a_frozen_size_fails(neuron_machine):
    class Frozen(Encoder):
        def forward(self, signal):
            rows = int(signal.shape[0])
            return self.layers(signal.reshape(rows, -1, 6))

    neuron_machine(device=False)
    finding = check_neuron(case_of("neuron", "emulate", Frozen().eval(), neuron_options={"dynamic_batch": True}))
    assert finding.outcome == "failed"
    assert "dynamic batching: 1 rows raise" in finding.headline
