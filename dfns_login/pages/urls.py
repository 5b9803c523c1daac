"""URLs of the pages."""

from django.urls import path

from dfns_login.pages import views

urlpatterns = [
    path("login/", views.sign_in, name="sign-in"),
    path("register/", views.register, name="register"),
    path("recover/", views.recover, name="recover"),
    path("account/", views.account, name="account"),
    path("account/secure/", views.secure, name="secure"),
    path("lock/", views.lock, name="lock"),
    path("language/", views.choose_language, name="choose-language"),
    path("forget/", views.forget, name="forget-organizations"),
    path("logout/", views.sign_out, name="sign-out"),
]
