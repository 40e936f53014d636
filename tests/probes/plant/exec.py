"""Plants 23 programs with command lines of their own, a long one, a secret, and one in a service of systemd's."""

import json
import os
import subprocess

import own_cgroup

PLANTED = 23


def run(*argv):
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    child.wait()
    return child.pid


facts = {"planted": [run("/bin/echo", "planted", str(i), "") for i in range(PLANTED)]}
facts["long"] = run("/bin/echo", "x" * 1000)
facts["secret"] = run("/bin/echo", "--password", "hunter2", "--user=me")
facts["parent"], facts["uid"] = os.getpid(), os.getuid()
facts["cgroup_id"], facts["cgroup"] = own_cgroup.shown(own_cgroup.own())
if os.path.isdir("/run/systemd/system"):
    unit = "santa-planted-%d.service" % os.getpid()
    asked = ["stat", "-c", "%i", "/sys/fs/cgroup/system.slice/" + unit]
    said = subprocess.run(
        ["systemd-run", "-q", "--collect", "--wait", "--pipe", "--unit=" + unit, *asked],
        check=True,
        stdout=subprocess.PIPE,
    )
    facts["service"] = {"unit": unit, "argv": asked[1:], "cgroup_id": int(said.stdout)}
print(json.dumps(facts))
