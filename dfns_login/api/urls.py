"""Every path of the API. What is not here answers 404 in the envelope."""

from django.urls import path, re_path

from dfns_login.api import credentials, keys, login, registration, view

urlpatterns = [
    path("auth/login/code", login.SendLoginCode.as_view(), name="login-code"),
    path("auth/login/init", login.CreateLoginChallenge.as_view(), name="login-init"),
    path("auth/login", login.CompleteLogin.as_view(), name="login"),
    path("auth/logout", login.Logout.as_view(), name="logout"),
    path("auth/registration/code", registration.SendRegistrationCode.as_view(), name="registration-code"),
    path("auth/registration/init", registration.CreateRegistrationChallenge.as_view(), name="registration-init"),
    path("auth/registration", registration.CompleteRegistration.as_view(), name="registration"),
    path("auth/credentials", credentials.ListCredentials.as_view(), name="credentials"),
    path(".well-known/jwks.json", keys.TokenKeys.as_view(), name="token-keys"),
    re_path(r"^auth(?:/[\s\S]*)?\Z", view.UnknownPath.as_view(), name="unknown"),
]
