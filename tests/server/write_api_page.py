"""Writes docs/api.md anew from the table of routes: python -m tests.server.write_api_page"""

from pathlib import Path

from budwood.domain.routes import ROUTES
from budwood.server.pages import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"

if __name__ == "__main__":
    PAGE.write_text(markdown(ROUTES), "utf-8")
