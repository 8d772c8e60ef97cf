"""The addresses of the suite's project: Django admin, with the console in it."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
