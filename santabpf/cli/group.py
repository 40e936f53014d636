"""The command `santabpf` itself: its options, what becomes of errors, how it is stopped."""

from __future__ import annotations

import signal
import sys
from typing import Any, NoReturn

import click

from .. import __version__
from ..errors import BadUsage, SantaError
from .shared import die, plain


class Commands(click.Group):
    """A group that names the nearest command when one is misspelt, and turns errors into one line."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from ..errors import nearest

            raise click.UsageError(
                f"there is no command {args[0]!r}; {nearest(args[0], self.list_commands(ctx))}", ctx
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadUsage as exc:
            die(str(exc), 2)
        except SantaError as exc:
            die(str(exc), 1)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(1)




@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="santabpf")
@click.option("--path", "folders", multiple=True, metavar="DIR", help="Look for probes/ and scenarios/ here too.")
def cli(folders: tuple[str, ...]) -> None:
    """Record what the kernel of a Linux node does, judge it, and write the postmortem.

    NODE is local, or whatever ssh would take: web-1, root@10.0.0.7, admin@db:2222.
    """
    if folders:
        from ..places import add

        add(folders)
    from ..places import others

    if others():
        from ..places import replaced

        for room in ("probes", "scenarios"):
            for name, folder in replaced(room).items():
                click.echo(f"santabpf: {room[:-1]} {name} is that of {folder}, not the one that ships", err=True)
        from ..catalogue import broken

        for what, why in broken():
            click.echo(plain(f"santabpf: {what} can't be used: {why}"), err=True)


def main() -> None:
    """The entry point: SIGTERM stops a command as cleanly as Ctrl-C does."""

    def terminate(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt("SIGTERM")

    signal.signal(signal.SIGTERM, terminate)
    try:
        cli.main(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt) as exc:  # click makes an Abort of each KeyboardInterrupt
        cause = exc.__cause__ or exc
        click.echo("santabpf: stopped before it was done", err=True)
        sys.exit(143 if cause.args == ("SIGTERM",) else 130)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
