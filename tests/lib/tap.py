# SPDX-License-Identifier: GPL-2.0-only
"""Writing TAP, and counting tests in it: versions 13 and 14, the kernel's KTAP, GLib's.

Writer prints version 14. Reader counts: a stream may hold several documents one after the other. Results that are
indented are a subtest of the next result that is less so, and what is counted
are the innermost ones. A plan that is missing, or that does not agree with
what was seen, is a failed test. The last comments before a failed result, which is
where kselftest_harness explains it, are told with it.
"""

import re

VERSION = re.compile(r"^( *)K?TAP version \d+")
PLAN = re.compile(r"^( *)1\.\.(\d+) *(?:# *SKIP *(.*))?", re.IGNORECASE)
RESULT = re.compile(r"^( *)(not ok|ok)\b *(\d*) *(?:- *)?(.*)$")
DIRECTIVE = re.compile(r"#\s*(SKIP|TODO|XFAIL)\b", re.IGNORECASE)
COMMENT = re.compile(r"^ *# +(.*)$")
BAIL = re.compile(r"^ *Bail out!")


class Document:
    """One plan, and the results under it."""

    def __init__(self, indent):
        self.indent = indent
        self.planned = None
        self.seen = 0
        self.inner = 0              # results counted, and failed ones, in the
        self.inner_failed = 0       # subtest of the next result


class Reader:
    """Feed it with line(), end with close(), read the numbers."""

    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []
        self.skips = []
        self.open = []              # documents, outermost first
        self.comments = []          # since the last result
        self.last = "the start"

    @property
    def failed(self):
        return len(self.failures)

    def line(self, text):
        text = text.rstrip("\r\n")
        if match := VERSION.match(text):
            self._document(match, lambda top: top.seen or top.planned is not None)
        elif match := PLAN.match(text):
            document = self._document(match, lambda top: top.planned is not None)
            document.planned = int(match[2])
            if not document.planned:
                self._count("skipped", match[3] or "a plan of no tests")
        elif match := RESULT.match(text):
            self._result(self._document(match, lambda top: False), match)
        elif BAIL.match(text):
            self._count("failed", text.strip())
        elif comment := COMMENT.match(text):
            self.comments.append(comment[1])

    def close(self):
        while self.open:
            self._close_one()

    def _document(self, match, over):
        """The document that a line belongs to; over(top): it begins the next one."""
        indent = len(match[1])
        while self.open and (self.open[-1].indent > indent or
                             self.open[-1].indent == indent and over(self.open[-1])):
            self._close_one()
        if not self.open or self.open[-1].indent < indent:
            self.open.append(Document(indent))
        return self.open[-1]

    def _close_one(self):
        document = self.open.pop()
        if document.planned is None:
            self._count("failed", f"no plan ({document.seen} tests seen), after '{self.last}'")
        elif document.planned != document.seen:
            self._count("failed", f"{document.planned} tests planned, {document.seen} seen, "
                        f"after '{self.last}'")

    def _count(self, kind, text):
        if kind == "failed":
            self.failures.append(text)
        elif kind == "skipped":
            self.skipped += 1
            self.skips.append(text)
        else:
            self.passed += 1
        for document in self.open:
            document.inner += 1
            document.inner_failed += kind == "failed"

    def _result(self, document, match):
        text = match[0].strip()
        directive = DIRECTIVE.search(match[4])
        document.seen += 1
        subtest = document.inner, document.inner_failed
        document.inner = document.inner_failed = 0
        self.last = text

        # Not into the document itself: inner is about its subtests.
        self.open.pop()
        if match[3] and int(match[3]) != document.seen:
            self._count("failed", f"out of order, expected number {document.seen}: '{text}'")
        if subtest[0] and (match[2] == "ok" or subtest[1]):
            pass                    # what is in it has been counted
        elif directive and (directive[1].upper() == "SKIP" or match[2] == "not ok"):
            self._count("skipped", text)
        else:
            passed = match[2] == "ok"
            self._count("passed" if passed else "failed",
                        text if passed else "\n    # ".join([text, *self.comments[-40:]]))
        self.comments.clear()
        self.open.append(document)


class Writer:
    """Prints a document: result() for each test, then done()."""

    def __init__(self, planned=None, indent=""):
        self.indent = indent
        self.planned = planned
        self.count = 0
        self.failed = 0
        if not indent:
            self._print("TAP version 14")
        if planned is not None:
            self._print(f"1..{planned}")

    def _print(self, line):
        print(self.indent + line, flush=True)

    def comment(self, text):
        for line in str(text).splitlines():
            self._print(f"# {line}")

    def result(self, ok, name, found=""):
        """One test; what was found instead is printed if it failed."""
        self.count += 1
        if not ok:
            self.failed += 1
            self.comment(found)
        self._print(f"{'ok' if ok else 'not ok'} {self.count} - {name}")
        return bool(ok)

    def skip(self, name, why):
        self.count += 1
        self._print(f"ok {self.count} - {name} # SKIP {why}")

    def subtest(self):
        """A document to be finished before the result() that it belongs to."""
        return Writer(indent=self.indent + "    ")

    def bail_out(self, why):
        self.failed += 1
        self._print(f"Bail out! {why}")

    def done(self):
        """End the document; whether anything failed."""
        if self.planned is None:
            self._print(f"1..{self.count}")
        return self.failed > 0
