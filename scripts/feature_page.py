"""Write FEATURES.md, the page of the feature catalogue, from the registry."""

from pathlib import Path

from factory_assets.features.description import catalogue_page

PAGE = Path(__file__).resolve().parents[1] / "FEATURES.md"

if __name__ == "__main__":
    PAGE.write_text(catalogue_page(), encoding="utf-8")
