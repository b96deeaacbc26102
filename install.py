"""Make .venv, the environment of the book and its tests: `python install.py`. No package is needed.

What a download could not end well for is said first, in one line with what helps: a Python that is
too old, a Python without pip or venv, a full disk, a Python that torch has no build for. A .venv
that was copied, renamed, broken or left by another Python is made anew; a good one is kept.

    python install.py              # .venv with the versions of requirements.lock
    python install.py --newest     # .venv-newest with today's versions, for `make newest`
    python install.py --doctor     # what this machine has, without changing it
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
LEAST = (3, 11)
GIGABYTES = 3  # what the packages take; a torch with CUDA takes about 5 more
STAMP = "w2s-installed.json"
INPUTS = ("pyproject.toml", "constraints.txt", "requirements.lock")
LOOK = "import json, sys, pip; print(json.dumps([sys.prefix, sys.version_info[:2]]))"


def interpreter(folder):
    """The path of an environment's python, on this system."""
    inner = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(folder, *inner)


def wrong_with(folder, asked=None):
    """Why an environment cannot be used, or None. `asked`: the version (3, 12) it should have."""
    if os.path.islink(folder):
        return "it is a link to another"
    if not os.path.exists(interpreter(folder)):
        return "there is none" if not os.path.lexists(folder) else "it has no python"
    run = subprocess.run([interpreter(folder), "-c", LOOK], capture_output=True, text=True)
    if run.returncode:
        return "its python does not start or has no pip"
    prefix, version = json.loads(run.stdout)
    if tuple(version) < LEAST:
        return "it is of Python {}.{}".format(*version)
    if asked and tuple(version) != asked:
        return "it is of Python {}.{}, asked for is {}.{}".format(*version, *asked)
    # pip and all commands in it name the folder that they were made in
    with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8") as stream:
        made_in = re.search(r"^command = .* -m venv (?:--\S+ )*(.+)$", stream.read(), re.M)
    places = [prefix, made_in[1]] if made_in else [prefix]
    if any(os.path.realpath(place) != os.path.realpath(folder) for place in places):
        return "it was made in another folder"
    return None


def wanted():
    """One line that changes whenever something else is to be installed."""
    digest = hashlib.sha256()
    for name in INPUTS:
        with open(os.path.join(HERE, name), "rb") as stream:
            digest.update(stream.read().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def installed(folder):
    """What `wanted` was when this environment was filled, or None."""
    try:
        with open(os.path.join(folder, STAMP), encoding="utf-8") as stream:
            return json.load(stream)["wanted"]
    except (OSError, ValueError, KeyError):
        return None


def stop(message):
    """End with one line."""
    sys.exit("install.py: " + message)


def make(folder):
    """A fresh environment with pip, or one line that says why not."""
    if sys.version_info < LEAST:
        have = "{}.{}".format(*sys.version_info[:2])
        stop(f"needs Python 3.11 or newer, this is {have}; try: make book PYTHON=python3.12")
    if shutil.disk_usage(HERE).free < GIGABYTES * 1e9:
        stop(f"needs {GIGABYTES} GB of free disk for the packages, there is less")
    if os.path.lexists(folder):
        (os.remove if os.path.islink(folder) else shutil.rmtree)(folder)
    made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True)
    if made.returncode or wrong_with(folder):
        shutil.rmtree(folder, ignore_errors=True)
        stop(
            "this Python cannot make an environment with pip; on Debian or Ubuntu: "
            "sudo apt install python3-venv, elsewhere name another: make book PYTHON=python3.12"
        )


def pip(folder, *arguments):
    """Run pip of an environment in the project's folder; its failure is ours."""
    command = [interpreter(folder), "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=HERE).returncode:
        stop("pip could not finish (its lines above say why); the next call goes on from here")


def fill(folder, newest):
    """Install what pyproject.toml asks for: the locked versions, or today's."""
    # Most modules are never imported; those that are get compiled then.
    install = ("install", "--quiet", "--no-compile")
    if newest:
        return pip(folder, *install, "--upgrade", "-e", ".[test]")
    torch = (*install, "-c", "constraints.txt", "torch")
    try_torch = [interpreter(folder), "-m", "pip", *torch, "--dry-run", "--no-deps"]
    if subprocess.run(try_torch, cwd=HERE).returncode:
        stop("pip finds no torch (constraints.txt) for this Python and system, or no network")
    # Everything but torch is checked by its hash; torch's file differs by system and CUDA.
    pip(folder, *install, "--no-deps", "--require-hashes", "-r", "requirements.lock")
    pip(folder, *torch)
    return pip(folder, *install, "--no-deps", "--no-build-isolation", "-e", ".")


def doctor(folder):
    """Print what this machine has."""
    print("Python      ", sys.version.split()[0], sys.executable)
    print("environment ", wrong_with(folder) or "good", "in", folder)
    print("packages    ", "as locked" if installed(folder) == wanted() else "to be installed")
    browsers = ("chromium", "chromium-browser", "google-chrome", "chrome")
    print("browser     ", next(filter(None, map(shutil.which, browsers)), "none: its tests skip"))
    print(
        "data        ", os.environ.get("W2S_DATA", "W2S_DATA is not set: downloads go to a cache")
    )
    print("git         ", shutil.which("git") or "none: two tests of the repository skip")
    print("free disk   ", f"{shutil.disk_usage(HERE).free / 1e9:.0f} GB")
    if wrong_with(folder):
        return
    report = (
        "import torch, numpy, sklearn, matplotlib as m, jupyter_book as j\n"
        "print('versions    ', 'torch', torch.__version__, 'numpy', numpy.__version__, "
        "'scikit-learn', sklearn.__version__, 'matplotlib', m.__version__, "
        "'jupyter-book', j.__version__)\n"
        "import w2s_tutorial as w\n"
        "print('package     ', w.__version__, w.__file__)\n"
        "gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'none'\n"
        "print('GPU         ', gpu)"
    )
    run = subprocess.run([interpreter(folder), "-c", report], capture_output=True, text=True)
    print(run.stdout or run.stderr.strip().splitlines()[-1], end="" if run.stdout else "\n")


def main():
    """See the module's first lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--newest", action="store_true", help="today's versions, in .venv-newest")
    parser.add_argument("--doctor", action="store_true", help="say what is here, change nothing")
    parser.add_argument("--this-python", action="store_true", help="refuse one of another version")
    parser.add_argument("--empty", action="store_true", help="make or mend it, install nothing")
    options = parser.parse_args()
    folder = os.path.join(HERE, ".venv-newest" if options.newest else ".venv")
    if options.doctor:
        return doctor(folder)
    reason = wrong_with(folder, sys.version_info[:2] if options.this_python else None)
    if reason:
        print(f"install.py: making {os.path.basename(folder)}: {reason}", flush=True)
        make(folder)
    if options.empty or (installed(folder) == wanted() and not options.newest):
        return None
    print("install.py: installing packages, some minutes the first time", flush=True)
    fill(folder, options.newest)
    with open(os.path.join(folder, STAMP), "w", encoding="utf-8") as stream:
        json.dump({"wanted": wanted()}, stream)
    return None


if __name__ == "__main__":
    main()
