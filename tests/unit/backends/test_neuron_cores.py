from __future__ import annotations

import pytest

from pytest_torchscript.backends.neuron.cores import assign_cores, cores_in, worker_index
from pytest_torchscript.errors import OptionError

VISIBLE = "NEURON_RT_VISIBLE_CORES"


def test_two_workers_take_different_cores():
    taken = [assign_cores(f"gw{index}", 2, env={}, cores=2).environment for index in range(2)]
    assert taken == [{VISIBLE: "0"}, {VISIBLE: "1"}]


@pytest.mark.parametrize("worker", [None, "gw0", "gw2"])
def test_three_workers_on_two_cores_are_refused(worker):
    with pytest.raises(OptionError, match=r"3 workers \(-n 3\), more than there are NeuronCores") as caught:
        assign_cores(worker, 3, env={}, cores=2)
    assert "hint: use fewer workers" in str(caught.value)


def test_what_the_user_set_stays():
    for env in ({VISIBLE: "0-3"}, {"NEURON_RT_NUM_CORES": "1"}):
        assignment = assign_cores("gw1", 2, env=env, cores=4)
        assert assignment.environment == {}
        assert "kept as set" in assignment.note
    assert "see the same cores" in assign_cores("gw1", 2, env={VISIBLE: "0-3"}, cores=4).note


def test_a_range_of_the_user_bounds_the_workers():
    with pytest.raises(OptionError, match="NEURON_RT_VISIBLE_CORES=2 shows 1 NeuronCore"):
        assign_cores("gw0", 2, env={VISIBLE: "2"}, cores=4)
    with pytest.raises(OptionError, match="NEURON_RT_NUM_CORES=2 for each needs 6, this machine has 4"):
        assign_cores("gw0", 3, env={"NEURON_RT_NUM_CORES": "2"}, cores=4)


def test_without_a_device_there_is_nothing_to_assign():
    assert assign_cores("gw0", 64, env={}, cores=0).environment == {}


def test_the_controller_takes_no_core():
    assert assign_cores(None, 2, env={}, cores=2).environment == {}


def test_a_replacement_takes_the_core_of_the_dead_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    first, second = (assign_cores(name, 2, env={}, cores=2, run="r") for name in ("gw0", "gw1"))
    assert [held.environment[VISIBLE] for held in (first, second)] == ["0", "1"]
    second.claim.release()  # gw1 dies
    third = assign_cores("gw2", 2, env={}, cores=2, run="r")
    assert third.environment[VISIBLE] == "1"
    for held in (first, third):
        held.claim.release()
    assert assign_cores("gw2", 2, env={}, cores=2).environment[VISIBLE] == "0"


@pytest.mark.parametrize(("text", "cores"), [("4", (4,)), ("7-9", (7, 8, 9)), ("0,2-3", (0, 2, 3))])
def test_visible_cores_are_read(text, cores):
    assert cores_in(text) == cores


def test_malformed_values_are_named():
    with pytest.raises(OptionError, match="is not a core, a range or a list"):
        cores_in("all")
    with pytest.raises(OptionError, match="has no number"):
        worker_index("main")
