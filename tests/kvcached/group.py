# SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
"""A memory group of the test's own, where one can be had."""
import os
import time


def own_folder(controller):
    """This process's folder in the v1 hierarchy of a controller, or in v2 for ""."""
    with open("/proc/self/cgroup") as groups, open("/proc/self/mountinfo") as mounts:
        paths = {c: path for _, cs, path in (line.rstrip("\n").split(":", 2) for line in groups) for c in cs.split(",")}
        for line in mounts:
            head, tail = line.split(" - ")
            root, point = head.split()[3:5]
            kind, _, options = tail.split()[:3]
            if controller not in paths or kind != ("cgroup" if controller else "cgroup2"):
                continue
            if not controller or controller in options.split(","):
                path = paths[controller]
                return point + (path if root == "/" else path.removeprefix(root))
    return None


class Group:
    """A limited memory group of our own, v1 or v2; `reason` says why not."""

    def __init__(self, limit):
        self.folder = self.reason = None
        for controller, limit_file, swap in (("memory", "memory.limit_in_bytes", ("memory.swappiness", "0")),
                                             ("", "memory.max", ("memory.swap.max", "0"))):
            parent = own_folder(controller)
            if not parent:
                continue
            folder = os.path.join(parent, f"kvcached-test.{os.getpid()}")
            try:
                os.mkdir(folder)
            except OSError as error:
                self.reason = f"no group can be made in {parent}: {error.strerror}"
                continue
            self.folder = folder
            try:
                self.write(limit_file, str(limit))
                self.limit = int(self.read(limit_file))
            except (OSError, ValueError):
                self.limit = 0
            if self.limit == limit:
                self.v1 = bool(controller)
                try:
                    self.write(*swap)
                except OSError:
                    pass
                return
            self.remove()
            self.reason = f"the limit does not take in {parent}"
        self.reason = self.reason or "no memory controller"

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def read(self, name):
        with open(os.path.join(self.folder, name)) as f:
            return f.read()

    def prefix(self, score):
        """A shell that enters the group and becomes the program."""
        script = f"echo 0 >'{self.folder}/cgroup.procs' && echo {score} >/proc/self/oom_score_adj && exec \"$@\""
        return ["sh", "-c", script, "sh"]

    def oom_kills(self):
        text = self.read("memory.oom_control" if self.v1 else "memory.events")
        return int(dict(line.split() for line in text.splitlines()).get("oom_kill", 0))

    def usage(self):
        return int(self.read("memory.usage_in_bytes" if self.v1 else "memory.current"))

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.folder)
                break
            except OSError:
                time.sleep(0.05)
        self.folder = None
