"""A Slurm of three nodes on one machine, for tests: real daemons on loopback, fake GPUs, accounting.

Needs root and Debian's packages (PACKAGES). Every daemon is a child of this process, in the
foreground, and is ended with it; nothing else on the machine is touched but the link
/etc/slurm/slurm.conf, where the clients inside a job look (the plugin drops SLURM_CONF there).
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGES = (
    *("slurm-client", "slurmctld", "slurmd", "slurm-wlm-basic-plugins", "munge"),
    *("slurmdbd", "slurm-wlm-mysql-plugin", "mariadb-server"),
)

NODES = ("n1", "n2", "n3")
SYSTEM_CONF = Path("/etc/slurm/slurm.conf")
PR_SET_PDEATHSIG = 1

CONF = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SrunPortRange={srun_first}-{srun_last}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=30
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
MpiDefault=none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=2,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=1
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=2
UnkillableStepTimeout=300
MinJobAge=7200
GresTypes=gpu
EnforcePartLimits=ALL
RebootProgram=/bin/true
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database_port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits
{nodes}
PartitionName=main Nodes=ALL Default=YES DefaultTime=10 MaxTime=240 PriorityTier=1
PartitionName=urgent Nodes=ALL DefaultTime=10 MaxTime=240 PriorityTier=9 PreemptMode=OFF
"""

