"""The batches of a training."""

from distilwhy.students.encoding import DrawnRow, EncodedRow, EncodedTarget
from distilwhy.students.training.sampler import BatchOrder, split_batch


def bare_rows(lengths: list[int], variants: int = 1) -> list[EncodedRow]:
    def targets(index: int) -> tuple[EncodedTarget, ...]:
        return (EncodedTarget("label", [0], [index]),)

    return [EncodedRow(([1] * n,), tuple(map(targets, range(variants)))) for n in lengths]


def test_batch_order_is_a_function_of_seed_and_step():
    rows = bare_rows([i % 13 for i in range(100)])
    forward = [BatchOrder(rows, 8, seed=3).indices(step) for step in range(30)]
    order = BatchOrder(rows, 8, seed=3)
    assert [order.indices(step) for step in reversed(range(30))] == forward[::-1]
    assert [BatchOrder(rows, 8, seed=4).indices(step) for step in range(30)] != forward


def test_no_row_comes_twice_in_an_epoch():
    order = BatchOrder(bare_rows([1] * 100), 8, seed=0)
    epoch = [index for step in range(12) for index in order.indices(step)]
    assert len(set(epoch)) == len(epoch) == 96


def test_fewer_rows_than_the_batch_size_are_one_batch():
    assert sorted(BatchOrder(bare_rows([1, 2, 3]), 8, seed=0).indices(5)) == [0, 1, 2]


def test_each_epoch_draws_one_set_of_targets():
    order = BatchOrder(bare_rows([1] * 4, variants=3), 4, seed=0)
    drawn = [[row.targets[0].ids[0] for row in order.draw(epoch)] for epoch in range(40)]
    assert {token for epoch in drawn for token in epoch} == {0, 1, 2}
    assert len({tuple(epoch) for epoch in drawn}) > 5
    again = BatchOrder(bare_rows([1] * 4, variants=3), 4, seed=0)
    assert [row.targets[0].ids[0] for row in again.draw(17)] == drawn[17]


def test_the_parts_of_a_batch_have_all_its_rows():
    rows = [DrawnRow(row, ()) for row in bare_rows([1, 2, 3, 4, 5])]
    parts = split_batch(rows, 2)
    assert [len(part) for part in parts] == [3, 2]
    assert {id(row) for part in parts for row in part} == set(map(id, rows))
