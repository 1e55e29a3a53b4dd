"""What was put in is recorded, and what was there before is kept."""

from __future__ import annotations

import importlib.util
import marshal
import os
from pathlib import Path

import pytest

from equip.code.provenance import RECORD_TAG
from equip.errors import PycError
from equip.inject.request import Insertion, JoinPoint, Plan
from equip.program import record

CLEAN = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("x = 1", "x", "exec"))
NEW = marshal.dumps(compile("x = 2", "x", "exec"))
ODD = "print('''{arg0}''', \"\\n\", '\udc80', {{'a': 1}})\n"
_INNER = compile("x = 3", "x", "exec").replace(co_consts=(3, (RECORD_TAG, ("Calls", 1), ("Other", 2))))
_OUTER = compile("x = 4", "x", "exec").replace(co_consts=(4, _INNER, (RECORD_TAG, ("Calls", 1))))
REMAINS = marshal.dumps(_OUTER)
PLAN: Plan = {
    (): [Insertion(JoinPoint.IMPORT, "import sys", probe="Calls")],
    (0, 3): [
        Insertion(JoinPoint.BEFORE, ODD, probe="Calls", group=1),
        Insertion(JoinPoint.LINENO, "pass", 7, True, 'Other\'s "probe"', 2),
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    target = tmp_path / "m.pyc"
    target.write_bytes(CLEAN)
    return str(target)


def instrument(path: str, plan: Plan = PLAN, body: bytes = NEW) -> None:
    record.put(record.load(path), body, plan)


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def test_a_clean_file(path: str) -> None:
    found = record.load(path)
    assert found == record.Recorded(path, CLEAN, CLEAN, {})
    assert found.clean_code().co_consts[0] == 1


def test_what_was_put_in_is_known_again(path: str) -> None:
    instrument(path)
    found = record.load(path)
    assert found.plan == PLAN
    assert found.clean_data == CLEAN
    assert found.data == read(path)
    assert found.clean_code().co_consts[0] == 1
    trailer = record.find_trailer(path, read(path))
    assert trailer is not None
    assert [probe.name for probe in trailer.probes] == ["Calls", 'Other\'s "probe"']
    assert sorted(os.listdir(os.path.dirname(path))) == ["m.pyc", "m.pyc.equip"]


def test_the_import_system_does_not_see_the_trailer(path: str) -> None:
    instrument(path)
    spec = importlib.util.spec_from_file_location("m", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.x == 2


def test_header_and_mode_are_kept(path: str) -> None:
    os.chmod(path, 0o640)
    instrument(path)
    assert read(path)[:16] == CLEAN[:16]
    assert {os.stat(name).st_mode & 0o777 for name in (path, record.kept_path(path))} == {0o640}


def test_writing_the_clean_file_forgets_the_rest(path: str) -> None:
    instrument(path)
    record.write_clean(path, CLEAN)
    assert read(path) == CLEAN
    assert os.listdir(os.path.dirname(path)) == ["m.pyc"]


def test_adding_to_it_keeps_the_first_original(path: str) -> None:
    instrument(path)
    instrument(path, more := {**PLAN, (1,): [Insertion(JoinPoint.BEFORE, "pass")]})
    found = record.load(path)
    assert found.plan == more
    assert found.clean_data == CLEAN


# -- every state in which a writer can be stopped --------------------------------------------------


def test_stopped_before_the_first_replacement(path: str) -> None:
    instrument(path)
    Path(path).write_bytes(CLEAN)
    found = record.load(path)
    assert found.plan == {}
    assert not found.stale
    assert found.clean_data == CLEAN


def test_stopped_before_a_later_replacement(path: str) -> None:
    instrument(path)
    first = read(path)
    instrument(path, {(1,): [Insertion(JoinPoint.BEFORE, "pass")]})
    Path(path).write_bytes(first)
    assert record.load(path).plan == PLAN


def test_stopped_before_the_kept_file_was_removed(path: str) -> None:
    instrument(path)
    kept = Path(record.kept_path(path)).read_bytes()
    record.write_clean(path, CLEAN)
    Path(record.kept_path(path)).write_bytes(kept)
    assert not record.load(path).stale


def test_compiled_anew_by_python(path: str) -> None:
    instrument(path)
    Path(path).write_bytes(CLEAN[:8] + b"1234" + CLEAN[12:])
    found = record.load(path, source="m.py")
    assert found.stale
    assert found.plan == {}


def test_another_file_in_its_place(path: str) -> None:
    instrument(path)
    Path(path).write_bytes(CLEAN[:8] + b"1234" + CLEAN[12:])
    with pytest.raises(PycError, match=r"another file .* instrumented with Calls, .* keeps the only original"):
        record.load(path)


def test_written_anew_by_another_tool(path: str) -> None:
    instrument(path, body=REMAINS)
    Path(path).write_bytes(CLEAN[:16] + REMAINS)
    source = path.removesuffix("c")
    Path(source).touch()
    os.utime(source, (0, 0))
    for known in (None, source):
        with pytest.raises(PycError, match=r"has Calls, Other in it, but no record of that.*`equip restore`"):
            record.load(path, known)
    os.utime(source, (1, 1))
    with pytest.raises(PycError, match=r"no record of that.*: compile it anew"):
        record.load(path, source)
    os.unlink(record.kept_path(path))
    with pytest.raises(PycError, match=r"no record of that.*: compile it anew"):
        record.load(path)


def test_an_original_may_have_remains(path: str) -> None:
    Path(path).write_bytes(CLEAN[:16] + REMAINS)
    Path(record.kept_path(path)).write_bytes(record._encode_kept(CLEAN[:16] + REMAINS, [PLAN]))
    assert record.load(path).plan == {}


def test_to_mention_records_is_to_have_none(path: str) -> None:
    code = compile(f"x = {RECORD_TAG!r}, 'Calls'; y = {(RECORD_TAG,)}", "x", "exec")
    Path(path).write_bytes(CLEAN[:16] + marshal.dumps(code))
    assert record.load(path).plan == {}


def test_a_failed_replacement_leaves_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def fail(source: str, target: str) -> None:
        if target == path:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        instrument(path)
    assert read(path) == CLEAN
    assert os.listdir(os.path.dirname(path)) == ["m.pyc"]


# -- what cannot be trusted -----------------------------------------------------------------------


def test_the_kept_file_is_lost(path: str) -> None:
    instrument(path)
    os.unlink(record.kept_path(path))
    with pytest.raises(PycError, match=r"was instrumented with Calls, Other's .*is missing or of another file"):
        record.load(path)


def test_the_kept_file_is_of_another_file(path: str) -> None:
    instrument(path)
    other = path.replace("m.pyc", "n.pyc")
    Path(other).write_bytes(CLEAN[:12] + b"4321" + CLEAN[16:])
    instrument(other)
    os.replace(record.kept_path(other), record.kept_path(path))
    with pytest.raises(PycError, match="of another file"):
        record.load(path)


@pytest.mark.parametrize("cut", [0, 5, 20, 60, -1])
def test_the_kept_file_is_damaged(path: str, cut: int) -> None:
    instrument(path)
    kept = Path(record.kept_path(path))
    kept.write_bytes(kept.read_bytes()[:cut])
    with pytest.raises(PycError, match="damaged"):
        record.load(path)


def test_the_kept_file_is_of_another_version(path: str) -> None:
    instrument(path)
    kept = Path(record.kept_path(path))
    data = kept.read_bytes()
    start = data.index(b"\r\n") + 2
    kept.write_bytes(data[:start] + bytes([99]) + data[start + 1 :])
    with pytest.raises(PycError, match=r"kept by another version of equip \(format 99, this one has 1\)"):
        record.load(path)


def test_a_damaged_file_can_be_restored(path: str) -> None:
    instrument(path)
    data = read(path)
    for damaged in (b"", data[:10], data[:30]):
        Path(path).write_bytes(damaged)
        with pytest.raises(PycError, match="its original is kept: `equip restore`"):
            record.load(path).clean_code()
    os.unlink(path)
    with pytest.raises(PycError, match=r"cannot be read .*; its original is kept: `equip restore`"):
        record.load(path)


def test_a_link_stands_for_the_file_behind_it(path: str) -> None:
    link = path.replace("m.pyc", "link.pyc")
    os.symlink("m.pyc", link)
    instrument(link)
    assert record.load(link) == record.load(path)
    assert record.load(link).plan == PLAN
    assert os.readlink(link) == "m.pyc"
    assert sorted(os.listdir(os.path.dirname(path))) == ["link.pyc", "m.pyc", "m.pyc.equip"]


def test_the_trailer_is_damaged(path: str) -> None:
    instrument(path)
    data = bytearray(read(path))
    length = int.from_bytes(data[-12:-8], "little")
    data[-12 - length] = 0xFF
    Path(path).write_bytes(data)
    with pytest.raises(PycError, match="record at its end is damaged"):
        record.load(path)


def test_another_format(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FORMAT", 99)
    instrument(path)
    monkeypatch.undo()
    with pytest.raises(PycError, match="another version of equip"):
        record.load(path)


def test_digests_do_not_depend_on_groups_and_do_on_everything_else() -> None:
    def digest(**fields: object) -> str:
        one = Insertion(**{"location": JoinPoint.BEFORE, "source": "a", "probe": "P", **fields})  # type: ignore[arg-type]
        return record.probes_of({(1,): [one]})[0].digest

    assert digest() == digest(group=5)
    others = [digest(source="b"), digest(lineno=3), digest(suppress=True), digest(location=JoinPoint.AFTER)]
    assert len({digest(), *others}) == 5
