# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""TAP, servers to test against, and a socket that reads to the end."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

TOP_BUILD = os.environ.get("top_builddir", os.getcwd())
KVCACHED = os.path.join(TOP_BUILD, "examples", "kvcached", "kvcached")
# shrink_stop() joins with pthread_clockjoin_np(), which ThreadSanitizer does not see
QUIET = {"TSAN_OPTIONS": "report_thread_leaks=0"}


class Tap:
    """Prints one line a test; the plan comes last."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, *why):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        if not good:
            for line in why:
                print("#", line)
        sys.stdout.flush()
        return good

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


class Kvcached:
    """Our server, on a port of its own choice."""

    def __init__(self, *args, env=None, prefix=(), log=None):
        argv = [*prefix, KVCACHED, "-p", "0", *os.environ.get("KVCACHED_ARGS", "").split(), *args]
        self.log = log
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=log, text=True, env={**QUIET, **os.environ, **(env or {})})
        line = self.process.stdout.readline()
        if not line.startswith("kvcached: listening on "):
            raise RuntimeError(f"kvcached does not start: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self, number=signal.SIGTERM, timeout=60):
        """Returns the exit status; negative = died of that signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "hangs at the end"
        finally:
            self.process.stdout.close()
        return status

    def alive(self):
        return self.process.poll() is None

    def shadowed(self):
        """Is this a sanitizer's build, whose memory is mostly not the server's?"""
        with open(f"/proc/{self.process.pid}/maps") as f:
            return any(name in line for line in f for name in ("libasan", "libtsan"))


class Memcached:
    """The real one, for comparison."""

    @staticmethod
    def path():
        return shutil.which("memcached") or shutil.which("memcached", path="/usr/bin:/usr/sbin")

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        argv = [self.path(), "-p", str(self.port), "-l", "127.0.0.1", "-U", "0", "-t", "2"]
        if os.geteuid() == 0:
            argv += ["-u", "nobody"]
        self.process = subprocess.Popen(argv)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("memcached does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def dialogue(port, data, timeout=20):
    """Sends all, closes our half, returns all that comes back. A reset counts as
    the end: a server that hangs up early may leave our bytes unread."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        answer = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass
        try:
            while chunk := s.recv(1 << 16):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


def stats(port, what=""):
    """The answer to "stats @what" as a dictionary of strings."""
    lines = dialogue(port, f"stats {what}\r\n".encode()).decode().split("\r\n")
    return dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT "))


def short(data, size=160):
    return repr(data if len(data) <= size else data[:size // 2] + b"..." + data[-size // 2:])
