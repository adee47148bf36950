"""Finding a data file on the disk, or bringing it from a mirror; its content is not known here."""

import os
import tempfile
import warnings
from http.client import HTTPException
from pathlib import Path

from sklearn.datasets import fetch_file, get_data_home


def data_folder(name, data_home=None):
    """Path of the folder `name` in `data_home`, which defaults as the public fetchers say."""
    if data_home is None:
        data_home = os.environ.get("SKVAE_DATA") or get_data_home()
    return Path(data_home).expanduser() / name


def find_file(folder, name):
    """Path of the file `name` in `folder`, plain or compressed, or None."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def download(name, folder, mirrors, read):
    """Bring the file `name` into `folder` from the first mirror that has it whole.

    `read(path)` returns the file's content, or raises a ValueError if the file is not the expected
    one. A file shows up in `folder` only after it has been read, so that neither an interrupted nor
    a corrupt download is ever met there. Returns what `read` returned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        url = f"{mirror}{name}"
        # Beside its destination, because a rename is atomic only within one file system.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
            try:
                path = fetch_file(url, folder=scratch, local_filename=name, n_retries=0)
                content = read(path)
            except (OSError, HTTPException, ValueError) as exc:
                failures.append(f"{url}: {exc}")
                warnings.warn(f"Could not use {failures[-1]}", stacklevel=2)
                continue
            os.replace(path, folder / name)
            return content
    raise OSError(
        f"Could not download {name} from any mirror. Check the network, or put the file into "
        f"{folder} yourself. What was tried:\n" + "\n".join(failures)
    )
