"""Django's classes with their model as a parameter: the stubs know one, the classes themselves do not."""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.utils.functional import Promise

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    Text = _StrOrPromise

    AnyModelAdmin = admin.ModelAdmin[Any]

    class TypedModelAdmin(admin.ModelAdmin[M]):
        """Pages of a model."""

    class TypedModelForm(forms.ModelForm[M]):
        """Form of a model."""

else:
    Text = str | Promise
    AnyModelAdmin = admin.ModelAdmin

    class TypedModelAdmin(admin.ModelAdmin, Generic[M]):
        """Pages of a model."""

    class TypedModelForm(forms.ModelForm, Generic[M]):
        """Form of a model."""
