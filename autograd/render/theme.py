"""The colours of the pictures, one row per role: light and dark, built on the palette of Okabe and Ito.

Blue and orange carry the meaning (negative and positive numbers, inputs and parameters), because every common kind
of colour blindness keeps them apart; shape, border and words say the same things again. A picture for both themes
carries the light colours as plain attributes, which every viewer understands, and a style sheet that exchanges each
of them for its dark partner where the reader's system asks for a dark theme. That needs no classes on the elements,
only that no light colour stands for two different dark ones (asserted in the tests).

Source: Okabe and Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..core.errors import ArgumentError

ThemeName = Literal["auto", "light", "dark"]
Colour = Callable[[str], str]

HEAT_STEPS = 5  # colours on each side of zero

_ROLES: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#0d1117"),
    "ink": ("#1b1f24", "#e6edf3"),
    "quiet": ("#57606a", "#a3b0bd"),
    "grad": ("#a03c00", "#ffb077"),
    "edge": ("#76808a", "#8793a0"),
    "operation": ("#f5f7f9", "#1b222c"),
    "operation line": ("#7f8994", "#7a8694"),
    "input": ("#dff1fb", "#0e2b40"),
    "input line": ("#0072b2", "#56b4e9"),
    "parameter": ("#fdf0d3", "#35280b"),
    "parameter line": ("#a86f00", "#e69f00"),
    "output": ("#dbf3ea", "#0c3126"),
    "output line": ("#00825f", "#2cc399"),
    "backward": ("#fde8dc", "#3b1f10"),
    "backward line": ("#c65102", "#f2935a"),
    "update": ("#eceafc", "#231f42"),
    "update line": ("#6b5bc4", "#a99bf2"),
    "folded": ("#f4eaf1", "#33202c"),
    "folded line": ("#a8558a", "#cc79a7"),
    "group": ("#fafbfc", "#12181f"),
    "group line": ("#b9c2cc", "#465260"),
    "nan": ("#cc79a7", "#8f4a70"),
}
_HEAT_ENDS = {-1: ("#56b4e9", "#006ca9"), 0: ("#eef0f3", "#232a34"), 1: ("#e69f00", "#a85400")}
_FLOW_ENDS = (("#9aa3ad", "#6e7a87"), ("#d55e00", "#ff9d52"))
FLOW_STEPS = 4


def mix(first: str, second: str, share: float) -> str:
    """The colour `share` of the way from `first` to `second`."""
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _scales() -> dict[str, tuple[str, str]]:
    """The two scales as roles: `heat -5` ... `heat 5` for signed numbers, `flow 0` ... `flow 4` for magnitudes."""
    scale: dict[str, tuple[str, str]] = {}
    for step in range(-HEAT_STEPS, HEAT_STEPS + 1):
        end, share = _HEAT_ENDS[(step > 0) - (step < 0)], abs(step) / HEAT_STEPS
        scale[f"heat {step}"] = (mix(_HEAT_ENDS[0][0], end[0], share), mix(_HEAT_ENDS[0][1], end[1], share))
    for step in range(FLOW_STEPS + 1):
        share = step / FLOW_STEPS
        scale[f"flow {step}"] = (
            mix(_FLOW_ENDS[0][0], _FLOW_ENDS[1][0], share),
            mix(_FLOW_ENDS[0][1], _FLOW_ENDS[1][1], share),
        )
    return scale


PALETTE = _ROLES | _scales()


def colours(theme: str) -> Colour:
    """The function from a role to its `#rrggbb` colour in a theme; "auto" starts from the light colours.

    >>> colours("light")("paper"), colours("dark")("paper")
    ('#ffffff', '#0d1117')
    """
    if theme not in ("auto", "light", "dark"):
        raise ArgumentError(f"theme={theme!r} is not known; write theme='auto', 'light' or 'dark'")
    column = 1 if theme == "dark" else 0
    return lambda role: PALETTE[role][column]


def dark_style(scope: str) -> str:
    """The style sheet that exchanges every light colour below `scope` for its dark partner on dark systems."""
    rules = "".join(
        f'{scope} [fill="{light}"]{{fill:{dark}}}{scope} [stroke="{light}"]{{stroke:{dark}}}'
        for light, dark in sorted(set(PALETTE.values()))
    )
    text = f"{scope} text:not([fill]){{fill:{PALETTE['ink'][1]}}}"
    paper = f"{scope}{{background:{PALETTE['paper'][1]}}}"  # of the window, where the picture stands alone in it
    return f"@media (prefers-color-scheme:dark){{{paper}{text}{rules}}}"
