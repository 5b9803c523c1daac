"""Every path of the API. What is not here answers 404 in the envelope."""

from django.urls import path, re_path

from dfns_login.api import action, credentials, keys, login, openapi, recovery, registration, users, view

urlpatterns = [
    path("auth/login/code", login.SendLoginCode.as_view(), name="login-code"),
    path("auth/login/init", login.CreateLoginChallenge.as_view(), name="login-init"),
    path("auth/login", login.CompleteLogin.as_view(), name="login"),
    path("auth/logout", login.Logout.as_view(), name="logout"),
    path("auth/registration/code", registration.SendRegistrationCode.as_view(), name="registration-code"),
    path("auth/registration/init", registration.CreateRegistrationChallenge.as_view(), name="registration-init"),
    path("auth/registration", registration.CompleteRegistration.as_view(), name="registration"),
    path("auth/credentials", credentials.Credentials.as_view(), name="credentials"),
    path("auth/credentials/init", credentials.CreateCredentialChallenge.as_view(), name="credential-init"),
    path("auth/credentials/activate", credentials.ActivateCredential.as_view(), name="credential-activate"),
    path("auth/credentials/deactivate", credentials.DeactivateCredential.as_view(), name="credential-deactivate"),
    path("auth/credentials/code", credentials.CreateCredentialCode.as_view(), name="credential-code"),
    path(
        "auth/credentials/code/init",
        credentials.CreateCredentialChallengeWithCode.as_view(),
        name="credential-code-init",
    ),
    path("auth/credentials/code/verify", credentials.CreateCredentialWithCode.as_view(), name="credential-code-verify"),
    path("auth/action/init", action.CreateActionChallenge.as_view(), name="action-init"),
    path("auth/action", action.CompleteAction.as_view(), name="action"),
    path("auth/recover/user/code", recovery.SendRecoveryCode.as_view(), name="recovery-code"),
    path("auth/recover/user/init", recovery.CreateRecoveryChallenge.as_view(), name="recovery-init"),
    path("auth/recover/user", recovery.CompleteRecovery.as_view(), name="recovery"),
    path("auth/users", users.Users.as_view(), name="users"),
    path("auth/users/<str:user_id>", users.User.as_view(), name="user"),
    path("auth/users/<str:user_id>/activate", users.ActivateUser.as_view(), name="user-activate"),
    path("auth/users/<str:user_id>/deactivate", users.DeactivateUser.as_view(), name="user-deactivate"),
    path(".well-known/jwks.json", keys.TokenKeys.as_view(), name="token-keys"),
    path("auth/openapi.json", openapi.OpenAPI.as_view(), name="openapi"),
    re_path(r"^auth(?:/[\s\S]*)?\Z", view.UnknownPath.as_view(), name="unknown"),
]
