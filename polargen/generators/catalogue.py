"""What products can be: price ranges, sizes, roasts and grinds by category."""

from __future__ import annotations

from dataclasses import dataclass

from polargen.schema.masters import CATEGORIES


@dataclass(frozen=True)
class Category:
    """One category of the catalogue.

    Attributes:
        name: of `CATEGORIES`.
        code: prefix of its SKUs.
        low, high: price range, EGP; Source: DOMAIN, products.
        step_cents: prices are multiples of it, piastres.
        sizes: (label, relative price), rising; dearer products tend to come in larger sizes.
            Empty: it has no variants.
        options: roasts or grinds, at the price of their parent.
        size_format: how the size follows the name.
    """

    name: str
    code: str
    low: int
    high: int
    step_cents: int
    sizes: tuple[tuple[str, int], ...] = ()
    options: tuple[str, ...] = ()
    size_format: str = " {}"


# Relative prices are ASSUMED, such that two variants fit into the range at every price.
_ROASTS = ("Light Roast", "Medium Roast", "Dark Roast")
_GRINDS = ("Turkish Grind", "Espresso Grind", "Filter Grind", "French Press Grind")
_BAGS = (("250 g", 100), ("500 g", 185), ("1 kg", 350))
_BOTTLES = (("250 ml", 100), ("500 ml", 150), ("700 ml", 190), ("1 L", 250))
_READY = (("250 ml", 100), ("330 ml", 125), ("500 ml", 170), ("1 L", 290))
_TEA_BAGS = (("20 Bags", 100), ("25 Bags", 115), ("50 Bags", 195), ("100 Bags", 350))
_CARTONS = (("200 ml", 100), ("500 ml", 150), ("1 L", 220), ("1.5 L", 300))
_FITS = (("Small", 100), ("Medium", 135), ("Large", 175))
_PACKS = (("x25", 100), ("x50", 165), ("x100", 270), ("x200", 450))

CATALOGUE = (
    Category("Coffee Beans", "CB", 150, 800, 500, _BAGS, _ROASTS),
    Category("Ground Coffee", "GC", 120, 600, 500, _BAGS, _GRINDS),
    Category("Espresso", "ES", 200, 900, 500, _BAGS, _ROASTS),
    Category("Cold Brew", "BR", 80, 250, 50, _READY),
    Category("Tea", "TE", 50, 300, 50, _TEA_BAGS),
    Category("Syrups", "SY", 100, 350, 500, _BOTTLES),
    Category("Milk & Alternatives", "MA", 30, 120, 50, _CARTONS),
    Category("Equipment", "EQ", 500, 15_000, 500),
    Category("Accessories", "AC", 50, 800, 500, _FITS, (), ", {}"),
    Category("Consumables", "CO", 30, 200, 50, _PACKS, (), " ({})"),
)
assert tuple(category.name for category in CATALOGUE) == CATEGORIES
MACHINE_TIERS = (2_500, 7_000)  # EGP, between the kinds of machines; ASSUMED
