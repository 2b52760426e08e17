"""The frame of the site's drawings: a picture with a caption for readers and a tip for arrows."""

from collections.abc import Sequence


def framed(body: Sequence[str], caption: str, view: str, arrow: str) -> str:
    """Return an SVG picture.

    Args:
        body: its elements.
        caption: what it shows, with its special characters escaped.
        view: the attributes that give its box.
        arrow: the name under which its lines find the tip of an arrow.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{caption}" {view}>'
        f'<defs><marker id="{arrow}" viewBox="0 0 10 10" refX="2" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M 0 0 L 10 5 L 0 10 z"/></marker></defs>'
        f"{''.join(body)}</svg>"
    )
