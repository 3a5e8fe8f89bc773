"""A contract for import-linter that it does not bring: only what is named may be imported."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """``source_modules``, with what lies in them, import the standard library, the modules
    in ``allowed`` with what lies in them, and of others what ``ignore_imports`` names, as
    ``importer -> imported``."""

    source_modules = fields.ListField(subfield=fields.ModuleField())
    allowed = fields.ListField(subfield=fields.StringField())
    ignore_imports = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        sources = {module.name for module in self.source_modules}
        sources |= {below for name in sources for below in graph.find_descendants(name)}
        found = {
            f"{source} -> {imported}"
            for source in sources
            for imported in graph.find_modules_directly_imported_by(source)
            if imported not in sys.stdlib_module_names and not self._allows(imported)
        }
        ignored = set(self.ignore_imports or ())
        wrong = sorted(found - ignored) + [f"{line}: not there" for line in ignored - found]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def _allows(self, imported: str) -> bool:
        return any(imported == name or imported.startswith(name + ".") for name in self.allowed)

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["wrong"]:
            output.print_error(line, bold=False)
