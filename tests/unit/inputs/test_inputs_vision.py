from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.spec import Axis
from tests.feeding import SMALL, dims, infer


def test_clip_reads_text_and_pictures_and_ends_in_its_last_id():
    tower = {key: value for key, value in SMALL.items() if key != "vocab_size"}
    config = {
        "text_config": {**SMALL, "eos_token_id": 89, "bos_token_id": 88, "pad_token_id": 1},
        "vision_config": {**tower, "image_size": 30, "patch_size": 10},
    }
    spec = infer("CLIPModel", config)
    assert dims(spec)["pixel_values"] == ["batch", 3, "height", "width"]
    assert spec["input_ids"].special[-1] == 89
    made = make_inputs(spec, {"batch": 2, "sequence": 5, "height": 30, "width": 30}, 0)
    assert made["input_ids"][:, -1].tolist() == [89, 89]
    config["text_config"]["eos_token_id"] = 2
    assert infer("CLIPModel", config)["input_ids"].special[-1] == 89


def test_pictures_run_from_half_to_twice_the_models_own_size():
    spec = infer("ViTModel", {"image_size": [30, 45]})
    assert dims(spec) == {"pixel_values": ["batch", 3, "height", "width"]}
    assert spec.axes["height"] == Axis("height", min=15, max=60, typical=30)
    assert spec.axes["width"] == Axis("width", min=22, max=90, typical=45)
    assert infer("ResNetModel").axes["height"].typical == 224


def test_a_picture_of_which_smaller_ones_are_made_is_so_large_that_the_smallest_is_one_part():
    spec = infer("ViTModel", {"image_size": 32, "scaled_images_ratios": [0.25, 0.5, 1]})
    assert spec.axes["height"] == Axis("height", min=64, max=256, typical=128)


def test_detected_regions():
    spec = infer("LxmertModel")
    assert dims(spec)["visual_feats"] == ["batch", "boxes", 2048]
    assert spec["visual_pos"].role == "boxes"
