"""Graphviz's SVG as a tree, so that nothing rests on how its versions write it.

From 2.43 to 16 these differ: the order of attributes, titles of graphs, "transparent" for "none", whether spaces in a
text count, how far coordinates are rounded. What is asked for by id, class and colour is the same in all of them.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.etree.ElementTree import Element

FONTS = 'Arial, Helvetica, "Liberation Sans", sans-serif'
TIP = "xlink:title"
_PREFIXES = {
    "{http://www.w3.org/2000/svg}": "",
    "{http://www.w3.org/1999/xlink}": "xlink:",
    "{http://www.w3.org/XML/1998/namespace}": "xml:",
}
_NAMESPACE = re.compile(r"\{[^}]*\}")


def parse(data: bytes) -> Element:
    """The `<svg>` element of what Graphviz wrote: names without namespaces, fonts that exist, no prologue or comments."""
    root = ElementTree.fromstring(data)
    for element in root.iter():
        element.tag = _plain(element.tag)
        for name in [name for name in element.attrib if name[0] == "{"]:
            element.set(_plain(name), element.attrib.pop(name))
        if element.get("stroke") == "transparent":  # no colour of SVG 1.1
            element.set("stroke", "none")
        if element.tag == "text":
            element.set("font-family", FONTS)
            element.set("xml:space", "preserve")
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
    return root


def _plain(name: str) -> str:
    return _NAMESPACE.sub(lambda found: _PREFIXES.get(found[0], ""), name)


def text(root: Element) -> str:
    """The element as text that can stand in a file and in a page."""
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def graph(root: Element) -> Element:
    """The group that holds the whole graph."""
    return next(element for element in root.iter("g") if is_a(element, "graph"))


def is_a(element: Element, kind: str) -> bool:
    """Whether it is the group of a "graph", "cluster", "node" or "edge"."""
    return kind in element.get("class", "").split()


def shift(root: Element) -> tuple[float, float]:
    """How far the graph is moved from its own coordinates to those of the picture."""
    moved = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", graph(root).get("transform", ""))
    return (float(moved[1]), float(moved[2])) if moved else (0.0, 0.0)


def size(root: Element) -> tuple[float, float]:
    """Width and height in points."""
    width, height = (float(root.get(name, "0").removesuffix("pt")) for name in ("width", "height"))
    return width, height


def children(root: Element, tag: str) -> Iterator[tuple[Element, Element]]:
    """All elements of a kind, each with what it stands in; both may be changed on the way."""
    yield from [(parent, child) for parent in root.iter() for child in parent if child.tag == tag]


def replace(parent: Element, child: Element, new: Element | None) -> None:
    """Put something else, or nothing, in the place of a child."""
    place = list(parent).index(child)
    if new is None:
        parent.remove(child)
    else:
        new.tail = child.tail
        parent[place] = new
