from flytetemporal.compiler.problems import Code, Problems


def test_problems_are_reported_once_and_sorted_by_code() -> None:
    problems = Problems()
    problems.value_required("n1", "Target")
    problems.parameter_not_bound("n2", "b")
    problems.parameter_not_bound("n2", "a")
    problems.parameter_not_bound("n2", "a")

    assert problems.text() == (
        "Collected Errors: 3\n"
        "\tError 0: Code: ParameterNotBound, Node Id: n2, Description: Parameter not bound [a].\n"
        "\tError 1: Code: ParameterNotBound, Node Id: n2, Description: Parameter not bound [b].\n"
        "\tError 2: Code: ValueRequired, Node Id: n1, Description: Value required [Target].\n"
    )


def test_a_collection_is_true_when_something_was_found() -> None:
    problems = Problems()

    assert not problems
    problems.add(Code.INVALID_VALUE, "n0", "wrong")
    assert problems
