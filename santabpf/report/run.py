"""A notebook and its parameters -> the executed notebook, by papermill, in a kernel of this very interpreter.

In: a path, parameters, environment for the kernel. Out: the executed notebook's file, and what failed in it, if
anything did. Never: a TCP port (the kernel is reached over IPC), the user's IPython profile, a kernel left behind.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadUsage, ReportFailed, nearest

#: A kernel starts in half a second; this long on a machine that is as busy as one under investigation may be.
_START_S = 300
_PACKAGE = Path(__file__).resolve().parents[1]


@contextmanager
def quick_imports() -> Iterator[None]:
    """Keeps `rfc3987_syntax` from being imported: 0.8 s of grammars, for `iri` formats that no notebook schema has.

    jsonschema takes its absence as it comes. Measured with jsonschema 4.26, 2026-11.
    """
    name = "rfc3987_syntax"
    blocked = name not in sys.modules
    if blocked:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if blocked:
            sys.modules.pop(name, None)


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raises BadUsage for a parameter that the notebook does not declare; papermill would only warn."""
    with quick_imports():
        import papermill
    try:
        known = papermill.inspect_notebook(_literal(notebook))
    except Exception as exc:  # papermill, nbformat and jsonschema have no error in common
        raise BadUsage(f"{notebook}: cannot be read as a notebook: {str(exc).splitlines()[0]}") from exc
    for name in parameters:
        if name not in known:
            raise BadUsage(f"{notebook.name} has no parameter {name!r}; {nearest(name, known)}")


def execute(
    notebook: Path, out: Path, parameters: Mapping[str, Any], env: Mapping[str, str], *, progress: bool = False
) -> str | None:
    """Run all cells and write the executed notebook to `out`, up to and with the cell that failed, if one did.

    Returns: None, or a sentence that names the failing cell. Raises ReportFailed where no notebook could be made.
    """
    with quick_imports():
        import papermill
        from papermill.exceptions import PapermillExecutionError
    with tempfile.TemporaryDirectory(prefix="santabpf-kernel-") as private:
        try:
            papermill.execute_notebook(
                _literal(notebook), _literal(out), dict(parameters), kernel_name="python3", language="python",
                progress_bar=progress, kernel_manager_class=_kernel_class(Path(private), env),
                shutdown_kernel="immediate", start_timeout=_START_S, iopub_timeout=_START_S,
                request_save_on_cell_execute=False,
            )
        except PapermillExecutionError as exc:
            return f"{notebook.name}: cell {exc.exec_count} failed: {exc.ename}: {exc.evalue}"
        except Exception as exc:  # papermill, nbclient, jupyter_client and zmq have no error in common
            raise ReportFailed(f"{notebook.name}: the notebook could not be run: {type(exc).__name__}: {exc}") from exc
    return None


def _literal(path: Path) -> str:
    """papermill fills in {names} in paths; a brace that is one must be doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _kernel_class(private: Path, env: Mapping[str, str]) -> type:
    """A kernel manager that starts this interpreter, whatever kernels are installed for the user, and over IPC."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class Kernel(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _only_our_own(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])

        @default("transport")
        def _no_port(self) -> str:
            return "ipc"

        @default("connection_file")
        def _private(self) -> str:
            return str(private / "kernel.json")

        async def start_kernel(self, **arguments: Any) -> None:  # type: ignore[override]
            await super().start_kernel(**{**arguments, "env": _environment(private, env)})

    return Kernel


def _environment(private: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """This process's, with an empty IPython profile, and with the checkout that this code runs from, if it is one."""
    env = {**os.environ, "IPYTHONDIR": str(private / "ipython"), "PYDEVD_DISABLE_FILE_VALIDATION": "1", **extra}
    if (_PACKAGE.parent / "pyproject.toml").is_file():
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGE.parent), env.get("PYTHONPATH", "")]))
    return env
