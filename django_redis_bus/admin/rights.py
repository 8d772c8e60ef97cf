"""What who asks may do in the console: four permissions, usable without being a superuser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from django.http import HttpRequest

Right: TypeAlias = Literal["see", "payloads", "operate", "destroy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one user may do. Whoever may not see may do nothing else either."""

    see: bool = False
    payloads: bool = False
    operate: bool = False
    destroy: bool = False

    def allow(self, right: Right) -> bool:
        """Return whether this is one of them."""
        return bool(getattr(self, right))


def rights_of(request: HttpRequest) -> Rights:
    """Return what the user of a request may do. Whether he may enter the admin at all is for its site to say."""
    may = request.user.has_perm
    if not may("django_redis_bus.see_bus"):
        return Rights()
    return Rights(
        see=True,
        payloads=may("django_redis_bus.see_payloads"),
        operate=may("django_redis_bus.operate_bus"),
        destroy=may("django_redis_bus.destroy_bus"),
    )
