"""`{four-roles}`: the picture of who is trained on what, on pages that run no code."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class FourRoles(SphinxDirective):
    """The package's own picture as inline SVG; the content is its caption."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        from w2s_tutorial.figures import explore, looks, pictures

        picture = pictures.four_roles(looks.axes(6.4, 4.8))
        html = explore.figure(picture.figure)._repr_html_()
        caption = nodes.paragraph("", "", *self.parse_inline("\n".join(self.content))[0])
        return [nodes.raw("", html, format="html"), caption]


def setup(app: Sphinx) -> None:
    app.add_directive("four-roles", FourRoles)
