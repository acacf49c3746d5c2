from __future__ import annotations
from typing import Any
def shrink_config(config: Any, model_class: Any) -> Any:
    import copy
    config = copy.deepcopy(config)
    for name, value in (("num_hidden_layers", 2), ("hidden_size", 48), ("intermediate_size", 96)):
        if hasattr(config, name): setattr(config, name, value)
    return config
