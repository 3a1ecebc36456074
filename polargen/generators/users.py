"""Users: the people of SynergyFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from polargen import pools
from polargen.blocks import BlockContext, BlockKind
from polargen.columns import Frame, Nullable, fixed_text
from polargen.draw import chance
from polargen.generators.base import BaseGenerator
from polargen.generators.world_days import changed_later
from polargen.keys import Base
from polargen.schema import Table
from polargen.schema.masters import USERS

DOMAIN_NAME = "synergyflow.example"
PHOTO_SHARE = 0.85  # ASSUMED


def _at(base: Base) -> str:
    """Return what follows a mailbox; an appended run's users have mailboxes of their own."""
    return (f".r{base.mark}" if base.mark else "") + f"@{DOMAIN_NAME}"


class UserGenerator(BaseGenerator):
    """Makes the rows of `users`."""

    name: ClassVar[str] = "users"
    tables: ClassVar[tuple[Table, ...]] = (USERS,)
    kinds: ClassVar[tuple[BlockKind, ...]] = ("masters",)
    rows_per_unit: ClassVar[Mapping[str, float]] = {"users": 1.0}

    def generate(self, ctx: BlockContext, upstream: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Return the users of the block; nothing for a block of another table."""
        if ctx.block.table != USERS.name:
            return {}
        plan, users = ctx.plan, ctx.world.users
        index = np.arange(ctx.block.first, ctx.block.stop, dtype=np.int64)
        people = (index, plan.name_key("users.display_name"), plan.scenario.locale, plan.seed)
        photo = fixed_text("https://photos.synergyflow.example/users/", index + 1, 9)
        created_at = users.created_at[index]
        columns = {
            "user_id": index + 1,
            "email": pools.joined(pools.person_mailboxes(*people), _at(plan.base)),
            "display_name": pools.person_names(*people),
            "photo_url": Nullable(
                pools.joined(photo, ".jpg"),
                chance(plan.keyed("users.photo_url", index), PHOTO_SHARE),
            ),
            "role": users.role[index],
            "is_active": users.is_active[index],
            "created_at": created_at,
            "updated_at": changed_later(
                plan, "users.updated_at", index, created_at, np.full(len(index), plan.start_us)
            ),
        }
        return {USERS.name: Frame(USERS, columns)}
