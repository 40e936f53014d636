"""Plants 23 processes that live until its standard input ends; it is to be started before the recording is."""

import json
import os
import subprocess
import sys

import own_cgroup

PLANTED = 23
children = [subprocess.Popen(["sleep", str(600 + i)], stdin=subprocess.DEVNULL) for i in range(PLANTED)]
facts = {"planted": {child.pid: 600 + i for i, child in enumerate(children)}, "parent": os.getpid(), "uid": os.getuid()}
facts["cgroup"] = own_cgroup.shown(own_cgroup.own())[1]
print(json.dumps(facts), flush=True)
sys.stdin.read()
for child in children:
    child.kill()
    child.wait()
