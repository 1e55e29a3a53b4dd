"""Real programs: small work for modules of the standard library, the same in every run.

Each workload gets `Copies` and returns something to compare. Modules are loaded before the work
starts, through the first step of the generator: what stands behind ``yield`` is what is watched.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator

from oracle.copies import Copies

Workload = Callable[[Copies], Iterator[object]]
WORKLOADS: dict[str, Workload] = {}
QUICK = (
    "json", "textwrap", "csv", "difflib", "tokenize", "configparser", "heapq", "fractions", "string_template", "shlex",
    "pprint", "contextlib", "graphlib", "calendar", "random", "html_parser", "argparse", "pathlib",
)  # fmt: skip
"""Those of the normal tier."""

TEXT = """The quick brown fox jumps over the lazy dog. It was not amused, said the dog; nobody asked.

    def f(x, *args, key=None):
        '''Indented.'''
        return [i ** 2 for i in range(x) if i % 2] or {"a": key}

Ünïcödé — and numbers: 1,234.5e-6, 0x1F, (3 + 4j).
"""
PYTHON = '''\
"""A module."""
import os, sys as system
from a.b import (c, d as e,)

@decorator(1, *x, **y)
class C(Base, metaclass=M):
    attr: int = 1

    async def method(self, a, /, b=2, *args, c, d=4, **kw) -> int:
        async with a as b, c:
            await self.x[1:2, ...]
        try:
            yield (lambda x: x + 1)(2)
        except (A, B) as error:
            raise X from error
        else:
            return {**a, 'b': [*c]}
        finally:
            del a.b, c[1]

for i, (j, *k) in enumerate([1, 2]):
    while i < 3 <= j and not k or i:
        if i == 1: continue
        elif (n := 5) != 2: break
    else:
        pass
print(f"{a!r:>{width}} {b=}", 1_000, 0x1f, 1e5, "a" 'b', rb"\\\\x", x if y else z)
match command:
    case [Point(x=0), {"k": v, **rest}] if v: pass
    case "a" | 1 | None | _: pass
'''


def workload(function: Workload) -> Workload:
    WORKLOADS[function.__name__] = function
    return function


@workload
def json(copies: Copies) -> Iterator[object]:
    scanner, decoder, encoder, package = copies.load(
        "json.scanner", "json.decoder", "json.encoder", "json", without=["_json"]
    )
    yield
    data = {"a": [1, 2.5, None, True, {"b": "ü\n\"", "c": []}], "d": {}, "e": -1e9, "f": "x" * 30}
    text = encoder.JSONEncoder(indent=2, sort_keys=True).encode(data)
    back = decoder.JSONDecoder(object_pairs_hook=list).decode(text)
    problems = []
    for bad in ('{"a" 1}', "[1,", '"\\x"', "nul", "", '{"a": 1,}', "[1] 2"):
        try:
            decoder.JSONDecoder().decode(bad)
        except ValueError as error:
            problems.append(str(error))
    yield text, back, problems, package.dumps([1, {"z": ()}], separators=(",", ":"))


@workload
def textwrap(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("textwrap")
    yield
    yield [
        module.wrap(TEXT, 30),
        module.fill(TEXT, 20, initial_indent="* ", subsequent_indent="  ", max_lines=3),
        module.dedent(TEXT),
        module.indent(TEXT, "> "),
        module.shorten(TEXT, 40),
        module.wrap("averyveryverylongword-with-hyphens and more", 8, break_on_hyphens=False),
    ]


@workload
def csv(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("csv")
    yield
    text = "name;age;city\r\nAnn;5;here\r\nBob;;x\r\nCy;7;y\r\n"
    dialect = module.Sniffer().sniff(text + "\r\n'q;r';6;z\r\n", ";,")
    rows = list(module.DictReader(io.StringIO(text + "D;8;z;extra"), delimiter=dialect.delimiter, restkey="more"))
    out = io.StringIO()
    writer = module.DictWriter(out, ["a", "b"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows([{"a": 1, "b": 'q"x'}, {"a": 2, "c": 3}])
    try:
        module.DictWriter(out, ["a"]).writerow({"z": 1})
    except ValueError as error:
        problem = str(error)
    yield dialect.delimiter, rows, out.getvalue(), problem, module.Sniffer().has_header(text)


@workload
def difflib(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("difflib")
    yield
    a = TEXT.splitlines(True)
    b = [line.replace("dog", "cat") for line in a if "not" not in line] + ["new\n"]
    yield [
        list(module.unified_diff(a, b, "a", "b")),
        list(module.ndiff(a, b)),
        module.get_close_matches("appel", ["ape", "apple", "peach"]),
        module.SequenceMatcher(None, "abcd", "bcde").ratio(),
        list(module.context_diff(a, b, n=1)),
        module.HtmlDiff(wrapcolumn=20).make_table(a[:2], b[:2])[:300],
    ]


@workload
def ast(copies: Copies) -> Iterator[object]:
    apart = importlib.util.find_spec("_ast_unparse")
    module = copies.load("ast")[0]
    unparser = copies.load("_ast_unparse")[0].Unparser if apart else module._Unparser
    yield
    tree = module.parse(PYTHON)
    names_seen = [type(node).__name__ for node in module.walk(tree)]
    docstring = module.get_docstring(tree)
    literal = module.literal_eval("[1, {'a': -2}]")
    yield unparser().visit(tree), module.dump(tree, indent=1)[:500], names_seen, docstring, literal


@workload
def tokenize(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("tokenize")
    yield
    tokens = list(module.generate_tokens(io.StringIO(PYTHON).readline))
    source = module.untokenize((t.type, t.string) for t in tokens)
    encoding = module.detect_encoding(io.BytesIO(b"# -*- coding: latin-1 -*-\nx = 1\n").readline)
    problems = []
    for bad in ("x = (", "def f():\n  x\n y\n"):
        try:
            list(module.generate_tokens(io.StringIO(bad).readline))
        except (SyntaxError, module.TokenError) as error:
            problems.append(type(error).__name__)
    yield [tuple(t)[:4] for t in tokens], source, encoding, problems


@workload
def argparse(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("argparse")
    yield

    class Parser(module.ArgumentParser):
        def error(self, message):  # type: ignore[no-untyped-def]
            raise ValueError(message)

    options = {"color": False} if "color" in module.ArgumentParser.__init__.__code__.co_varnames else {}
    parser = Parser("prog", description="Does things.", **options)
    parser.add_argument("--verbose", "-v", action="count", default=0)
    parser.add_argument("--level", type=int, choices=[1, 2, 3], help="the level (default: %(default)s)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--x", action="store_true")
    group.add_argument("--y", nargs="*")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="adds")
    add.add_argument("items", nargs="+", metavar="ITEM")
    results = []
    for line in ("-vv --level 2 add a b", "--x --y add q", "add", "--level 9 add a", "--y 1 2 -- add z", "bogus"):
        try:
            results.append(vars(parser.parse_args(line.split())))
        except ValueError as error:
            results.append(str(error))
    yield results, parser.format_help(), add.format_usage()


@workload
def configparser(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("configparser")
    yield
    parser = module.ConfigParser(allow_no_value=True)
    parser.read_string("[DEFAULT]\nroot = /r\n[a]\npath: %(root)s/x\nflag\nlong = one\n  two\n# note\n[b]\nn = 5\nyes = on\n")
    parser.add_section("c")
    parser.set("c", "k", "v")
    out = io.StringIO()
    parser.write(out)
    problems = []
    for bad in ("x = 1", "[a]\n[a]\n", "[a]\nx=1\nx=2\n"):
        try:
            module.ConfigParser().read_string(bad)
        except module.Error as error:
            problems.append(error.message)
    yield {s: dict(parser[s]) for s in parser.sections()}, parser.getint("b", "n"), parser["b"].getboolean("yes"), out.getvalue(), problems


@workload
def html_parser(copies: Copies) -> Iterator[object]:
    base, module = copies.load("_markupbase", "html.parser")
    yield
    events: list[object] = []

    class Parser(module.HTMLParser):
        def __getattribute__(self, name):  # type: ignore[no-untyped-def]
            if name.startswith("handle_") or name == "unknown_decl":
                return lambda *args: events.append((name, args))
            return super().__getattribute__(name)

    parser = Parser(convert_charrefs=False)
    parser.feed("<!DOCTYPE html><p class=a id='b'>x &amp; y<br/><!-- c --><script>if (a < b) {}</script>")
    parser.feed("&#65; <a href=\"?q=1&b\">t</a><?pi x?><![CDATA[z]]></p")
    parser.close()
    yield events, parser.getpos()


@workload
def heapq(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("heapq", without=["_heapq"])
    yield
    data = [5, 3, 8, 1, 9, 2, 7]
    heap = list(data)
    module.heapify(heap)
    module.heappush(heap, 4)
    out = [module.heappop(heap) for _ in range(3)] + [module.heappushpop(heap, 0), module.heapreplace(heap, 6)]
    yield out, heap, module.nlargest(3, data), module.nsmallest(2, data, key=lambda x: -x), list(module.merge([1, 4], [2, 3], reverse=False))


@workload
def statistics(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("statistics")
    yield
    data = [1, 2, 2, 3, 4.5, 7]
    try:
        module.mean([])
    except module.StatisticsError as error:
        problem = str(error)
    yield [
        module.mean(data), module.median(data), module.mode(data), module.stdev(data), module.quantiles(data),
        module.multimode("aabb"), module.linear_regression([1, 2, 3], [2, 4, 7]), problem,
        module.NormalDist(1, 2).cdf(1.5), module.harmonic_mean([1, 2, 4]), module.geometric_mean([1, 2, 4]),
    ]  # fmt: skip


@workload
def fractions(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("fractions")
    yield
    F = module.Fraction
    yield [
        str(F(1, 3) + F("2/5") * 3 - 1), str(F(0.75) ** -2), F(22, 7) // 1, str(F(3.14159).limit_denominator(100)),
        F(1, 2) < F(2, 3) <= 1, F(1, 2) == 0.5, divmod(F(7, 2), F(1, 3)), float(F(1, 8)), round(F(7, 3), 1), hash(F(1, 3)),
    ]  # fmt: skip


@workload
def decimal(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("_pydecimal")
    yield
    D = module.Decimal
    with module.localcontext() as context:
        context.prec = 12
        values = [D(1) / D(7), D("2").sqrt(), D("1.1") ** 5, D("-3.456").quantize(D("0.1")), D(10).ln(), D("1e5") % 7]
        try:
            D(1) / D(0)
        except module.DivisionByZero as error:
            values.append(type(error).__name__)
    yield [str(v) for v in values], D("Infinity") > 1, f"{D('1234567.891'):,.2f}"


@workload
def string_template(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("string")
    yield
    template = module.Template("$who likes ${what}, $$5 and $missing")
    results = [template.safe_substitute(who="tim", what="kung pao")]
    try:
        template.substitute(who=1, what=2)
    except KeyError as error:
        results.append(repr(error))
    formatter = module.Formatter()
    yield results, formatter.format("{0!r:>5} {a[k]} {b:{w}}", 1, a={"k": 2}, b="x", w=4), module.capwords("a bc  d")


@workload
def re_compile(copies: Copies) -> Iterator[object]:
    constants, parser, compiler = copies.load("re._constants", "re._parser", "re._compiler")
    yield
    results = []
    for pattern in (r"(?P<a>x+?)(?:b|c)*(?=d)[^a-f\d]{2,5}\1$", r"(?i)\bfoo|ba[rz]+", r"(?<!a)b(?(1)x|y)()", r"[[a]", r"(", r"a**", r"\p"):
        try:
            parsed = parser.parse(pattern)
            results.append((str(parsed.data)[:200], len(compiler._code(parsed, 0)), parsed.getwidth()))
        except Exception as error:
            results.append(str(error))
    yield results


@workload
def shlex(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("shlex")
    yield
    results: list[object] = [module.split("a 'b c' \"d \\\" e\" f\\ g # x", comments=True), module.quote("it's"), module.join(["a b", "c"])]
    for bad in ("'open", "esc\\"):
        try:
            module.split(bad)
        except ValueError as error:
            results.append(str(error))
    yield results, list(module.shlex("a && b || c; d > e", punctuation_chars=True))


@workload
def pprint(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("pprint")
    yield
    data: dict[object, object] = {"k" * 20: list(range(30)), "s": {3, 1, 2}, "t": ("x" * 50, "y" * 50), "b": b"z" * 90, 5: {}}
    data["self"] = [data]
    yield [line.split(" id=")[0] for line in module.pformat(data, width=40, compact=True).splitlines()], module.saferepr([1, "a"])


@workload
def dataclasses(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("dataclasses")
    yield

    @module.dataclass(order=True, frozen=True)
    class P:
        x: int
        y: int = 0
        z: list = module.field(default_factory=list, compare=False)

    def post_init(self, b):  # type: ignore[no-untyped-def]
        self.a += b

    fields = [("a", int), ("b", module.InitVar[int], 5), ("c", list, module.field(default_factory=list, repr=False))]
    Q = module.make_dataclass("Q", fields, namespace={"__post_init__": post_init}, kw_only=True)
    try:
        P(1).x = 2
    except module.FrozenInstanceError as error:
        problem = str(error)
    yield repr(P(1, 2)), P(1) < P(1, 1), module.asdict(P(3)), module.replace(P(1), y=9).y, problem, Q(a=1).a, repr(Q(a=2)), len(module.fields(P)), hash(P(1)) == hash(P(1))


@workload
def enum(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("enum")
    yield

    class Color(module.Enum):
        RED = 1
        GREEN = module.auto()
        ALIAS = 1

    class Perm(module.Flag):
        R = 4
        W = 2
        X = 1

    try:
        Color(9)
    except ValueError as error:
        problem = str(error).rsplit(" ", 2)[-1]
    yield [c.name for c in Color], Color["RED"] is Color(1), str(Perm.R | Perm.W), (Perm.R & ~Perm.X).value, problem, [p.name for p in Perm.R | Perm.X]


@workload
def functools(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("functools", without=["_functools"])
    yield

    @module.lru_cache(maxsize=2)
    def square(x):  # type: ignore[no-untyped-def]
        return x * x

    @module.singledispatch
    def show(x):  # type: ignore[no-untyped-def]
        return "any"

    @show.register(int)
    def _(x):  # type: ignore[no-untyped-def]
        return "int"

    @module.total_ordering
    class T:
        def __init__(self, v):  # type: ignore[no-untyped-def]
            self.v = v

        def __lt__(self, other):  # type: ignore[no-untyped-def]
            return self.v < other.v

        def __eq__(self, other):  # type: ignore[no-untyped-def]
            return self.v == other.v

        @module.cached_property
        def twice(self):  # type: ignore[no-untyped-def]
            return self.v * 2

    yield [
        [square(x) for x in (1, 2, 1, 3, 2)], tuple(square.cache_info()), show(1), show("x"), T(1) >= T(0), T(4).twice,
        module.partial(int, base=2)("101"), module.reduce(lambda a, b: a + b, [1, 2, 3], 10),
        sorted([3, 1, 2], key=module.cmp_to_key(lambda a, b: b - a)),
    ]  # fmt: skip


@workload
def contextlib(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("contextlib")
    yield
    log: list[object] = []

    @module.contextmanager
    def tag(name):  # type: ignore[no-untyped-def]
        log.append(name)
        try:
            yield name
        except KeyError:
            log.append("swallowed")
        finally:
            log.append("/" + name)

    with module.ExitStack() as stack:
        stack.enter_context(tag("a"))
        stack.callback(log.append, "callback")
        stack.push(lambda *exc: log.append(exc[0] and exc[0].__name__) or True)
        raise ValueError
    with tag("k"), module.suppress(ZeroDivisionError):
        raise KeyError
    with module.redirect_stdout(io.StringIO()) as out, module.closing(io.StringIO()), module.nullcontext(5) as five:
        print("hidden", five)
    try:
        with tag("e"):
            raise ValueError("through")
    except ValueError as error:
        log.append(str(error))
    yield log, out.getvalue()


@workload
def collections(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("collections")
    yield
    counter = module.Counter("mississippi")
    counter.subtract("miss")
    Point = module.namedtuple("Point", "x y", defaults=[0])
    chain = module.ChainMap({"a": 1}, {"a": 2, "b": 3})
    user = module.UserList([3, 1, 2])
    user.sort()
    yield counter.most_common(2), +counter, Point(1)._replace(y=5), Point(2)._asdict(), dict(chain), user + [4], module.UserString("ab") * 2, counter | module.Counter(z=3)


@workload
def asyncio(copies: Copies) -> Iterator[object]:
    names = ("locks", "queues", "taskgroups", "timeouts")
    locks, queues, taskgroups, timeouts = copies.load(*(f"asyncio.{name}" for name in names))
    yield
    import asyncio as real

    async def work() -> object:
        queue, lock, log = queues.Queue(maxsize=1), locks.Lock(), []

        async def produce() -> None:
            for i in range(3):
                await queue.put(i)

        async def consume() -> None:
            for _ in range(3):
                async with lock:
                    log.append(await queue.get())

        async with taskgroups.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        try:
            async with timeouts.timeout(0):
                await real.sleep(5)
        except TimeoutError:
            log.append("timeout")
        event, semaphore = locks.Event(), locks.Semaphore(1)
        event.set()
        async with semaphore:
            await event.wait()
        try:
            async with taskgroups.TaskGroup() as group:
                group.create_task(_fails())
                group.create_task(real.sleep(5))
        except* ValueError as errors:
            log.append(len(errors.exceptions))
        return log

    async def _fails() -> None:
        raise ValueError

    yield real.run(work())


@workload
def tempfile(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("tempfile")
    yield
    import os

    with module.TemporaryDirectory() as folder:
        with module.NamedTemporaryFile("w+", dir=folder, suffix=".x") as stream:
            stream.write("text")
            stream.seek(0)
            text = stream.read()
        with module.SpooledTemporaryFile(4) as spooled:
            spooled.write(b"123456")
            rolled = spooled._rolled
        left = os.listdir(folder)
    yield text, rolled, left, os.path.exists(folder)


@workload
def zipfile(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("zipfile")
    yield
    buffer = io.BytesIO()
    with module.ZipFile(buffer, "w", module.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello " * 50)
        archive.writestr(module.ZipInfo("d/b.bin", (2020, 1, 1, 0, 0, 0)), b"\0" * 10)
    with module.ZipFile(buffer) as archive:
        result = archive.namelist(), archive.read("a.txt")[:5], archive.testzip(), archive.getinfo("d/b.bin").file_size
    try:
        module.ZipFile(io.BytesIO(b"not a zip"))
    except module.BadZipFile as error:
        problem = str(error)
    yield result, problem


@workload
def urllib_parse(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("urllib.parse")
    yield
    url = "https://user:pw@host.example:8080/a/../b;p?q=1&q=2&e=%C3%BC#frag"
    parts = module.urlsplit(url)
    problems = []
    for bad in ("http://[::1", "http://h:99999/"):
        try:
            module.urlsplit(bad).port  # noqa: B018
        except ValueError as error:
            problems.append(str(error))
    yield tuple(parts), parts.port, module.parse_qs(parts.query), module.urljoin(url, "../x?y"), module.quote("ä b/c"), module.unquote_plus("a+%20b"), module.urlencode({"a": [1, 2]}, doseq=True), problems


@workload
def email(copies: Copies) -> Iterator[object]:
    header_parser, feedparser, message = copies.load("email._header_value_parser", "email.feedparser", "email.message")
    yield
    text = (
        "From: =?utf-8?q?J=C3=B6?= <a@b.example>\nTo: x@y.example, \"Q, R\" <q@r.example>\nSubject: hi\n there\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=\"zz\"\n\npre\n--zz\nContent-Type: text/plain\n\nbody\n--zz--\n"
    )
    parser = feedparser.FeedParser()
    for line in text.splitlines(True):
        parser.feed(line)
    parsed = parser.close()
    addresses = header_parser.get_address_list('x@y.example, "Q, R" <q@r.example>, g: a@b.example;')[0]
    yield parsed.keys(), [p.get_content_type() for p in parsed.walk()], parsed.get_boundary(), str(addresses), [len(m.mailboxes) for m in addresses.addresses]


@workload
def xml_etree(copies: Copies) -> Iterator[object]:
    path, module = copies.load("xml.etree.ElementPath", "xml.etree.ElementTree", without=["_elementtree"])
    yield
    root = module.XML("<r a='1'><b>t<c/>tail</b><b x='2'/><!-- n --><d xmlns='urn:x'><e/></d></r>")
    root.append(module.Element("new", {"k": "v&"}))
    module.indent(root)
    try:
        module.XML("<a><b></a>")
    except module.ParseError as error:
        problem = str(error)
    yield module.tostring(root, "unicode"), [e.tag for e in root.iter()], root.find("b[@x='2']").get("x"), root.findtext("b"), len(root.findall(".//{urn:x}e")), problem


@workload
def calendar(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("calendar")
    yield
    yield module.TextCalendar().formatmonth(2024, 2), module.HTMLCalendar().formatmonth(2023, 1)[:200], module.isleap(1900), list(module.Calendar(6).itermonthdays2(2024, 2)), module.monthrange(2024, 2)


@workload
def datetime(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("_pydatetime" if importlib.util.find_spec("_pydatetime") else "datetime", without=["_datetime"])
    yield
    moment = module.datetime(2024, 2, 29, 12, 30, 15, 250, tzinfo=module.timezone(module.timedelta(hours=2)))
    later = moment + module.timedelta(days=366, seconds=-5)
    try:
        module.date(2023, 2, 29)
    except ValueError as error:
        problem = str(error)
    yield str(later), later - moment, moment.isoformat(), moment.isocalendar()[:3], module.datetime.fromisoformat("2024-01-02T03:04:05+01:00").utcoffset(), repr(module.timedelta(1.5)), moment.strftime("%Y %j"), problem


@workload
def random(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("random")
    yield
    rng = module.Random(7)
    items = list(range(10))
    rng.shuffle(items)
    yield items, rng.sample(range(100), 4), rng.choices("abc", [1, 2, 3], k=5), rng.randint(1, 6), round(rng.gauss(0, 1), 6), round(rng.betavariate(1, 2), 6), rng.randrange(0, 50, 5)


@workload
def graphlib(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("graphlib")
    yield
    order = list(module.TopologicalSorter({"d": ["b", "c"], "b": ["a"], "c": ["a"]}).static_order())
    try:
        module.TopologicalSorter({1: [2], 2: [1]}).prepare()
    except module.CycleError as error:
        problem = sorted(error.args[1])
    yield sorted(order), problem


@workload
def ipaddress(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("ipaddress")
    yield
    net = module.ip_network("10.0.0.0/29")
    problems = []
    for bad in ("10.0.0.256", "1::2::3", "10.0.0.1/33", ""):
        try:
            module.ip_interface(bad)
        except ValueError as error:
            problems.append(str(error))
    yield list(map(str, net.hosts())), net.num_addresses, str(module.ip_address("::ffff:1.2.3.4").ipv4_mapped), [str(n) for n in net.subnets(1)], problems, list(map(str, module.collapse_addresses([net, net]))), module.ip_address("fe80::1").exploded


@workload
def copy_and_bisect(copies: Copies) -> Iterator[object]:
    copy, bisect, keyword, fnmatch, glob = copies.load("copy", "bisect", "keyword", "fnmatch", "glob", without=["_bisect"])
    yield

    class Node:
        def __init__(self) -> None:
            self.me, self.items = self, [1, (2, [3])]

    clone = copy.deepcopy(Node())
    items = [1, 3, 5]
    bisect.insort(items, 4)
    yield clone.me is clone, clone.items, copy.copy({1: 2}), items, bisect.bisect_left(items, 3), keyword.iskeyword("if"), fnmatch.filter(["a.py", "b.txt", "c[1].py"], "*.p?"), glob.escape("a[b]*")


@workload
def pathlib(copies: Copies) -> Iterator[object]:
    genericpath, posixpath = copies.load("genericpath", "posixpath")
    yield
    join, norm = posixpath.join, posixpath.normpath
    yield join("a", "/b", "c"), norm("/a/./b//../c/"), posixpath.relpath("/a/b", "/a/c"), posixpath.commonpath(["/a/b", "/a/c"]), posixpath.splitext("x.tar.gz"), posixpath.expandvars("$NOPE/${X}"), genericpath.commonprefix(["abc", "abd"])


@workload
def traceback(copies: Copies) -> Iterator[object]:
    (module,) = copies.load("traceback")
    yield

    def fails(n):  # type: ignore[no-untyped-def]
        return fails(n - 1) if n else 1 / 0

    try:
        try:
            fails(2)
        except ZeroDivisionError as error:
            raise KeyError("k") from error
    except KeyError as error:
        lines = module.TracebackException.from_exception(error).format()
        yield [line for part in lines for line in part.splitlines()], module.format_exception_only(error)
