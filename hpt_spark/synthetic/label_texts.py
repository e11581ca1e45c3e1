"""Texts of app categories, with the marks that the cleaning of a category has to deal with."""

from __future__ import annotations

_THEMES = [
    "Puzzle", "Racing", "Chess", "Shooting", "Strategy", "Rowing", "Cards", "Fishing", "Banking", "Insurance",
    "Stocks", "Lottery", "Wealth", "Shopping", "Travel", "Trains", "Hotels", "Maps", "Taxi", "Dining", "Movies",
    "Music", "Radio", "Comics", "Novels", "News", "Sports", "Fitness", "Health", "Parenting", "Pregnancy",
    "Education", "Exams", "English", "Weather", "Photos", "Beauty", "Fashion", "Dating", "Chat", "Mail",
    "Browser", "Security", "Launcher", "Keyboard",
]  # fmt: skip
_FORMS = (
    "game-{}",
    "{}",
    "{} (free)",
    "{}_online",
    "{}/online",  # cleaned, the same as the one before
    "{} 1",
    "game-{}_art (3D)",
    "Higher {} for the young",
    "{} and others",
    "Custom {}/tools (new)",
    "GAME-{}",  # cleaned, the same as the first
    "{}, daily",
    'the "{}" style',
    "1-{} services",
    "Pirate_{}",
    "{} of the low-income",
    "Personal {} Effectiveness 1",
    "{} RPG",
    "Crazy {} / passion",
    "{} for women",
    "{} for men",
)


def category_text(place: int) -> str:
    """Return the text at `place` (0, 1, ...) of an endless list of different category texts."""
    theme, turn = place % len(_THEMES), place // len(_THEMES)
    text = _FORMS[(theme + turn) % len(_FORMS)].format(_THEMES[theme])
    return text if turn < len(_FORMS) else f"{text} {turn // len(_FORMS) + 1}"
