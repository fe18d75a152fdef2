"""The README's picture of an audit: `python docs/demo/audit_picture.py docs/audit.svg`.

Class folders of generated scans with a cue in the background are audited in an empty folder, and what the
terminal shows is kept as a drawing.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd
from rich.console import Console

from nullcrop.config.definitions import Cue, PhantomSource
from nullcrop.datasets.phantom import write_phantom
from nullcrop.survey.layout import Said
from nullcrop.terminal.audit import Audit, audit


def main() -> None:
    picture = Path(sys.argv[1]).absolute()
    source = PhantomSource(kind="phantom", patients=80, images_per_patient=3, cue=Cue(kind="session"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_phantom(source, Path("made"))
        for scan in pd.read_csv("made/samples.csv").to_dict("records"):
            place = Path("my_scans", scan["class"], f"{scan['group']}_{Path(scan['path']).name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("made/images", scan["path"]), place)
        # No terminal, so that no bar is drawn while it runs.
        console = Console(record=True, width=112, force_terminal=False)
        console.print("$ nullcrop audit my_scans --field whole", highlight=False)
        audit(Audit(Path("my_scans"), Path("nullcrop-audit"), Said(field="whole"), cores=2), console)
        text = console.export_svg(title="nullcrop").replace(f"{Path.cwd()}/", "")
        # A page asks nobody for a font.
        text = re.sub(r"\s*@font-face \{.*?\}", "", text, flags=re.DOTALL)
        # Lengths were computed with the folder in them.
        picture.write_text(re.sub(' textLength="[^"]*"', "", text), encoding="utf-8")


if __name__ == "__main__":
    main()
