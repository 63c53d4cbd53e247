"""What `segloop faults` writes of a run."""

from pathlib import Path

from segloop.stack import faults

XML = """<testsuites><testsuite>
<testcase classname="tests.faults.test_a" name="r1" time="2.04"><properties><property name="kills" value="7"/></properties></testcase>
<testcase classname="tests.faults.test_a" name="r2[x|y]" time="1"><failure message="I1 lost&#10;more">trace</failure></testcase>
<testcase classname="tests.faults.test_a" name="r3" time="0"><skipped message="NOT RUN: no disk"/></testcase>
</testsuite></testsuites>"""


def test_a_report_tells_figures_failures_and_what_was_not_run(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(XML)
    cases = faults.read(tmp_path / "junit.xml")
    assert [(case.name, case.outcome, case.seconds) for case in cases] == [
        ("test_a.r1", "passed", 2.0),
        ("test_a.r2[x|y]", "FAILED", 1.0),
        ("test_a.r3", "not run", 0.0),
    ]
    assert cases[0].figures == {"kills": "7"}
    assert [case.reason for case in cases] == ["", "I1 lost", "NOT RUN: no disk"]
    table = faults._table({"seed": 5}, cases)
    assert "seed: 5" in table and "| test_a.r1 | passed | 2 | kills 7 |" in table
    assert r"| test_a.r2[x\|y] | FAILED | 1 | I1 lost |" in table
