pytest_plugins = ["dfns_login.pytest_plugin"]