DATABASE_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database_port}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=accounting
"""


class Cluster:
    """A running Slurm; a context manager. ``folder`` holds all its state and is removed at the end."""

    def __init__(self, folder: Path, cpus: int = 4, gpus: int = 2) -> None:
        self.folder, self.port, self.cpus, self.gpus = folder, free_ports(), cpus, gpus
        self.name = f"test{secrets.token_hex(4)}"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Cluster":
        if SYSTEM_CONF.exists() and not SYSTEM_CONF.is_symlink():
            raise RuntimeError(f"{SYSTEM_CONF} is a real file: this machine has a Slurm of its own")
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    # What tests do with it

    def jobs(self) -> dict[str, str]:
        """State of each job that is queued or runs, by its number."""
        lines = run("squeue", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def history(self) -> list[tuple[str, ...]]:
        """State and comment (rule and wildcards) of every job so far, in the order of their numbers."""
        lines = run("squeue", "--noheader", "--states=all", "--sort=i", "--format=%T %k").splitlines()
        return [tuple(line.split(maxsplit=1)) for line in lines]

    def ended(self) -> dict[str, str]:
        """State of each job that has ended and of which the controller still knows, by its number."""
        lines = run("squeue", "--noheader", "--states=all", "--format=%i %T").splitlines()
        states = dict(line.split(maxsplit=1) for line in lines)
        return {number: state for number, state in states.items() if number not in self.jobs()}

    def wait_until_run_again(self, job: str) -> None:
        """Wait for a job that Slurm has taken from a node and queued again.

        Slurm lets it wait until its first credential has expired (``cred_expire``). Bringing its start
        forward by `scontrol update` does not do: a node that has revoked that credential may then
        refuse the job.
        """
        wait_until(lambda: self.jobs().get(job) == "RUNNING", 180, "the job ran again")

    def node_of(self, job: str) -> str:
        return run("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()

    def cancel(self, *jobs: str) -> None:
        run("scancel", *jobs)

    def set_node(self, node: str, state: str) -> None:
        run("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def restart_controller(self) -> None:
        self._end("slurmctld")
        self._run_daemon("slurmctld", "slurmctld", "-D")
        wait_until(lambda: succeeds("scontrol", "ping"), 30, "the controller came back")

    def settle(self) -> None:
        """End all jobs and bring all nodes back."""
        run("scancel", "--user=root")
        wait_until(lambda: not self.jobs(), 60, "the queue was empty")
        for node in NODES:
            state = run("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T")
            if "down" in state or "drain" in state:
                self.set_node(node, "resume")
        wait_until(self._all_idle, 60, "all nodes were idle")

    def _all_idle(self) -> bool:
        states = run("sinfo", "--noheader", "--partition=main", "--Node", "--format=%t").split()
        return states == ["idle"] * len(NODES)

    # Start and end

    def _start(self) -> None:
        for name in ("munge", "controller", "sql", "log", "gpu", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        self._write_conf()
        self._start_munge()
        self._start_accounting()
        self._run_daemon("slurmctld", "slurmctld", "-D")
        wait_until(lambda: succeeds("scontrol", "ping"), 30, "the controller answered")
        for node in NODES:
            self._run_daemon(f"slurmd.{node}", "slurmd", "-D", "-N", node)
        wait_until(self._all_idle, 60, "all nodes were idle")

    def _write_conf(self) -> None:
        files = [self._gpu_file(number) for number in range(self.gpus)]
        has_files = all(files)
        (self.folder / "gres.conf").write_text(
            f"NodeName=n[1-{len(NODES)}] Name=gpu Type=fake "
            + (f"File={self.folder}/gpu/fake[0-{self.gpus - 1}]\n" if has_files else f"Count={self.gpus}\n")
        )
        # The daemon loads a control group plugin whatever is set; this one touches nothing here.
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.port + 10 + number} "
            f"CPUs={self.cpus} RealMemory=32000 Gres=gpu:fake:{self.gpus}"
            for number, node in enumerate(NODES)
        )
        self._facts: dict[str, Any] = {
            "name": self.name,
            "host": host,
            "folder": self.folder,
            "port": self.port,
            "database_port": self.port + 1,
            "sql_port": self.port + 2,
            "srun_first": self.port + 100,
            "srun_last": self.port + 400,
            "password": secrets.token_hex(12),
            "nodes": nodes,
        }
        conf = self.folder / "slurm.conf"
        conf.write_text(CONF.format(**self._facts))
        SYSTEM_CONF.parent.mkdir(exist_ok=True)
        SYSTEM_CONF.unlink(missing_ok=True)
        SYSTEM_CONF.symlink_to(conf)

    def _gpu_file(self, number: int) -> bool:
        """A device file, so that Slurm numbers the GPU and sets CUDA_VISIBLE_DEVICES; it leads nowhere."""
        try:
            os.mknod(self.folder / "gpu" / f"fake{number}", 0o20666, os.makedev(1, 3))
        except OSError:
            return False
        return True

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        (folder / "key").write_bytes(secrets.token_bytes(128))
        for path in (folder, folder / "key"):
            shutil.chown(path, "munge", "munge")
        folder.chmod(0o755)
        (folder / "key").chmod(0o400)
        files = {
            "key-file": "key",
            "socket": "socket",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        flags = [f"--{flag}={folder / name}" for flag, name in files.items()]
        self._run_daemon("munged", "runuser", "-u", "munge", "--", "/usr/sbin/munged", "--foreground", *flags)
        wait_until(lambda: succeeds("munge", "-S", str(folder / "socket"), "-n"), 20, "munge answered")

    def _start_accounting(self) -> None:
        folder, facts = self.folder / "sql", self._facts
        shutil.chown(folder, "mysql", "mysql")
        data = f"--datadir={folder}/data"
        run(
            *("mariadb-install-db", "--no-defaults", "--user=mysql", data, "--skip-test-db"),
            "--auth-root-authentication-method=normal",
        )
        self._run_daemon(
            *("mariadbd", "mariadbd", "--no-defaults", "--user=mysql", data, f"--socket={folder}/socket"),
            *("--bind-address=127.0.0.1", f"--port={facts['sql_port']}", f"--pid-file={folder}/pid"),
            *("--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900", "--skip-log-bin"),
        )
        client = ("mariadb", "--no-defaults", f"--socket={folder}/socket", "--user=root", "--execute")
        wait_until(lambda: succeeds(*client, "select 1"), 60, "the database answered")
        run(
            *client,
            f"create database accounting; create user slurm@'127.0.0.1' identified by '{facts['password']}'; "
            f"create user slurm@localhost identified by '{facts['password']}'; "
            "grant all on accounting.* to slurm@'127.0.0.1'; grant all on accounting.* to slurm@localhost;",
        )
        conf = self.folder / "slurmdbd.conf"
        conf.touch(mode=0o600)
        conf.write_text(DATABASE_CONF.format(**facts))
        self._run_daemon("slurmdbd", "slurmdbd", "-D")
        wait_until(lambda: succeeds("sacctmgr", "-n", "list", "cluster"), 60, "accounting answered")
        for what in (
            f"cluster {self.name}",
            f"account lab cluster={self.name} description=lab organization=lab",
            "user root account=lab adminlevel=Admin",
        ):
            run("sacctmgr", "--immediate", "--quiet", "add", *what.split())

    def _run_daemon(self, name: str, *command: str) -> None:
        with open(self.folder / "log" / name, "ab") as log:
            self._daemons[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")},
                start_new_session=True,  # Ctrl-C is for the tests; they end the daemons
                preexec_fn=_end_with_parent,
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _stop(self) -> None:
        if "slurmctld" in self._daemons and succeeds("scancel", "--user=root"):
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and succeeds("scontrol", "ping") and self.jobs():
                time.sleep(0.2)
        for name in reversed(list(self._daemons)):
            self._end(name)
        # A job on a node that was set down outlives its daemon; its environment names this cluster.
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"SLURM_CLUSTER_NAME={self.name}".encode() in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue
        if SYSTEM_CONF.is_symlink() and SYSTEM_CONF.readlink() == self.folder / "slurm.conf":
            SYSTEM_CONF.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_ports() -> int:
    """The first of some hundred ports, of which those of the daemons are not in use."""
    for first in range(27000, 32000, 500):
        try:
            for number in (0, 1, 2, *range(10, 10 + len(NODES))):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", first + number))
        except OSError:
            continue
        return first
    raise RuntimeError("no free ports between 27000 and 32000 on 127.0.0.1")


def run(*command: str) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def succeeds(*command: str) -> bool:
    """Whether a command ends well within some seconds."""
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for ``condition``; after ``seconds`` fail, saying that it never came to be that ``what``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s it was still not so that {what}"
        time.sleep(0.2)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
