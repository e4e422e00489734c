import pytest
from transformers import AutoConfig, DynamicCache

from cowest.models.providers._local_cache import RoomyLayer, may_have_gaps


@pytest.mark.parametrize(
    ("rope", "may"),
    [
        ({"rope_type": "default", "rope_theta": 10000.0}, True),
        ({"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}, True),
        ({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}, False),
        ({"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "factor": 2.0}, False),
    ],
)
def test_no_gap_where_rotation_depends_on_the_length(rope: dict[str, object], may: bool) -> None:
    config = AutoConfig.for_model("llama", num_hidden_layers=2, hidden_size=32, num_attention_heads=4)
    config.rope_parameters = rope
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() for _ in cache.layers]
    assert may_have_gaps(cache, config) is may


def test_no_gap_under_a_window_that_the_cache_does_not_know() -> None:
    kinds = {"attention_types": [[["global", "local"], 1]], "num_layers": 2}
    config = AutoConfig.for_model("gpt_neo", **kinds)
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer(), RoomyLayer()]
    assert not may_have_gaps(cache, config)
    config.attention_layers = ["global", "global"]
    assert may_have_gaps(cache, config)


def test_no_gap_where_layers_are_not_known() -> None:
    assert not may_have_gaps(DynamicCache(), AutoConfig.for_model("llama"))
