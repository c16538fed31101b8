"""Shards of answers: written whole, read back, and taken in once."""

from pathlib import Path

import pytest

from annotating import all_calls
from distilwhy.core.cost import Usage
from distilwhy.core.parsing.completion import Completion
from distilwhy.errors import RunError
from distilwhy.pipeline.annotate.recorder import AnnotationProgress
from distilwhy.pipeline.annotate.run import annotate
from distilwhy.pipeline.experiment import open_experiment
from distilwhy.store.ledger import Charge, Entry, open_ledger
from distilwhy.store.shards import import_shards, read_shard, write_shard
from endpoint import Endpoint

SAID = Completion("It broke: 坏了", "stop", 12, 3, None, 4, "Hm.", "m-1")
ENTRIES = [
    Entry(b"a" * 32, SAID, "a0", 0.25),
    Entry(b"\xff" * 32, Completion("", error="HTTP 400: no"), "a1"),
]
EXTRAS = [Charge("broken off", Usage(7, 5, 1), certain=False)]


def test_a_shard_is_read_back_as_it_was_written(tmp_path: Path):
    identity = write_shard(tmp_path, ENTRIES, EXTRAS)
    assert [path.name for path in tmp_path.iterdir()] == [f"{identity}.parquet"]
    assert read_shard(tmp_path / f"{identity}.parquet") == (ENTRIES, EXTRAS)
    assert write_shard(tmp_path, ENTRIES, EXTRAS) == identity
    assert write_shard(tmp_path, ENTRIES[:1], EXTRAS) != identity


def test_a_lone_surrogate_is_replaced(tmp_path: Path):
    identity = write_shard(tmp_path, [Entry(b"a" * 32, Completion("so \ud83d"), "\ud83d")], [])
    [entry], _ = read_shard(tmp_path / f"{identity}.parquet")
    assert (entry.completion.text, entry.example) == ("so ?", "?")


def test_a_shard_is_imported_once(tmp_path: Path):
    write_shard(tmp_path, ENTRIES, EXTRAS)
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        for _ in range(2):
            import_shards(tmp_path, ledger)
            assert ledger.get([ENTRIES[0].key]) == {ENTRIES[0].key: SAID}
            certain = [(tokens, sure) for tokens, sure in ledger.billed() if tokens.output]
            assert certain == [(Usage(12, 3, 4), True), (Usage(7, 5, 1), False)]


def test_answers_in_a_shard_alone_are_not_asked_for_again(write_experiment, endpoint: Endpoint):
    changes = {"methods": ["step-by-step"], "data.test": None}
    experiment = open_experiment(write_experiment(changes), endpoint.url)
    calls = list(all_calls(experiment))
    answers = [Entry(call.key, SAID, call.prompt.example_id) for call in calls[:5]]
    write_shard(experiment.folder.shards, answers, [])
    assert annotate(experiment) == AnnotationProgress(total=8, from_ledger=5, answered=3)
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize("content", [b"", b"PAR1", b"nothing of the kind"])
def test_a_file_that_is_no_shard_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "odd.parquet").write_bytes(content)
    with open_ledger(tmp_path / "l") as ledger, pytest.raises(RunError) as caught:
        import_shards(tmp_path, ledger)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/odd.parquet: cannot be read as a shard of answers (")
    assert message.endswith("); move it away")
    assert "\n" not in message


def test_a_table_with_other_columns_is_no_shard(tmp_path: Path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": [1]}), tmp_path / "odd.parquet")
    with pytest.raises(RunError, match="cannot be read as a shard of answers"):
        read_shard(tmp_path / "odd.parquet")
