"""Django classes that take their model as a type parameter.

The type stubs define these classes as generic; at run time they aren't.
"""

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

    class TypedModelAdmin(admin.ModelAdmin[M]): ...

    class TypedModelForm(forms.ModelForm[M]): ...

else:
    Text = str | Promise
    AnyModelAdmin = admin.ModelAdmin

    class TypedModelAdmin(admin.ModelAdmin, Generic[M]):
        pass

    class TypedModelForm(forms.ModelForm, Generic[M]):
        pass
