"""Tasks that other packages bring: entry points of the group `hrnet_tf.tasks`.

Such a package says in its `pyproject.toml`

    [project.entry-points."hrnet_tf.tasks"]
    brightness = "its_module:TASK"

and the command knows its task: the name is the task's, and the module is imported when
the task is asked for.
"""

from importlib.metadata import EntryPoint, entry_points

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.base.task import Task

GROUP = "hrnet_tf.tasks"


def find_plugins() -> dict[str, EntryPoint]:
    """Where the tasks of other packages are, by their names; nothing is imported."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_plugin(entry: EntryPoint) -> Task:
    """Import a task of another package.

    Raises:
        InputError: if it cannot be imported, or is no task of that name.
    """
    package = entry.dist.name if entry.dist else entry.module
    named = f"The task {entry.name} of the package {package}"
    advice = "mend that package, or uninstall it"
    try:
        task = entry.load()
    except Exception as error:  # whatever the code of others does
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{named} cannot be loaded, {reason}; {advice}.") from error
    if not isinstance(task, Task):
        kind = type(task).__name__
        raise InputError(f"{named} must be an hrnet_tf.Task, got {kind}; {advice}.")
    if task.name != entry.name:
        raise InputError(
            f"{named} calls itself {task.name}; its entry point must be called so too."
        )
    return task
