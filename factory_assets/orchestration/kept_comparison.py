"""The last comparison of two vendors, kept beside the pages: made by ``factory compare``, shown on the quality page."""

import hashlib
from pathlib import Path

from factory_assets.market.readers import RawRead, read_folder
from factory_assets.market.sessions import SessionCalendar
from factory_assets.market.vendor_comparison import VendorComparison, compare_vendors
from factory_assets.orchestration.declared_folder import declared_together
from factory_assets.orchestration.pages import page_path, place, place_page
from factory_assets.reports.page import render_page
from factory_assets.reports.vendors import vendor_sections, vendor_verdict
from factory_assets.storage import Store
from factory_assets.vocabulary.errors import BadInputError
from factory_assets.vocabulary.home import FactoryHome
from factory_assets.vocabulary.instruments import Instrument, instrument
from factory_assets.vocabulary.partition import PartitionKey

PAGE_KIND = "compare"


def comparison_path(home: FactoryHome, contract: str) -> Path:
    """Where the comparison of a contract lies, e.g. ``reports/MGC_compare.json``."""
    return page_path(home, PartitionKey(contract), PAGE_KIND).with_suffix(".json")


def comparison_now(home: FactoryHome, _store: Store, key: PartitionKey) -> str:
    """Sha256 of the contract's last comparison; empty while there is none."""
    path = comparison_path(home, key.contract)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def last_comparison(home: FactoryHome, contract: str) -> VendorComparison | None:
    """The contract's last comparison; None while there is none.

    Raises
    ------
    BadInputError
        The file is damaged, or of an earlier version.
    """
    path = comparison_path(home, contract)
    if not path.is_file():
        return None
    try:
        return VendorComparison.from_json(path.read_text(encoding="utf-8"))
    except (BadInputError, UnicodeDecodeError) as problem:
        raise BadInputError(f"{path}: {problem}") from problem


def compare_folders(
    contract: str, folders: tuple[Path, Path], declarations: tuple[Path | None, Path | None], home: FactoryHome
) -> tuple[VendorComparison, Path]:
    """Read two folders of one contract by their declarations, compare them, and keep the comparison and its page.

    Parameters
    ----------
    contract : str
        Contract both folders hold.
    folders : tuple of Path
        A and B.
    declarations : tuple of Path or None
        Where each one's declaration lies, if not in the folder.
    home : FactoryHome
        Home whose reports receive the page.

    Returns
    -------
    VendorComparison, Path
        What was found, and the page.

    Raises
    ------
    BadInputError
        A folder that is none, or cannot be read, or two that share nothing. Nothing was written then.
    """
    product = instrument(contract)
    if folders[0].resolve() == folders[1].resolve() and declarations[0] == declarations[1]:
        raise BadInputError(f"--raw {folders[0]}: given twice under one declaration. Name two different records.")
    first, second = (
        _read(folder, declaration, product) for folder, declaration in zip(folders, declarations, strict=True)
    )
    names = (folders[0].resolve().name, folders[1].resolve().name)
    compared = compare_vendors(first, second, product, SessionCalendar.of(product), folders=names)
    page = render_page(
        f"Two vendors of {product.name} ({contract})",
        vendor_verdict(compared),
        vendor_sections(compared, simulated=product.simulated),
        simulated=product.simulated,
    )
    path = place_page(home, PartitionKey(contract), PAGE_KIND, page.encode())
    place(comparison_path(home, contract), compared.to_json().encode())
    return compared, path


def _read(folder: Path, declaration: Path | None, product: Instrument) -> RawRead:
    """Rows of one folder; with a declaration from elsewhere, as if that lay in it."""
    if not folder.is_dir():
        raise BadInputError(f"--raw {folder}: expected a folder of vendor files.")
    if declaration is None:
        return read_folder(folder, product)
    with declared_together(folder, declaration) as together:
        return read_folder(together, product)
