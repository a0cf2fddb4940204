"""``darkroom clean``: show and free the disk space of the tracking store, DVC's cache and unfinished work.

Data that an alias, a working tree, a stash, or the tip of a branch, tag or experiment refers to is never freed. Data of
older commits may be: ``darkroom restore --all`` packages a model again as long as DVC has its outputs. In a shared
store, data of other clones is never freed, since they may need it for results not yet pushed.

``mlflow gc`` is not called, because it always empties all of MLflow's trash. Runs and models are moved to the trash,
from which ``mlflow gc`` removes their rows, and their files are deleted here.

- ``things``: an item on disk, and sizes
- ``runs``: runs and packaged models of the tracking store
- ``work``: interrupted searches and trainings, decoded images
- ``dvc_cache``: DVC's experiments and cache
- ``words``: table rows and lines for the terminal
- ``clean``: list and free all of them
"""

from darkroom.maintenance.cleaning.clean import FIND, FREE, FREED, free, rows
from darkroom.maintenance.cleaning.things import Thing, shown_size
from darkroom.maintenance.cleaning.words import line, remainder, shortened

__all__ = ["FIND", "FREE", "FREED", "Thing", "free", "line", "remainder", "rows", "shortened", "shown_size"]
