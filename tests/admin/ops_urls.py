"""A project with an AdminSite of its own, in which the console is, beside the default one."""

from django.contrib import admin
from django.urls import path

from django_redis_bus.admin import register

site = admin.AdminSite(name="ops")
register(site)
register(site)  # once is enough, twice does no harm

urlpatterns = [path("admin/", admin.site.urls), path("ops/", site.urls)]
