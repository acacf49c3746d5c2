import transformers

from pytest_torchscript.inputs.code import counts_ends, counts_from_padding, pools_at_end, reads_parameter
from tests.feeding import infer


def test_a_mask_that_forward_does_not_use_is_not_fed():
    assert list(infer("RwkvModel")) == ["input_ids"]
    assert list(infer("FNetModel", {"type_vocab_size": 1})) == ["input_ids"]
    assert not reads_parameter(transformers.RwkvModel, "attention_mask")
    assert reads_parameter(transformers.BertModel, "attention_mask")


class Asks:
    def forward(self, x, mask=None, other=None):
        if mask is not None:
            x = x + 1
        return x


class Warns(Asks):
    def forward(self, x, mask=None):
        if mask is None:
            print("a mask is recommended")
        return x


class Uses(Asks):
    def forward(self, x, mask=None):
        return x * mask


class Closure(Asks):
    def forward(self, x, mask=None):
        return [item * mask for item in (lambda: x if mask is None else mask)()]


class Classifier:
    def forward(self, ids):
        marks = ids.eq(self.config.eos_token_id)
        return len(marks.sum(1).unique_consecutive())


def test_only_asking_whether_it_is_none_is_no_use():
    assert [reads_parameter(kind, "mask") for kind in (Asks, Warns, Uses, Closure)] == [False, False, True, True]


def test_a_classifier_that_counts_ends_is_known_by_its_code():
    assert counts_ends(Classifier)
    assert not counts_ends(Asks)
    assert not counts_ends(object)


def test_positions_that_start_behind_padding_are_known_by_their_maker():
    assert counts_from_padding(transformers.RobertaModel)
    assert not counts_from_padding(transformers.BertModel)


def test_an_answer_from_the_end_of_a_text_is_known():
    assert pools_at_end(transformers.CLIPModel)
    assert not pools_at_end(transformers.BertModel)
