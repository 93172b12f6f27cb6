"""Links of documents that lie elsewhere in the repository and are included in pages here."""

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

#: What has a page of its own, by its place in the repository.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    **{f"docs/{page.name}": page.name for page in sorted(DOCS.glob("*.md"))},
    **{f"docs/rules/{page.name}": f"rules/{page.name}" for page in sorted(DOCS.glob("rules/*.md"))},
    "results/README.md": "results.md",
    "results/depth.md": "depth.md",
    "results/entropy.md": "entropy.md",
    "results/reciprocal.md": "reciprocal_results.md",
    "results/reliability.md": "reliability.md",
    "results/robustness.md": "robustness.md",
    "results/sensitivity.md": "sensitivity.md",
    "results/rules.md": "rules_results.md",
    "results/spikes.md": "spikes_results.md",
    "results/small_sets.md": "small_sets.md",
    "benchmarks/results/peers.md": "peers_cost.md",
    "results/similarity_matching.md": "similarity_matching.md",
    "benchmarks/results/similarity_matching.md": "matching_cost.md",
    "benchmarks/results/recording.md": "recording_cost.md",
    "benchmarks/results/products.md": "products_cost.md",
    "benchmarks/results/rules.md": "rules_cost.md",
    "benchmarks/results/spiking_step.md": "spiking_cost.md",
    "benchmarks/results/training_step.md": "training_step.md",
    "examples": "gallery/index.rst",
    "examples/custom_cell.py": "gallery/custom_cell.rst",
    "examples/custom_rule.py": "gallery/custom_rule.rst",
    "examples/custom_learner.py": "gallery/custom_learner.rst",
    "examples/plot_reciprocal_feedback.py": "gallery/plot_reciprocal_feedback.rst",
    "examples/plot_rules.py": "gallery/plot_rules.rst",
}

_LINK = re.compile(r"(\[[^\]]*\])\(([^)#\s]+)(#[^)\s]+)?\)")


def relinked(text: str, folder: Path) -> str:
    """Let the links of a document lead, from here, where they lead from its own folder.

    To a page if there is one, else to the file itself, as a download. A link to a folder or a document without a page
    becomes its text. One that leads nowhere stays as it is, and the build complains.
    """

    def replaced(match):
        label, target, anchor = match.groups()
        place = (folder / target).resolve()
        if "://" in target or not place.exists():
            return match.group()
        name = place.relative_to(ROOT).as_posix()
        if name not in PAGES and (place.is_dir() or place.suffix == ".md"):
            return label.strip("[]")
        return f"{label}({PAGES.get(name) or os.path.relpath(place, DOCS)}{anchor or ''})"

    return _LINK.sub(replaced, text)
